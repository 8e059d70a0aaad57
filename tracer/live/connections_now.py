"""The connections as they stand, without building again those in which nothing changed.

A connection that has ended is settled some seconds later, and the tracker forgets its socket. Of
the ended ones the newest `ENDED_KEPT` are shown, of the others all. Where very many change at once
only part of them is built again for each picture, in turn: then a connection is as it was a few
pictures ago.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections import Connection, ConnectionTracker
from uringtrace.tracer.connections.columns import ColumnOf
from uringtrace.tracer.connections.result import Numbers, connection_of
from uringtrace.tracer.connections.time_order import SLACK_NS
from uringtrace.tracer.connections.tracker import Standing
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, FilesAndFacts, OpenSocket

ENDED_KEPT = 10_000
BUDGET_NS = 40_000_000
"""Time for building in one picture."""
_SETTLED_NS = 5_000_000_000
"""How long after its end a connection may still be corrected."""
_AT_ONCE = 64
_QUIET = 12
"""Pictures after which nothing is held back any more, and what has ended is settled."""


class ConnectionsNow:
    """Follows the connections of one capture."""

    def __init__(
        self, context: Context, cost: Callable[[], int], *, budget_ns: int | None = BUDGET_NS
    ) -> None:
        """`cost` is processor time in nanoseconds. `budget_ns` None: all are always built."""
        self._tracker = ConnectionTracker(context)
        self._cost = cost
        self._budget_ns = budget_ns
        self._known = 0
        self._active: list[int] = []
        """Slots whose sockets may change, ascending."""
        self._forgotten: list[NDArray[np.int64]] = []
        self._touched: set[int] = set()
        """Slots that are to be built whatever their rows say."""
        self._rows: NDArray[np.uint8] | None = None
        """Bytes of the tables' rows from which each slot was built."""
        self._built: dict[int, Connection] = {}
        self._ended: deque[Connection] = deque(maxlen=ENDED_KEPT)
        self._turn = 0
        self._shown: tuple[Connection, ...] = ()
        self._open_sockets = 0
        self._quiet = 0
        """Pictures since anything was added, or was left to be built."""
        self.unfinished = False
        """Some were left to be built for the next picture."""

    def add(self, records: Records, facts: FilesAndFacts, column: ColumnOf | None = None) -> None:
        """Take one drain; `column` has its operations column by column, where somebody made them."""
        self._quiet = 0
        self._tracker.add(records, facts.files, facts.open_sockets, column)

    def take(
        self, open_sockets: Sequence[OpenSocket], at_ns: int, *, ended: bool = False
    ) -> tuple[Connection, ...]:
        """In the order of their numbers. What came in the last moments before `at_ns` is still held back
        for its order, unless no more comes (`ended`)."""
        if self._quiet > _QUIET and len(open_sockets) == self._open_sockets and not ended:
            return self._shown
        self._quiet = 0 if self.unfinished else self._quiet + 1
        self._open_sockets = len(open_sockets)
        held_back = self._budget_ns is not None and not ended
        standing = self._tracker.standing(open_sockets, at_ns - SLACK_NS if held_back else 2**63 - 1)
        self._known = len(standing.sockets)
        # Whoever is met is touched, also in the slot of one that was forgotten.
        self._active = sorted(standing.touched.union(self._active) - {-1})
        if self._active:
            self._build(standing, held_back=held_back)
            self._retire(at_ns)
        shown = [*self._ended, *self._built.values()]
        self._shown = tuple(sorted(shown, key=lambda connection: connection.number))
        return self._shown

    def _build(self, standing: Standing, *, held_back: bool) -> None:
        slots = np.array(self._active)
        rows = _bytes_of(standing, slots)
        before = self._grown(rows.shape[1])
        self._touched |= standing.touched
        touched = np.isin(slots, np.fromiter(self._touched, np.int64, len(self._touched)))
        changed = np.flatnonzero(touched | (rows != before[slots]).any(axis=1))
        # Those after the last one that was built before come first.
        changed = np.roll(changed, -int(np.searchsorted(slots[changed], self._turn)))
        self.unfinished = False
        deadline = self._cost() + (self._budget_ns or 0)
        for start in range(0, len(changed), _AT_ONCE):
            some = changed[start : start + _AT_ONCE]
            chosen = slots[some]
            before[chosen] = rows[some]
            numbers = _numbers(standing, chosen)
            self._touched.difference_update(chosen.tolist())
            for slot in chosen.tolist():
                if standing.sockets[slot].number:
                    self._built[slot] = connection_of(standing.sockets[slot], numbers)
            self._turn = int(chosen[-1]) + 1
            if held_back and self._cost() >= deadline:
                self.unfinished = start + _AT_ONCE < len(changed)
                break
        if not self.unfinished:
            self._touched.clear()

    def _grown(self, width: int) -> NDArray[np.uint8]:
        if self._rows is None:
            self._rows = np.zeros((64, width), np.uint8)
        if self._known > len(self._rows):
            more = max(self._known, 2 * len(self._rows)) - len(self._rows)
            self._rows = np.concatenate([self._rows, np.zeros((more, width), np.uint8)])
        return self._rows

    def _retire(self, at_ns: int) -> None:
        over = {
            slot
            for slot, connection in self._built.items()
            if connection.ended_ns is not None and connection.ended_ns < at_ns - _SETTLED_NS
        }
        if over:
            self._active = [slot for slot in self._active if slot not in over]
            for slot in sorted(over):
                self._ended.append(self._built.pop(slot))
            self._touched -= over
            self._forgotten.append(self._tracker.forget(sorted(over)))

    def forgotten_files(self) -> list[int]:
        """Numbers of the files of sockets that are settled, each once: no row that is added later needs
        to know them."""
        files = [file for part in self._forgotten for file in part.tolist()]
        self._forgotten.clear()
        return files


def _bytes_of(standing: Standing, slots: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The rows of these slots in all three tables, shape (slots, bytes)."""
    tables = (standing.traffic, standing.times, standing.waits)
    return np.concatenate([table[slots].view(np.uint8).reshape(len(slots), -1) for table in tables], axis=1)


def _numbers(standing: Standing, slots: NDArray[np.int64]) -> Numbers:
    names = slots.tolist()
    return Numbers(
        dict(zip(names, standing.traffic[slots].tolist(), strict=True)),
        dict(zip(names, standing.times[slots].tolist(), strict=True)),
        dict(zip(names, standing.waits[slots].tolist(), strict=True)),
        standing.tcp_states,
    )
