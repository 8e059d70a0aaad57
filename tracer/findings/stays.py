"""Where threads stayed for long: in one call, or outside of any.

Only what takes at least `LONG_NS` is kept, so that it is rare, whatever the rate of calls. A time
outside of calls is spent computing or waiting for a processor; records do not tell which.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.turns import MOST_THREADS, Turns

LONG_NS = 10_000_000
_KEPT = 512
"""Of each thread."""
OUTSIDE = -1
"""In place of an opcode: in no system call."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A thread in one call, or outside of any."""

    begin_ns: int
    end_ns: int
    opcode: int
    fd: int
    file: int
    slept: bool
    wake: int
    waker: int

    def overlap_ns(self, begin_ns: int, end_ns: int) -> int:
        return max(0, min(self.end_ns, end_ns) - max(self.begin_ns, begin_ns))


def stay_of(row: np.void, end_ns: int) -> Stay:
    """The call that a row of dtype `OPERATION` stands for, until `end_ns`."""
    return Stay(
        int(row["submitted_ns"]),
        end_ns,
        int(row["opcode"]),
        int(row["fd"]),
        int(row["file"]),
        bool(row["slept"]),
        int(row["wake"]),
        int(row["waker"]),
    )


class Stays:
    """Long stays of all threads, the newest of each."""

    def __init__(self, waits: Iterable[int]) -> None:
        """`waits` are opcodes in which an event loop waits: no stays of interest, and many."""
        self._waits = np.array(sorted(waits))
        self._of: dict[int, deque[Stay]] = {}
        self._last_ns: dict[int, int] = {}
        """When each thread's last call returned."""
        self.evicted = 0

    def observe(self, step: Step, turns: Turns) -> None:
        if not len(turns.order):
            return
        begun = step.column("submitted_ns")[turns.order]
        ended = step.column("completed_ns")[turns.order]
        known = begun > 0
        started = np.uint64(step.facts.context.started_ns)
        begun = np.where(known, begun, started)
        long = ended - np.minimum(begun, ended) >= np.uint64(LONG_NS)
        inside = np.flatnonzero(long)
        inside = inside[~np.isin(step.column("opcode")[turns.order[inside]], self._waits)]
        before = np.zeros(len(ended), np.uint64)
        before[1:] = ended[:-1]
        starts = np.flatnonzero(turns.first)
        before[starts] = [self._last_ns.get(tid, 0) for tid in turns.tid[starts].tolist()]
        gap = np.where((before > 0) & (begun > before), begun - before, np.uint64(0))
        outside = np.flatnonzero(gap >= np.uint64(LONG_NS))
        chosen = set(inside.tolist())
        for place in np.union1d(inside, outside).tolist():
            tid = int(turns.tid[place])
            if gap[place] >= LONG_NS:
                self._add(tid, Stay(int(before[place]), int(begun[place]), OUTSIDE, -1, 0, False, 0, 0))
            if place in chosen:
                row = step.operations[turns.order[place]]
                self._add(tid, replace(stay_of(row, int(ended[place])), begin_ns=int(begun[place])))
        ends = np.append(starts[1:], len(ended)) - 1
        for tid, ns in zip(turns.tid[starts].tolist(), ended[ends].tolist(), strict=True):
            if tid not in self._last_ns and len(self._last_ns) >= MOST_THREADS:
                gone = next(iter(self._last_ns))
                del self._last_ns[gone]
                self._of.pop(gone, None)
            self._last_ns[tid] = ns

    def _add(self, tid: int, stay: Stay) -> None:
        kept = self._of.get(tid)
        if kept is None:
            if len(self._of) >= MOST_THREADS:
                self._of.pop(next(iter(self._of)))
                self.evicted += 1
            kept = self._of[tid] = deque(maxlen=_KEPT)
        self.evicted += len(kept) == _KEPT
        kept.append(stay)

    def threads(self) -> list[int]:
        """Threads that have stayed for long anywhere."""
        return list(self._of)

    def during(self, tid: int, begin_ns: int, end_ns: int) -> list[Stay]:
        """The long stays of a thread that overlap this time, in order."""
        return [stay for stay in self._of.get(tid, ()) if stay.overlap_ns(begin_ns, end_ns)]
