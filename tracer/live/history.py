"""Counts of operations: since the start, of the last whole second, and per second of the last minute.

All come from one table of counters: a second is the difference of two snapshots of it, taken
at the second's ends, so what a screen shows of seconds adds up to the total.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.live.picture import HISTORY_SECONDS
from uringtrace.tracer.record import OPCODES, Batch
from uringtrace.tracer.source import Context
from uringtrace.tracer.statistics import (
    COUNTERS,
    Counters,
    accumulate,
    difference,
    empty_counters,
    operation_traits,
    quantile_ns,
    upper_bound_ns,
)

_COUNTED = ("submitted", "completions", "notifications", "timed")


@dataclass(frozen=True, slots=True)
class LastSecond:
    """What one operation did in the last whole second."""

    count: int
    errors: int
    p50_ns: float | None
    p99_ns: float | None
    max_ns: float | None


NOTHING = LastSecond(0, 0, None, None, None)


class OperationHistory:
    """Counts rows; a `Follower` of `seconds.Seconds`."""

    def __init__(self, context: Context) -> None:
        self._traits = operation_traits(context.operation_names)
        self.counters: Counters = empty_counters()
        """Since the start, shape (OPCODES,). It grows in place."""
        self._used = np.zeros(0, np.intp)
        self._before = np.zeros(0, COUNTERS)
        """Rows `_used` of the counters at the last whole second."""
        self._completions: deque[NDArray[np.uint64]] = deque(maxlen=HISTORY_SECONDS)
        """Per second, oldest first; each of shape (OPCODES,)."""
        self._last: dict[int, LastSecond] | None = None

    def add(self, batch: Batch) -> None:
        accumulate(self.counters, batch, self._traits)

    def close(self, empty: int) -> None:
        used = np.flatnonzero(np.logical_or.reduce([self.counters[name] > 0 for name in _COUNTED]))
        now: Counters = self.counters[used]
        before = np.zeros(len(used), COUNTERS)
        # Counters only grow: what was used is used still.
        before[np.searchsorted(used, self._used)] = self._before
        second = difference(now, before)
        self._used, self._before = used, now
        completions = np.zeros(OPCODES, np.uint64)
        completions[used] = second["completions"]
        self._completions.append(completions)
        nothing = np.zeros(OPCODES, np.uint64)
        self._completions.extend([nothing] * min(empty, HISTORY_SECONDS))
        changed = np.flatnonzero(second["completions"])
        self._last = {} if empty else {int(used[row]): _last_second(second[row]) for row in changed.tolist()}

    def last(self, opcode: int) -> LastSecond | None:
        """None before the first second is over."""
        return None if self._last is None else self._last.get(opcode, NOTHING)

    def last_count(self, *, first: int, end: int) -> int | None:
        """Results in the last second of the opcodes from `first` to `end` - 1; None before it is over."""
        if self._last is None:
            return None
        return sum(second.count for opcode, second in self._last.items() if first <= opcode < end)

    def of(self, opcodes: list[int]) -> list[tuple[float, ...]]:
        """Results per second of each, oldest first, at most HISTORY_SECONDS."""
        if not self._completions:
            return [()] * len(opcodes)
        columns = np.array([second[opcodes] for second in self._completions], np.float64).T
        return [tuple(column) for column in columns.tolist()]


def _last_second(row: np.void) -> LastSecond:
    histogram, max_ns = row["histogram"], int(row["max_ns"])
    bound = upper_bound_ns(histogram) if row["timed"] else None
    # A maximum belongs to the second only when it is the largest of all; then it is exact.
    longest = max_ns if max_ns or not row["timed"] else bound
    return LastSecond(
        int(row["completions"]),
        int(row["errors"]),
        quantile_ns(histogram, 500, max_ns),
        quantile_ns(histogram, 990, max_ns),
        None if longest is None or not row["timed"] else float(longest),
    )
