"""Connections: one row for each, those that wait longest for an answer on top.

There may be thousands: they are sorted as values, and cells are made only of rows that are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.address_filter import ConnectionFilter
from uringtrace.ui.terminal.connection_words import descriptor, peer, tls_words, waited_ns
from uringtrace.ui.terminal.live_table import (
    ALARM,
    PLAIN,
    QUIET,
    Column,
    LazyRows,
    LiveTable,
    Loses,
    TableRow,
)
from uringtrace.ui.terminal.ordering import Value, ordered
from uringtrace.ui.terminal.pane import PaneWidget
from uringtrace.ui.terminal.panes.connection_detail import ConnectionScreen
from uringtrace.ui.terminal.state import Sort, ViewState
from uringtrace.ui.text import numbers
from uringtrace.ui.text.connections_table import state_word

COLUMNS = (
    Column("peer", "PEER", right=False, least=21, stretch=True, loses=Loses.BEGINNING),
    Column("fd", "FD", least=4),
    Column("state", "STATE", right=False, least=9),
    Column("waits", "WAITS", least=6),
    Column("requests", "REQUESTS", least=8, rank=2),
    Column("in", "IN", least=7, rank=1),
    Column("out", "OUT", least=7, rank=1),
    Column("first", "FIRST", least=6, rank=3),
    Column("idle", "IDLE", least=6, rank=2),
    Column("age", "AGE", least=7, rank=4),
    Column("tls", "TLS", right=False, least=8, rank=5),
    Column("role", "ROLE", right=False, least=6, rank=6),
    Column("local", "LOCAL", right=False, least=15, rank=7, loses=Loses.BEGINNING),
    Column("cipher", "CIPHER", right=False, least=11, rank=8),
)
DEFAULT_SORT = Sort("waits")
LONG_WAIT_NS = 1_000_000_000
"""A person notices an answer that takes a second (Nielsen, "Usability Engineering", 1993)."""


class ConnectionsPane(PaneWidget):
    """The table, and one line of totals below it."""

    pane = "connections"
    DEFAULT_CSS = """
    ConnectionsPane > Static { height: 1; color: $text-muted; padding: 0 1; }
    ConnectionsPane.-low > Static { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._filter: ConnectionFilter | None = None

    def compose(self) -> ComposeResult:
        yield LiveTable(self.pane, COLUMNS)
        yield Static(markup=False)

    def on_resize(self) -> None:
        self.set_class(self.size.height < 10, "-low")

    def show(self, picture: Picture, view: ViewState) -> None:
        sort = view.sorts.get(self.pane, DEFAULT_SORT)
        shown = self._left(picture.connections, view)
        started_ns, now_ns = picture.context.started_ns, picture.at_ns
        rows = LazyRows(
            sorted_connections(shown, sort, started_ns, now_ns),
            lambda connection: connection.number,
            lambda connection: connection_row(connection, started_ns, now_ns),
        )
        note = "No connection was seen yet." if not picture.connections else "The filter hides all of them."
        self.query_one(LiveTable).show_rows(rows, sort, note)
        self.query_one(Static).update(totals_line(picture.connections, shown))

    def _left(self, connections: Sequence[Connection], view: ViewState) -> Sequence[Connection]:
        """Those that the filter's addresses leave."""
        if view.condition is None:
            self._filter = None
            return connections
        if self._filter is None or self._filter.expression is not view.condition.expression:
            self._filter = ConnectionFilter(view.condition.expression)
        return self._filter.left(connections)

    def detail(self, key: object) -> Screen[None] | None:
        return ConnectionScreen(key) if isinstance(key, int) else None


def sorted_connections(
    connections: Sequence[Connection], sort: Sort, started_ns: int, now_ns: int
) -> Sequence[Connection]:
    """In the order of `sort`; by what they wait, those that do not wait come last, closed ones at the end."""
    value = _values(started_ns, now_ns)[sort.column]
    return ordered(connections, value, descending=sort.descending, tie=_tie)


def _tie(connection: Connection) -> tuple[bool, int]:
    return connection.ended_ns is not None, connection.number


def _values(started_ns: int, now_ns: int) -> Mapping[str, Callable[[Connection], Value]]:
    return {
        "peer": peer,
        "fd": lambda connection: connection.fd,
        "state": state_word,
        "waits": lambda connection: waited_ns(connection, now_ns),
        "requests": lambda connection: connection.requests,
        "in": lambda connection: connection.bytes_in,
        "out": lambda connection: connection.bytes_out,
        "first": lambda connection: connection.request_first_latest_ns,
        "idle": lambda connection: connection.idle_ns(now_ns),
        "age": lambda connection: connection.age_ns(started_ns, now_ns),
        "tls": lambda connection: tls_words(connection) or None,
        "role": lambda connection: connection.role,
        "local": lambda connection: connection.local,
        "cipher": lambda connection: connection.tls_cipher,
    }


def connection_row(connection: Connection, started_ns: int, now_ns: int) -> TableRow:
    """All cells of one connection, as of `now_ns`."""
    waited = waited_ns(connection, now_ns)
    at_least = "" if connection.bytes_exact else "≥"
    before = "≥" if connection.began_ns is None else ""
    return TableRow(
        connection.number,
        (
            peer(connection) or numbers.UNKNOWN,
            descriptor(connection),
            state_word(connection),
            "" if waited is None else numbers.duration(waited),
            numbers.count(connection.requests),
            at_least + numbers.size(connection.bytes_in),
            at_least + numbers.size(connection.bytes_out),
            numbers.duration(connection.request_first_latest_ns),
            numbers.duration(connection.idle_ns(now_ns)),
            before + numbers.duration(connection.age_ns(started_ns, now_ns)),
            tls_words(connection) or numbers.UNKNOWN,
            connection.role or numbers.UNKNOWN,
            connection.local or numbers.UNKNOWN,
            connection.tls_cipher or numbers.UNKNOWN,
        ),
        _mark(connection, waited),
    )


def _mark(connection: Connection, waited: int | None) -> str:
    if waited is not None and waited >= LONG_WAIT_NS:
        return ALARM
    return PLAIN if connection.is_open else QUIET


def totals_line(connections: Sequence[Connection], shown: Sequence[Connection]) -> str:
    """How many there are, of all and not only of those that a filter leaves."""
    ended = sum(connection.ended_ns is not None for connection in connections)
    waiting = sum(connection.request_waiting_ns is not None for connection in connections)
    words = (
        f"{numbers.count(len(connections) - ended)} open, {numbers.count(waiting)} waiting for an answer, "
        f"{numbers.count(ended)} closed"
    )
    hidden = len(connections) - len(shown)
    return f"{words} · {numbers.count(hidden)} hidden by the filter" if hidden else words
