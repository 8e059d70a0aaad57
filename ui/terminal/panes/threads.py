"""Threads: what each is doing right now and for how long, and how it spent the last second."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from uringtrace.tracer.live.picture import Picture, ThreadNow
from uringtrace.ui.terminal.live_table import (
    ALARM,
    PLAIN,
    QUIET,
    Column,
    LazyRows,
    LiveTable,
    TableRow,
)
from uringtrace.ui.terminal.marks import BLOCKED, RUNNING, WAITING, activity_bar
from uringtrace.ui.terminal.ordering import Value, ordered
from uringtrace.ui.terminal.pane import PaneWidget
from uringtrace.ui.terminal.panes.thread_detail import ThreadScreen
from uringtrace.ui.terminal.state import Sort, ViewState
from uringtrace.ui.terminal.thread_words import now_words
from uringtrace.ui.text import numbers

_BAR_WIDTH = 10

COLUMNS = (
    Column("tid", "TID", least=6, rank=1),
    Column("name", "NAME", right=False, least=9),
    Column("state", "STATE", right=False, least=7),
    Column("now", "NOW", right=False, least=24, stretch=True),
    Column("for", "FOR", least=6),
    Column("activity", "SECOND", right=False, least=_BAR_WIDTH, sortable=False, rank=3),
    Column("wakes", "WAKES", least=7, rank=2),
    Column("running", "RUN", least=5, rank=4),
    Column("waiting", "WAIT", least=5, rank=5),
    Column("blocked", "BLOCKED", least=5, rank=5),
    Column("calls", "CALLS", least=7, rank=6),
    Column("operations", "IO_URING", least=8, rank=6),
    Column("errors", "ERRORS", least=6, rank=7),
    Column("pid", "PID", least=6, rank=8),
)
_VALUES: Mapping[str, Callable[[ThreadNow], Value]] = {
    "tid": lambda thread: thread.activity.tid,
    "name": lambda thread: thread.activity.name,
    "state": lambda thread: thread.state,
    "now": lambda thread: thread.call,
    "for": lambda thread: thread.in_call_ns,
    "wakes": lambda thread: thread.wakes_now,
    "running": lambda thread: thread.running_now,
    "waiting": lambda thread: thread.waiting_now,
    "blocked": lambda thread: thread.blocked_now,
    "calls": lambda thread: thread.activity.system_calls,
    "operations": lambda thread: thread.activity.operations,
    "errors": lambda thread: thread.activity.errors,
    "pid": lambda thread: thread.activity.tgid,
}
DEFAULT_SORT = Sort("running")
LEGEND = f"SECOND: {RUNNING} running  {WAITING} waiting in a call  {BLOCKED} blocked, cannot be interrupted"


class ThreadsPane(PaneWidget):
    """The table, and below it what the signs of its bars mean."""

    pane = "threads"
    DEFAULT_CSS = """
    ThreadsPane > Static { height: 1; color: $text-muted; padding: 0 1; }
    ThreadsPane.-low > Static { display: none; }
    """

    def compose(self) -> ComposeResult:
        yield LiveTable(self.pane, COLUMNS)
        yield Static(LEGEND, markup=False)

    def on_resize(self) -> None:
        self.set_class(self.size.height < 10, "-low")

    def show(self, picture: Picture, view: ViewState) -> None:
        sort = view.sorts.get(self.pane, DEFAULT_SORT)
        rows = LazyRows(sorted_threads(picture.threads, sort), thread_key, thread_row)
        self.query_one(LiveTable).show_rows(rows, sort, "No thread was seen yet.")

    def detail(self, key: object) -> Screen[None] | None:
        return ThreadScreen(key) if isinstance(key, int) else None


def thread_key(thread: ThreadNow) -> int:
    return thread.activity.tid


def sorted_threads(threads: Sequence[ThreadNow], sort: Sort) -> Sequence[ThreadNow]:
    """In the order of `sort`; among equals those that have ended come last."""
    return ordered(
        threads,
        _VALUES[sort.column],
        descending=sort.descending,
        tie=lambda thread: (thread.state == "ended", thread.activity.tid),
    )


def thread_row(thread: ThreadNow) -> TableRow:
    """All cells of one thread."""
    activity = thread.activity
    return TableRow(
        activity.tid,
        (
            str(activity.tid),
            activity.name or numbers.UNKNOWN,
            thread.state,
            now_words(thread),
            numbers.duration(thread.in_call_ns) if thread.call else "",
            activity_bar(thread.running_now, thread.waiting_now, thread.blocked_now, _BAR_WIDTH),
            numbers.rate(thread.wakes_now),
            numbers.share(thread.running_now),
            numbers.share(thread.waiting_now),
            numbers.share(thread.blocked_now),
            numbers.count(activity.system_calls),
            numbers.count(activity.operations),
            numbers.count(activity.errors),
            str(activity.tgid),
        ),
        {"blocked": ALARM, "ended": QUIET}.get(thread.state, PLAIN),
    )
