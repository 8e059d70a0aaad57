"""One thread: what it waited on most, who woke it, whom it woke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.widget import Widget

from uringtrace.tracer.live.picture import Picture, ThreadNow
from uringtrace.tracer.threads import Partner
from uringtrace.ui.terminal.detail import DetailScreen
from uringtrace.ui.terminal.live_table import Column, LiveTable, TableRow
from uringtrace.ui.terminal.messages import RowChosen
from uringtrace.ui.terminal.state import Sort, ViewState
from uringtrace.ui.terminal.thread_words import activity_lines
from uringtrace.ui.text import numbers

COLUMNS = (
    Column("what", "WHAT", right=False, least=9, sortable=False),
    Column("who", "CALL OR THREAD", right=False, least=15, stretch=True, sortable=False),
    Column("times", "TIMES", least=8, sortable=False),
    Column("time", "TIME", least=7, sortable=False),
    Column("mean", "MEAN", least=7, sortable=False, rank=1),
)
_ORDER = Sort("what")
_PANE = "thread"


class ThreadScreen(DetailScreen):
    """Of the thread with this id."""

    def __init__(self, tid: int) -> None:
        super().__init__()
        self._tid = tid

    def body(self) -> Sequence[Widget]:
        return (LiveTable(_PANE, COLUMNS),)

    def show(self, picture: Picture, view: ViewState) -> None:
        threads = {thread.activity.tid: thread for thread in picture.threads}
        thread = threads.get(self._tid)
        if thread is None:
            self.set_title(f"Thread {self._tid}: not at this moment", picture, view)
            self.set_facts(["At this moment of the recording there is no such thread."])
            self.query_one(LiveTable).show_rows((), _ORDER)
            return
        self.set_title(
            f"Thread {named(self._tid, threads)}  of process {thread.activity.tgid}", picture, view
        )
        self.set_facts(activity_lines(thread))
        note = "It waited in no call, and no other thread woke it."
        self.query_one(LiveTable).show_rows(detail_rows(thread, threads), _ORDER, note)

    def on_row_chosen(self, message: RowChosen) -> None:
        message.stop()


def detail_rows(thread: ThreadNow, threads: Mapping[int, ThreadNow]) -> list[TableRow]:
    """Waits by their time, then wake-ups by their number."""
    activity = thread.activity
    waits = [
        TableRow(
            ("waited in", wait.call),
            (
                "waited in",
                wait.call,
                numbers.count(wait.count),
                numbers.duration(wait.total_ns),
                numbers.duration(wait.total_ns / wait.count if wait.count else None),
            ),
        )
        for wait in activity.waits
    ]
    causes = (
        ("the network", activity.woken_by_network),
        ("a timer", activity.woken_by_timer),
        ("an interrupt", activity.woken_by_interrupt),
    )
    woken_by = [_row("woken by", cause, count) for cause, count in causes if count]
    woken_by += _partners("woken by", activity.woken_by, threads)
    return [*waits, *woken_by, *_partners("woke", activity.woke, threads)]


def _partners(what: str, partners: Sequence[Partner], threads: Mapping[int, ThreadNow]) -> list[TableRow]:
    return [_row(what, named(partner.tid, threads), partner.count) for partner in partners]


def _row(what: str, who: str, count: int) -> TableRow:
    return TableRow((what, who), (what, who, numbers.count(count), "", ""))


def named(tid: int, threads: Mapping[int, ThreadNow]) -> str:
    """`4243 worker`; the number alone where the name is not known."""
    thread = threads.get(tid)
    return f"{tid} {thread.activity.name}" if thread is not None and thread.activity.name else str(tid)
