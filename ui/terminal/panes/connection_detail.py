"""One connection: what is known of it, and its own timeline, the newest at the bottom."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widget import Widget
from textual.widgets import Static

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.source import Context, Thread
from uringtrace.ui.terminal.connection_words import connection_lines, peer
from uringtrace.ui.terminal.detail import DetailScreen
from uringtrace.ui.terminal.live_table import Column, LazyRows, LiveTable, TableRow
from uringtrace.ui.terminal.messages import CursorMoved, RowChosen
from uringtrace.ui.terminal.own_timeline import Moment, SocketFiles, files_of, moments_of
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.terminal.state import Sort, ViewState
from uringtrace.ui.text import numbers
from uringtrace.ui.text.operation_line import LineFormatter

SHOWN = 2_000
"""Operations of one connection that can be scrolled through."""
COLUMNS = (
    Column("at", "AT", least=10, sortable=False, rank=2),
    Column("since", "SINCE", least=6, sortable=False),
    Column("tid", "THREAD", least=6, sortable=False, rank=1),
    Column("by", "BY", right=False, least=4, sortable=False, rank=3),
    Column("operation", "OPERATION", right=False, least=50, stretch=True, sortable=False),
)
_ORDER = Sort("at", descending=False)
_PANE = "connection"


class ConnectionScreen(DetailScreen):
    """Of the connection with this number. The line below the table has the cursor's row in full."""

    DEFAULT_CSS = """
    ConnectionScreen > #whole { height: auto; max-height: 4; background: $panel; padding: 0 1; }
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self._files: SocketFiles | None = None

    def body(self) -> Sequence[Widget]:
        return LiveTable(_PANE, COLUMNS, follows=True), Static(id="whole", markup=False)

    def show(self, picture: Picture, view: ViewState) -> None:
        connection = _numbered(picture.connections, self._number)
        if connection is None:
            self.set_title(f"Connection {self._number}: not at this moment", picture, view)
            self.set_facts(["At this moment of the recording there is no such connection."])
            self.query_one(LiveTable).show_rows((), _ORDER)
            return
        name = peer(connection) or numbers.UNKNOWN
        self.set_title(f"Connection {self._number}  {name}", picture, view)
        self.set_facts(connection_lines(connection, picture.context.started_ns, picture.at_ns))
        self._show_timeline(connection, picture)

    def _show_timeline(self, connection: Connection, picture: Picture) -> None:
        recent = picture.recent
        if self._files is None:
            self._files = SocketFiles(connection.inode)
        files = self._files.of(recent)
        line = MomentLine(picture, files)
        rows = LazyRows(
            moments_of(recent, files, SHOWN),
            lambda moment: moment.key,
            lambda moment: moment_row(moment, line, picture.context),
        )
        note = (
            f"None of the newest {numbers.count(recent.rows)} operations is on this connection."
            if recent.dropped
            else "No operation on it was seen yet."
        )
        self.query_one(LiveTable).show_rows(rows, _ORDER, note)
        self._show_whole()

    def on_cursor_moved(self, message: CursorMoved) -> None:
        message.stop()
        self._show_whole()

    def on_row_chosen(self, message: RowChosen) -> None:
        message.stop()

    def _show_whole(self) -> None:
        whole = self.query_one(LiveTable).chosen_row
        self.query_one("#whole", Static).update(Text(printable(whole.cells[-1]) if whole else ""))


class MomentLine:
    """Lines of the log for one picture, without process and thread, which have a column."""

    def __init__(self, picture: Picture, numbers_of_files: frozenset[int]) -> None:
        self._recent = picture.recent
        self._numbers = numbers_of_files
        self._threads = {
            thread.activity.tid: Thread(thread.activity.tid, thread.activity.tgid, thread.activity.name)
            for thread in picture.threads
        }
        self._context = picture.context

    def text(self, moment: Moment) -> str:
        files = files_of(moment, self._recent, self._numbers)
        # Of its own, as it remembers the names of files by their numbers.
        formatter = LineFormatter(self._context, files)
        (line,) = formatter.lines(moment.alone(), files, self._threads)
        return line.partition("] ")[2]


def moment_row(moment: Moment, line: MomentLine, context: Context) -> TableRow:
    operation = moment.records.operations[moment.row]
    return TableRow(
        moment.key,
        (
            f"{(moment.completed_ns - context.started_ns) / 1e9:.6f}",
            numbers.UNKNOWN if moment.since_ns is None else f"+{numbers.duration(moment.since_ns)}",
            str(moment.tid),
            "call" if operation["opcode"] >= FIRST_CALL else "ring",
            line.text(moment),
        ),
    )


def _numbered(connections: Sequence[Connection], number: int) -> Connection | None:
    """Numbers count from 1 in the order of appearance, as the tuple usually does."""
    if number <= len(connections) and connections[number - 1].number == number:
        return connections[number - 1]
    return next((each for each in connections if each.number == number), None)
