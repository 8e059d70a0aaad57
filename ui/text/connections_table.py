"""Connections as text: those that wait for an answer first, the longest wait on top."""

from __future__ import annotations

from textwrap import wrap

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.connections.summary import ConnectionsSummary
from uringtrace.ui.text import numbers
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.summary_table import counted, headed, latency_cells, wrapped
from uringtrace.ui.text.table import WIDTH, table

ROWS_SHOWN = 40
_HEADING = ("PEER", "FD", "STATE", "REQUESTS", "IN", "OUT", "FIRST", "MAX", "IDLE", "AGE")
_SHORTEST_PEER = 12
_CLOSED = {"remote": "by peer", "local": "by target", "reset": "reset", "failed": "failed"}


def connections_lines(summary: ConnectionsSummary, style: Style, *, verbose: bool = False) -> list[str]:
    """The table, the times of requests, and totals; `verbose` adds a second line for each."""
    if not summary.connections:
        return ["no connection was seen"]
    ordered = sorted(summary.connections, key=_order)
    shown = ordered[:ROWS_SHOWN]
    heading, *rows = _fitted([_HEADING, *(_cells(connection, summary) for connection in shown)])
    lines = headed([heading], style)
    for connection, row in zip(shown, rows, strict=True):
        lines.append(row)
        if verbose:
            lines += wrapped(_words(connection))
    if len(ordered) > len(shown):
        lines.append(f"… and {numbers.count(len(ordered) - len(shown))} more")
    times = _request_lines(summary, style)
    return [
        *lines,
        "",
        *times,
        *([""] if times else []),
        *wrap(totals_line(summary), WIDTH, subsequent_indent="  "),
    ]


def totals_line(summary: ConnectionsSummary) -> str:
    totals = summary.totals
    before = f", {numbers.count(totals.before)} from before" if totals.before else ""
    failed = f", {numbers.count(totals.failed)} failed" if totals.failed else ""
    waiting = f", {numbers.count(totals.waiting)} waiting for an answer" if totals.waiting else ""
    at_least = "" if totals.bytes_exact else "at least "
    return (
        f"connections: {numbers.count(totals.opened)} opened{before}{failed}, "
        f"{numbers.count(totals.closed)} closed, {numbers.count(totals.open)} open now; "
        f"{counted(totals.requests, 'request')}{waiting}; "
        f"{at_least}{numbers.size(totals.bytes_in)} in, {numbers.size(totals.bytes_out)} out"
    )


def _order(connection: Connection) -> tuple[int, int, int]:
    if connection.request_waiting_ns is not None:
        return 0, connection.request_waiting_ns, connection.number
    return 1 if connection.is_open else 2, 0, connection.number


def state_word(connection: Connection) -> str:
    """Whether it is open, or who closed first."""
    if not connection.is_open:
        return _CLOSED.get(connection.closed_by or "", "closed")
    if connection.closed_by == "remote":
        return "peer left"
    if connection.closed_by == "local":
        return "shut down"
    return "waiting" if connection.request_waiting_ns is not None else "open"


def _cells(connection: Connection, summary: ConnectionsSummary) -> tuple[str, ...]:
    requests = connection.requests
    first = connection.request_first_sum_ns
    at_least = "" if connection.bytes_exact else "≥"
    before = "≥" if connection.began_ns is None else ""
    waiting = connection.request_waiting_ns
    idle = connection.idle_ns(summary.ended_ns) if waiting is None else max(0, summary.ended_ns - waiting)
    return (
        _peer(connection),
        numbers.UNKNOWN if connection.fd is None else f"{'d' if connection.direct else ''}{connection.fd}",
        state_word(connection),
        numbers.count(requests),
        at_least + numbers.size(connection.bytes_in),
        at_least + numbers.size(connection.bytes_out),
        numbers.duration(first / requests if requests and first is not None else None),
        numbers.duration(connection.request_first_max_ns),
        numbers.duration(idle),
        before + numbers.duration(connection.age_ns(summary.started_ns, summary.ended_ns)),
    )


def _peer(connection: Connection) -> str:
    """The other side; of a unix socket without a name there, the name on this side."""
    address = connection.remote or (connection.local if connection.protocol == "unix" else None)
    return address or numbers.UNKNOWN


def _fitted(rows: list[tuple[str, ...]]) -> list[str]:
    """A table whose addresses lose their beginnings where it would be wider than WIDTH."""
    others = sum(max(map(len, column)) + 1 for column in list(zip(*rows, strict=True))[1:])
    room = max(_SHORTEST_PEER, WIDTH - others)
    return table([(_ending(row[0], room), *row[1:]) for row in rows])


def _ending(text: str, width: int) -> str:
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def _words(connection: Connection) -> list[str]:
    words = [f"pid {connection.tgid}" if connection.tgid is not None else "pid –"]
    if connection.processes > 1:
        words += ["·", f"{connection.processes} processes"]
    words += ["·", f"local {connection.local or numbers.UNKNOWN}"]
    if connection.listener is not None:
        words += ["·", f"accepted from {connection.listener}"]
    elif connection.began_by == "connect":
        words += ["·", "connected"]
    if connection.interfaces:
        words += ["·", connection.interfaces.replace(" ", " and ")]
    if connection.upper_layer is not None:
        words += ["·", _upper_layer(connection)]
    if connection.errors:
        words += ["·", f"{counted(connection.errors, 'error')}, last {connection.last_error}"]
    return words


def _upper_layer(connection: Connection) -> str:
    name = "TLS" if connection.upper_layer == "tls" else str(connection.upper_layer)
    known = [name, connection.tls_version, connection.tls_cipher]
    text = " ".join(part for part in known if part)
    for way, who in (("transmit", connection.tls_transmit), ("receive", connection.tls_receive)):
        text += f", {way} {who}" if who else ""
    return text


def _request_lines(summary: ConnectionsSummary, style: Style) -> list[str]:
    """Times of all requests; nothing when there was none."""
    rows = [("REQUESTS", "COUNT", "MEAN", "P50", "P90", "P99", "P99.9", "MAX")]
    for words, latency in (
        ("answered: first byte", summary.served_first),
        ("answered: last byte", summary.served_last),
        ("asked: first byte", summary.asked_first),
        ("asked: last byte", summary.asked_last),
    ):
        if latency is not None:
            rows.append((words, numbers.count(latency.count), *latency_cells(latency)))
    return headed(table(rows), style) if len(rows) > 1 else []
