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

from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import File

DEFAULT_ROWS = 200_000
_PART_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class Recent:
    """What was kept at one moment, oldest first."""

    parts: tuple[Records, ...]
    files: Mapping[int, File]
    """The source's own mapping, which grows: what a row names is in it."""
    capacity: int
    """Rows that are kept at most."""
    dropped: int
    """Rows that were kept and had to go."""

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
        self._parts: deque[Records] = deque()
        self._rows = 0
        self._dropped = 0

    def add(self, records: Records) -> None:
        """Keep these. A large drain is cut, so that little more is dropped than must be."""
        count = len(records.operations)
        if not count:
            return
        newest = records if count <= self._capacity else _last(records, self._capacity)
        self._dropped += count - len(newest.operations)
        for part in _cut(newest):
            self._parts.append(part)
            self._rows += len(part.operations)
        while self._rows > self._capacity:
            gone = len(self._parts.popleft().operations)
            self._rows -= gone
            self._dropped += gone

    def view(self, files: Mapping[int, File]) -> Recent:
        """What is kept now."""
        return Recent(tuple(self._parts), files, self._capacity, self._dropped)


def _last(records: Records, rows: int) -> Records:
    mask = np.zeros(len(records.operations), bool)
    mask[-rows:] = True
    return records.select(mask)


def _cut(records: Records) -> list[Records]:
    count = len(records.operations)
    if count <= _PART_ROWS:
        return [records]
    index = np.arange(count)
    return [
        records.select((index >= start) & (index < start + _PART_ROWS))
        for start in range(0, count, _PART_ROWS)
    ]
