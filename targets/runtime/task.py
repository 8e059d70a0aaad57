"""Tasks: coroutines that the executor's threads poll, one thread at a time.

A task is waiting, queued, being polled, or done. A wake-up while it is being polled must
not be lost and must not let a second thread poll it: it is remembered, and the task is
queued when the poll has ended. Invariant: a task is on the queues at most once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Any

from uringtrace.targets.runtime.future import PENDING, Future, Steps
from uringtrace.targets.runtime.waker import Waker


class State(Enum):
    """What a task is doing."""

    WAITING = auto()
    QUEUED = auto()
    POLLED = auto()
    POLLED_AND_WOKEN = auto()
    DONE = auto()


class Task:
    """One coroutine on its way. It begins when it is woken for the first time."""

    def __init__(
        self,
        coroutine: Coroutine[Future[Any], Any, None],
        queue: Callable[[Task], None],
        ended: Callable[[Task], None],
    ) -> None:
        self._steps = Steps(coroutine)
        self._queue = queue
        self._ended = ended
        self._lock = threading.Lock()
        self._waker = Waker(self._wake)
        self.state = State.WAITING
        self.error: BaseException | None = None
        """What the coroutine raised."""

    def begin(self) -> None:
        """Have the task polled for the first time."""
        self._waker.wake()

    def poll(self) -> None:
        """Take the task one step further; only for whoever took it from a queue."""
        with self._lock:
            if self.state is not State.QUEUED:
                return
            self.state = State.POLLED
        try:
            done = self._steps.poll(self._waker) is not PENDING
        except Exception as error:
            self.error = error
            done = True
        with self._lock:
            again = self.state is State.POLLED_AND_WOKEN
            self.state = State.DONE if done else State.QUEUED if again else State.WAITING
        if done:
            self._ended(self)
        elif again:
            self._queue(self)

    def cancel(self) -> None:
        """End the coroutine where it waits. Only when no thread polls any more."""
        if self.state is not State.DONE:
            self.state = State.DONE
            self._steps.drop()
            self._ended(self)

    def _wake(self) -> None:
        with self._lock:
            waited = self.state is State.WAITING
            if waited:
                self.state = State.QUEUED
            elif self.state is State.POLLED:
                self.state = State.POLLED_AND_WOKEN
        if waited:
            self._queue(self)
