"""What is to be done at a later time, in a heap: an event loop's timers.

No timer of the kernel is involved: the next deadline is the timeout of the call that waits
for readiness. Nothing is cancelled; who asked finds out itself whether it still matters.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from itertools import count


class Deadlines:
    """Callbacks by the time at which they are due."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()

    def after(self, delay_ms: int, callback: Callable[[], None]) -> None:
        """Call this in so many milliseconds."""
        due_ns = time.monotonic_ns() + delay_ms * 1_000_000
        heapq.heappush(self._heap, (due_ns, next(self._order), callback))

    def seconds_left(self) -> float | None:
        """Until the first deadline, at least 0; None when there is none."""
        if not self._heap:
            return None
        return max(0, self._heap[0][0] - time.monotonic_ns()) / 1e9

    def call_due(self) -> None:
        """Call what is due by now, in the order of the deadlines."""
        if not self._heap:
            return
        now_ns = time.monotonic_ns()
        while self._heap and self._heap[0][0] <= now_ns:
            heapq.heappop(self._heap)[2]()
