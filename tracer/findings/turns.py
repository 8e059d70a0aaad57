"""The system calls of one drain thread by thread, and what each thread did before.

A thread's calls follow one another, so that the order of completion is their order. Invariant:
`order` holds the rows of returned calls, grouped by thread, each group in the order of time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.findings.step import Step

MOST_THREADS = 1 << 14
"""Of so many threads is remembered what they did in earlier drains."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Calls by thread; all arrays of shape (n,)."""

    order: NDArray[np.intp]
    """Index of the row in the drain."""
    tid: NDArray[np.uint32]
    first: NDArray[np.bool_]
    """The thread's first call in this drain."""

    def column(self, step: Step, name: str) -> NDArray[np.generic]:
        """A field of the calls, in this order."""
        values: NDArray[np.generic] = step.column(name)[self.order]
        return values


def turns_of(step: Step) -> Turns:
    """The returned calls of a drain, by thread."""
    rows = np.flatnonzero(step.returned)
    tid = step.column("tid")[rows]
    if len(rows) and not (tid == tid[0]).all():
        by_thread = np.argsort(tid, kind="stable")
        rows, tid = rows[by_thread], tid[by_thread]
    first = np.ones(len(rows), bool)
    first[1:] = tid[1:] != tid[:-1]
    return Turns(rows, tid, first)


class Before:
    """What each thread did last, of the things that matter, over drains."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self.evicted = 0

    def add(self, turns: Turns, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each call the code of the thread's call before it, of those whose code is not 0.

        `codes` has one for each call of `turns`; the result is 0 where there was none.
        """
        place = np.arange(len(codes))
        marked = np.maximum.accumulate(np.where(codes != 0, place, -1)) if len(codes) else place
        before = np.concatenate([[-1], marked[:-1]]) if len(codes) else marked
        begin = np.maximum.accumulate(np.where(turns.first, place, 0)) if len(codes) else place
        inside = before >= begin
        previous = np.where(inside, codes[np.maximum(before, 0)], 0)
        starts = np.flatnonzero(turns.first)
        carried = np.array([self._last.get(tid, 0) for tid in turns.tid[starts].tolist()], np.int64)
        group = np.cumsum(turns.first) - 1
        if len(codes):
            previous = np.where(inside, previous, carried[group])
        ends = np.append(starts[1:], len(codes)) - 1
        for tid, begin_of, end in zip(
            turns.tid[starts].tolist(),
            starts.tolist(),
            marked[ends].tolist() if len(starts) else [],
            strict=True,
        ):
            if end >= begin_of:
                self._remember(tid, int(codes[end]))
        return previous

    def _remember(self, tid: int, code: int) -> None:
        if tid not in self._last and len(self._last) >= MOST_THREADS:
            self._last.pop(next(iter(self._last)))
            self.evicted += 1
        self._last[tid] = code
