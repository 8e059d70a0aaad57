"""A future that the test completes, and a waker that counts."""

from __future__ import annotations

from typing import Literal

from uringtrace.targets.runtime.future import PENDING, Future, Pending
from uringtrace.targets.runtime.waker import Waker


class Manual(Future[str]):
    """Ready once the test has said so."""

    def __init__(self) -> None:
        self.result: str | None = None
        self.waker: Waker | None = None
        self.polls = 0
        self.drops = 0

    def poll(self, waker: Waker) -> str | Literal[Pending.PENDING]:
        self.polls += 1
        self.waker = waker
        return PENDING if self.result is None else self.result

    def drop(self) -> None:
        self.drops += 1

    def complete(self, result: str) -> None:
        """Have a result and say so."""
        self.result = result
        assert self.waker is not None, "nobody has polled yet"
        self.waker.wake()


class Bell(Waker):
    """Counts how often it was called."""

    def __init__(self) -> None:
        self.rung = 0
        super().__init__(self._ring)

    def _ring(self) -> None:
        self.rung += 1
