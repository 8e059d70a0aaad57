"""What is dear to work out is worked out no oftener than its share of time allows.

Between two times the last result stands: true of a moment a little earlier.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Rationed(Generic[T]):
    """One such result."""

    def __init__(
        self,
        share: float,
        clock: Callable[[], int],
        *,
        least_ns: int = 0,
        cost: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        """`share` of the time of `clock` goes into it at most, by `cost`; 1: it is always worked out.

        Both in nanoseconds. `least_ns` must have passed since the last time in any case.
        """
        self._share = share
        self._clock = clock
        self._cost = cost
        self._least_ns = least_ns
        self._next_ns: int | None = None
        self._result: T | None = None

    def get(self, work_out: Callable[[], T]) -> T:
        """What `work_out` gives, now or the last time."""
        began_ns = self._clock()
        if self._result is None or self._next_ns is None or began_ns >= self._next_ns:
            before_ns = self._cost()
            self._result = work_out()
            took_ns = self._cost() - before_ns
            pause_ns = round(took_ns / self._share) if self._share < 1 else 0
            self._next_ns = began_ns + max(self._least_ns, pause_ns)
        return self._result
