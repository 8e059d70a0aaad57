"""The newest operations, as many as fit: what the log, the timeline and examples are drawn from.

Memory is bounded by rows: the oldest parts are dropped as a whole, and that is counted. A
`Recent` is a view that never changes; taking one copies no rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.rows import copy_rows
from uringtrace.tracer.readiness.explain import Explained
from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import Records, join_records
from uringtrace.tracer.source import File

DEFAULT_ROWS = 200_000
_PART_ROWS = 8_192
_JOINED_ROWS = 1_024
"""Parts are joined up to this size."""


@dataclass(frozen=True, slots=True)
class Recent:
    """What was kept at one moment, oldest first."""

    parts: tuple[Records, ...]
    explained: tuple[Explained | None, ...]
    """Of each part what its waits were about; None: not looked at."""
    files: Mapping[int, File]
    """The source's own mapping, which grows: what a row names is in it."""
    capacity: int
    """Rows that are kept at most."""
    dropped: int
    """Rows that had to go, or that were never kept because too many came at once."""

    @property
    def rows(self) -> int:
        return sum(len(part.operations) for part in self.parts)

    def tail(self, rows: int) -> tuple[Records, ...]:
        """The newest parts that together have at least `rows` rows, or all; oldest first."""
        chosen: list[Records] = []
        for part in reversed(self.parts):
            if rows <= 0:
                break
            chosen.append(part)
            rows -= len(part.operations)
        return tuple(reversed(chosen))

    def select(self, choose: Callable[[Batch], NDArray[np.bool_]]) -> tuple[Records, ...]:
        """Of each part the rows for which `choose` (shape (n,)) holds; parts without any are left out."""
        found = (part.select(choose(part.operations)) for part in self.parts)
        return tuple(part for part in found if len(part.operations))

    def window(self, start_ns: int, end_ns: int) -> tuple[Records, ...]:
        """Rows that were under way at any moment from `start_ns` to `end_ns`."""

        def overlaps(batch: Batch) -> NDArray[np.bool_]:
            began = np.where(batch["submitted_ns"] > 0, batch["submitted_ns"], batch["completed_ns"])
            return (began <= np.uint64(end_ns)) & (batch["completed_ns"] >= np.uint64(start_ns))

        return self.select(overlaps)


class RecentOperations:
    """Keeps the newest rows. One writer."""

    def __init__(self, capacity: int = DEFAULT_ROWS) -> None:
        self._capacity = capacity
        self._parts: deque[tuple[Records, Explained | None]] = deque()
        self._rows = 0
        self._dropped = 0

    def add(self, records: Records, explained: Explained | None = None) -> None:
        """Keep these. A large drain is cut, so that little more is dropped than must be; small ones
        are joined, so that there are few parts."""
        count = len(records.operations)
        if not count:
            return
        start = max(0, count - self._capacity)
        self._dropped += start
        for begin in range(start, count, _PART_ROWS):
            end = min(begin + _PART_ROWS, count)
            part = _piece(records, begin, end)
            self._keep(part, explained and explained.piece(part, begin, end))
        while self._rows > self._capacity:
            gone = len(self._parts.popleft()[0].operations)
            self._rows -= gone
            self._dropped += gone

    def leave_out(self, rows: int) -> None:
        """So many rows came that are not kept: what is kept has a gap there."""
        self._dropped += rows

    def _keep(self, part: Records, explained: Explained | None) -> None:
        rows = len(part.operations)
        if self._parts and len(self._parts[-1][0].operations) + rows <= _JOINED_ROWS:
            last, before = self._parts[-1]
            if (before is None) == (explained is None):
                self._parts.pop()
                part = join_records([last, part])
                explained = before and explained and before.followed_by(explained, part)
        self._parts.append((part, explained))
        self._rows += rows

    @property
    def oldest_ns(self) -> int | None:
        """A moment before which no row that is kept was completed; None without rows."""
        return int(self._parts[0][0].operations["completed_ns"].min()) if self._parts else None

    def view(self, files: Mapping[int, File]) -> Recent:
        """What is kept now."""
        parts, explained = zip(*self._parts, strict=True) if self._parts else ((), ())
        return Recent(parts, explained, files, self._capacity, self._dropped)


def _piece(records: Records, begin: int, end: int) -> Records:
    """Rows `begin` to `end` - 1, without a copy of them; socket events go with the drain's last piece."""
    operations, memory = records.operations, records.memory
    last = end == len(operations)
    if begin == 0 and last:
        return records
    low, high = np.searchsorted(memory["row"], [begin, end])
    pieces = copy_rows(memory[low:high])
    pieces["row"] -= begin
    events = records.socket_events
    return Records(operations[begin:end], pieces, events if last else events[:0])
