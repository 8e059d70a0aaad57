"""Time for tests: it passes only when somebody says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Condition

from tests.fakes import STARTED_NS


class Clock:
    """CLOCK_MONOTONIC of a test, in nanoseconds; each look may take a little time."""

    def __init__(self, now_ns: int = STARTED_NS, *, look_ns: int = 0) -> None:
        self.now_ns = now_ns
        self._look_ns = look_ns

    def __call__(self) -> int:
        self.now_ns += self._look_ns
        return self.now_ns

    def pass_seconds(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


class Script:
    """Waits of a playback: time passes at once; where it stands still the next action is done."""

    def __init__(self, clock: Clock, actions: list[Callable[[], object]]) -> None:
        self._clock = clock
        self._actions: Iterator[Callable[[], object]] = iter(actions)
        self.waits: list[float | None] = []

    def __call__(self, condition: Condition, seconds: float | None) -> object:
        self.waits.append(seconds)
        if seconds is not None:
            self._clock.pass_seconds(seconds)
            return None
        return next(self._actions)()
