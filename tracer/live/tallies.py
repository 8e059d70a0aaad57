"""Sums per thread and per ring: of the running second, of the last whole one, since the start.

Followers of `seconds.Seconds`. Keys are few: one dictionary entry each, whatever the rate.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.live.seconds import SECOND_NS
from uringtrace.tracer.record import CQE_F_MORE, FIRST_CALL, Batch, Kind, Path

_FEW = 1 << 16
"""Keys below are counted without sorting them: numbers of rings are, those of threads may not be."""


class WakeTally:
    """How often threads were woken in calls that ended."""

    def __init__(self) -> None:
        self._running: Counter[int] = Counter()
        self._last: Mapping[int, int] | None = None

    def add(self, batch: Batch) -> None:
        rows = np.flatnonzero(batch["wakes"])
        if len(rows):
            self._running.update(_summed(batch["tid"][rows], batch["wakes"][rows]))

    def close(self, empty: int) -> None:
        self._last = {} if empty else dict(self._running)
        self._running.clear()

    def last(self, tid: int) -> int | None:
        """In the last second; None before it is over."""
        return None if self._last is None else self._last.get(tid, 0)


class RingTally:
    """What the completions of each ring show."""

    def __init__(self) -> None:
        self._before: Counter[int] = Counter()
        self._last: Mapping[int, int] | None = None
        self.completions: Counter[int] = Counter()
        """Since the start, by the ring's number; likewise the next five."""
        self.ended: Counter[int] = Counter()
        """Operations of which nothing more comes."""
        self.untracked: Counter[int] = Counter()
        self.messages: Counter[int] = Counter()
        self.overflows: Counter[int] = Counter()
        self.dropped: Counter[int] = Counter()

    def add(self, batch: Batch) -> None:
        # Once out of the wide rows: each is looked at several times.
        ring, kind, path, flags = (batch[name].copy() for name in ("ring", "kind", "path", "cqe_flags"))
        completed = (ring != 0) & (kind == Kind.COMPLETION)
        # Like the kernel's count of those in flight, of what was seen being submitted.
        begun = batch["submitted_ns"] != 0
        if (ring[0] == ring).all() and completed.all() and not path.any() and begun.all():
            whole = {int(ring[0]): len(batch)}
            self.completions.update(whole)
            more = int(np.count_nonzero(flags & CQE_F_MORE))
            self.ended.update({int(ring[0]): len(batch) - more})
            return
        known = ring != 0
        last = completed & (flags & CQE_F_MORE == 0)
        counted = (
            (self.completions, completed | (known & (kind == Kind.UNTRACKED))),
            (self.ended, begun & (last | (known & (kind == Kind.SILENT)))),
            (self.untracked, known & (kind == Kind.UNTRACKED)),
            (self.messages, known & (kind == Kind.MESSAGE)),
            (self.overflows, known & (path & Path.OVERFLOW != 0)),
            (self.dropped, known & (path & Path.DROPPED != 0)),
        )
        for counter, mask in counted:
            if mask.any():
                counter.update(_summed(ring[mask]))

    def close(self, empty: int) -> None:
        now = self.completions.copy()
        self._last = {} if empty else {ring: count - self._before[ring] for ring, count in now.items()}
        self._before = now

    def last(self, ring: int) -> int | None:
        """Completions in the last second; None before it is over."""
        return None if self._last is None else self._last.get(ring, 0)


class SleepTally:
    """When threads slept in calls that have ended: enough of it for shares of the last second."""

    def __init__(self) -> None:
        self._calls: deque[tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]] = deque()

    def add(self, batch: Batch) -> None:
        rows = np.flatnonzero(batch["slept"] & (batch["opcode"] >= FIRST_CALL))
        if not len(rows):
            return
        end = batch["completed_ns"][rows].astype(np.int64)
        woken = batch["woken_ns"][rows].astype(np.int64)
        asleep_until = np.where((woken > 0) & (woken < end), woken, end)
        self._calls.append((batch["tid"][rows], batch["submitted_ns"][rows].astype(np.int64), asleep_until))
        newest = int(end.max())
        while self._calls and int(self._calls[0][2].max()) < newest - 3 * SECOND_NS:
            self._calls.popleft()

    def close(self, empty: int) -> None:
        pass

    def asleep(self, start_ns: int, end_ns: int) -> dict[int, int]:
        """Nanoseconds of each thread between these moments, at most three seconds ago."""
        total: Counter[int] = Counter()
        for tid, begin, end in self._calls:
            took = np.minimum(end, end_ns) - np.maximum(begin, start_ns)
            inside = took > 0
            total.update(_summed(tid[inside], took[inside]))
        return dict(total)


def _summed(keys: NDArray[np.uint32], values: NDArray[np.generic] | None = None) -> dict[int, int]:
    """Each key, and the sum of its values, or how often it is there."""
    if values is None and int(keys.max(initial=0)) < _FEW:
        counts = np.bincount(keys)
        unique = np.flatnonzero(counts)
        return dict(zip(unique.tolist(), counts[unique].tolist(), strict=True))
    unique, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    if values is not None:
        counts = np.zeros(len(unique), np.int64)
        np.add.at(counts, place, values.astype(np.int64))
    return dict(zip(unique.tolist(), counts.tolist(), strict=True))
