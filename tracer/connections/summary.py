"""All connections of a capture, with their totals and the times of their requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uringtrace.tracer.connections.connection import BEFORE, FAILED, Connection
from uringtrace.tracer.connections.request_times import Distribution, RequestTimes
from uringtrace.tracer.latency import LatencySummary, latency_summary


@dataclass(frozen=True, slots=True)
class ConnectionTotals:
    """Sums over all connections."""

    before: int
    """Those whose beginning was not seen."""
    opened: int
    failed: int
    """Connects that failed; they are not among those opened or closed."""
    closed: int
    open: int
    requests: int
    """Answered ones, of connections whose role is known."""
    waiting: int
    """Connections with a request that waits for its answer."""
    bytes_in: int
    bytes_out: int
    bytes_exact: bool


@dataclass(frozen=True, slots=True)
class ConnectionsSummary:
    """What `stat --connections` shows. Times are None when there was no such request."""

    started_ns: int
    ended_ns: int
    connections: tuple[Connection, ...]
    """In the order of their numbers."""
    totals: ConnectionTotals
    served_first: LatencySummary | None
    """Until the target sent the first byte of an answer."""
    served_last: LatencySummary | None
    asked_first: LatencySummary | None
    """Until the first byte of an answer to the target arrived."""
    asked_last: LatencySummary | None


def summarise_connections(
    connections: Sequence[Connection], times: RequestTimes, started_ns: int, ended_ns: int
) -> ConnectionsSummary:
    failed = sum(connection.closed_by == FAILED for connection in connections)
    seen_to_begin = sum(connection.began_by != BEFORE for connection in connections)
    ended = sum(not connection.is_open for connection in connections)
    totals = ConnectionTotals(
        before=len(connections) - seen_to_begin,
        opened=seen_to_begin - failed,
        failed=failed,
        closed=ended - failed,
        open=len(connections) - ended,
        requests=sum(connection.requests or 0 for connection in connections),
        waiting=sum(connection.request_waiting_ns is not None for connection in connections),
        bytes_in=sum(connection.bytes_in for connection in connections),
        bytes_out=sum(connection.bytes_out for connection in connections),
        bytes_exact=all(connection.bytes_exact for connection in connections),
    )
    return ConnectionsSummary(
        started_ns,
        ended_ns,
        tuple(connections),
        totals,
        _latency(times.served_first),
        _latency(times.served_last),
        _latency(times.asked_first),
        _latency(times.asked_last),
    )


def _latency(distribution: Distribution) -> LatencySummary | None:
    return latency_summary(
        distribution.count, distribution.sum_ns, distribution.max_ns, distribution.histogram
    )
