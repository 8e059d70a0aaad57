"""Rings: a row for each, and below the table everything about the one under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from uringtrace.tracer.live.picture import Picture, RingNow
from uringtrace.ui.terminal import ring_words
from uringtrace.ui.terminal.detail import DetailScreen
from uringtrace.ui.terminal.live_table import ALARM, Column, LazyRows, LiveTable, TableRow
from uringtrace.ui.terminal.marks import level
from uringtrace.ui.terminal.messages import CursorMoved
from uringtrace.ui.terminal.ordering import Value, ordered
from uringtrace.ui.terminal.pane import PaneWidget
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.terminal.state import Sort, ViewState
from uringtrace.ui.text import numbers

_BAR_WIDTH = 6
_LOW = 14
"""Lines of the pane below which the facts would leave the table too little room."""

COLUMNS = (
    Column("ring", "RING", least=4),
    Column("fd", "FD", least=3, rank=7),
    Column("sq", "SQ FILL", right=False, least=_BAR_WIDTH, rank=1),
    Column("cq", "CQ FILL", right=False, least=_BAR_WIDTH),
    Column("rate", "RATE", least=7, rank=2),
    Column("batching", "BATCH", least=5, rank=4),
    Column("in_flight", "OPEN", least=5, rank=3),
    Column("sq_thread", "SQPOLL", right=False, least=10, rank=2),
    Column("workers", "IO-WQ", least=5, rank=5),
    Column("trouble", "TROUBLE", right=False, least=18, stretch=True),
    Column("pid", "PID", least=6, rank=8),
    Column("flags", "FLAGS", right=False, least=16, sortable=False, stretch=True, rank=6),
)
_VALUES: Mapping[str, Callable[[RingNow], Value]] = {
    "ring": lambda ring: ring.summary.ring,
    "fd": lambda ring: ring.summary.fd,
    "sq": lambda ring: ring_words.fill_share(ring.sq_fill, ring.summary.sq_entries),
    "cq": lambda ring: ring_words.fill_share(ring.cq_fill, ring.summary.cq_entries),
    "rate": lambda ring: ring.rate_now,
    "batching": lambda ring: ring.batching_now,
    "in_flight": lambda ring: ring.summary.in_flight,
    "sq_thread": lambda ring: ring.sq_thread_busy,
    "workers": lambda ring: ring.workers,
    "trouble": lambda ring: ring.summary.overflows + ring.summary.dropped + ring.summary.untracked,
    "pid": lambda ring: ring.summary.tgid,
}
DEFAULT_SORT = Sort("rate")


class RingsPane(PaneWidget):
    """The table, with the facts of one ring where there is room for both."""

    pane = "rings"
    DEFAULT_CSS = """
    RingsPane > #ring { height: auto; padding: 0 1; border-top: solid $panel; }
    RingsPane.-low > #ring { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rings: dict[object, RingNow] = {}

    def compose(self) -> ComposeResult:
        yield LiveTable(self.pane, COLUMNS)
        yield Static(id="ring", markup=False)

    def on_resize(self) -> None:
        self.set_class(self.size.height < _LOW, "-low")

    def show(self, picture: Picture, view: ViewState) -> None:
        sort = view.sorts.get(self.pane, DEFAULT_SORT)
        rings = sorted_rings(picture.rings, sort)
        self._rings = {ring_key(ring): ring for ring in rings}
        self.query_one(LiveTable).show_rows(
            LazyRows(rings, ring_key, ring_row), sort, "No ring was seen: io_uring is not used so far."
        )
        self._show_facts()

    def on_cursor_moved(self, message: CursorMoved) -> None:
        message.stop()
        self._show_facts()

    def _show_facts(self) -> None:
        ring = self._rings.get(self.query_one(LiveTable).chosen)
        lines = [_title(ring), *ring_words.ring_lines(ring)] if ring is not None else []
        self.query_one("#ring", Static).update(Text("\n".join(printable(line) for line in lines)))

    def detail(self, key: object) -> Screen[None] | None:
        return RingScreen(key)


class RingScreen(DetailScreen):
    """The facts of one ring alone, for terminals that are too low for both."""

    DEFAULT_CSS = """
    RingScreen > #facts, RingScreen > #facts.-low { height: 1fr; max-height: 100%; overflow-y: auto; }
    """

    def __init__(self, key: object) -> None:
        super().__init__()
        self._key = key

    def show(self, picture: Picture, view: ViewState) -> None:
        ring = next((ring for ring in picture.rings if ring_key(ring) == self._key), None)
        if ring is None:
            self.set_title("This ring is gone", picture, view)
            self.set_facts(["At this moment there is no such ring."])
            return
        self.set_title(_title(ring), picture, view)
        self.set_facts(ring_words.ring_lines(ring))


def ring_key(ring: RingNow) -> tuple[int, int, int | None]:
    """Those that only /proc knows have number 0, all of them."""
    summary = ring.summary
    return (summary.ring, 0, None) if summary.ring else (0, summary.tgid, summary.fd)


def sorted_rings(rings: Sequence[RingNow], sort: Sort) -> Sequence[RingNow]:
    return ordered(
        rings,
        _VALUES[sort.column],
        descending=sort.descending,
        tie=lambda ring: (ring.summary.tgid, ring.summary.ring, ring.summary.fd or 0),
    )


def ring_row(ring: RingNow) -> TableRow:
    """All cells of one ring."""
    summary = ring.summary
    flags = summary.setup_flags
    return TableRow(
        ring_key(ring),
        (
            str(summary.ring) if summary.ring else numbers.UNKNOWN,
            numbers.count(summary.fd),
            _queue(ring.sq_fill, summary.sq_entries),
            _queue(ring.cq_fill, summary.cq_entries),
            numbers.rate(ring.rate_now),
            numbers.average(ring.batching_now),
            numbers.count(summary.in_flight),
            ring_words.sq_thread_words(ring),
            numbers.count(ring.workers),
            ring_words.trouble_words(ring),
            str(summary.tgid),
            numbers.UNKNOWN if flags is None else " ".join(flags) or "none",
        ),
        ALARM if summary.overflows or summary.dropped else "",
    )


def _queue(fill: int | None, size: int | None) -> str:
    """`██▌    37/128`"""
    of = numbers.UNKNOWN if size is None else str(size)
    filled = numbers.UNKNOWN if fill is None else str(fill)
    return f"{level(fill, size, _BAR_WIDTH)} {filled}/{of}"


def _title(ring: RingNow) -> str:
    summary = ring.summary
    where = "a descriptor that is not known" if summary.fd is None else f"descriptor {summary.fd}"
    return f"{ring_words.name(ring).capitalize()}  {where} of process {summary.tgid}"
