"""From the arrival of a request to its read: which wait reported it, and in which thread.

The reader may have been told by another thread, which had waited for the connection. Where no wait is found
that had to do with it, the reader was busy when the request came, and nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass

from uringtrace.tracer.record import FIRST_CALL, Wake
from uringtrace.tracer.wakes.kept import Row
from uringtrace.tracer.wakes.window import Edge, Window

_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened before the read."""

    row: Row
    """The wait."""
    edge: Edge | None = None
    """Who ended it."""
    roused: bool = False
    """It ended at `row.woken_ns`, by the arrival itself."""
    left: bool = True
    """The thread left it before the read."""
    led: bool = True
    """It was for the connection, or for what the entry before did; else it only stood in the way."""


class Arrival:
    """Of a request that was received at `received_ns`."""

    def __init__(self, window: Window, received_ns: int) -> None:
        self._window = window
        self._received_ns = received_ns

    def steps(self, read: Row) -> list[Entry]:
        """In the order of time."""
        if read.opcode < FIRST_CALL:
            return self._ring(read)
        if read.slept:
            return [Entry(read, roused=True, left=False)] if self._after_arrival(read) else []
        return self._waited(read.tid, read.submitted_ns or read.completed_ns, 0) or []

    def _ring(self, read: Row) -> list[Entry]:
        """The thread that sleeps for completions is woken to bring the operation to its end."""
        row = self._window.wait_at(read.tid, read.completed_ns)
        if row is None or not self._after_arrival(row) or row.woken_ns > read.completed_ns:
            return []
        return [Entry(row, roused=True, left=False)]

    def _waited(self, tid: int, until_ns: int, depth: int) -> list[Entry] | None:
        """The last wait before a moment, if it leads to the arrival."""
        place = next(self._window.waits(tid, self._received_ns, until_ns), None)
        if place is None or depth > _DEEPEST:
            return None
        row = self._window.row(place)
        if self._window.reports(row):
            network = row.slept and row.wake == Wake.NETWORK
            return [Entry(row, roused=network and self._after_arrival(row))]
        for edge in self._window.edges(row):
            if edge.ns >= self._received_ns and self._window.knows(edge.tid):
                before = self._waited(edge.tid, edge.ns, depth + 1)
                if before is not None:
                    return [*before, Entry(row, edge)]
        return [Entry(row, led=False)]

    def _after_arrival(self, row: Row) -> bool:
        return row.slept and row.woken_ns >= self._received_ns
