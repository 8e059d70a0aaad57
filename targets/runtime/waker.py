"""Wakers: how a future says that polling again is worth while.

Whatever a future waits for (the poller, the timers, a lock) keeps its waker and calls it
from any thread. A waker that is lost is a task that is never polled again.
"""

from __future__ import annotations

from collections.abc import Callable


class Waker:
    """Puts its task on a queue. Calling it too often is harmless, too seldom is not."""

    __slots__ = ("_schedule",)

    def __init__(self, schedule: Callable[[], None]) -> None:
        self._schedule = schedule

    def wake(self) -> None:
        """The task shall be polled again."""
        self._schedule()
