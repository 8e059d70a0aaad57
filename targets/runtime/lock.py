"""A lock for tasks: who waits does not hold a thread, and the queue is first come, first served.

Fair on purpose: a lock that is released while somebody waits is handed to the first in the
queue, before that one runs. A future that stands in the queue and is not polled any more
therefore gets the lock, and nobody has it: the futurelock.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Literal

from uringtrace.targets.runtime.future import PENDING, Future, Pending
from uringtrace.targets.runtime.waker import Waker


class Lock:
    """Held by one at a time; `async with lock:`, or `await lock.acquire()` and `release()`."""

    def __init__(self) -> None:
        self._held = False
        self._queue: deque[Acquire] = deque()
        self._guard = threading.Lock()

    def acquire(self) -> Acquire:
        """A future that takes its place in the queue when it is polled for the first time."""
        return Acquire(self)

    def release(self) -> None:
        """Hand the lock to the first in the queue, polled or not."""
        waker = None
        with self._guard:
            if self._queue:
                first = self._queue.popleft()
                first.granted = True
                waker, first.waker = first.waker, None
            else:
                self._held = False
        if waker is not None:
            waker.wake()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        self.release()

    def ask(self, future: Acquire, waker: Waker) -> bool:
        """Whether the future has the lock now; else it is in the queue, and its waker is kept."""
        with self._guard:
            if not self._held and not future.granted:
                self._held = future.granted = True
            if not future.granted:
                if future.waker is None:
                    self._queue.append(future)
                future.waker = waker
            return future.granted

    def give_up(self, future: Acquire) -> None:
        """The future's place in the queue is free; a lock that it was handed goes on."""
        with self._guard:
            granted = future.granted
            if not granted and future.waker is not None:
                self._queue.remove(future)
        if granted:
            self.release()


class Acquire(Future[None]):
    """Ready when the lock is held by whoever polls this."""

    __slots__ = ("_lock", "_taken", "granted", "waker")

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._taken = False
        self.granted = False
        """The lock was handed to this future, whether it is polled or not."""
        self.waker: Waker | None = None

    def poll(self, waker: Waker) -> Literal[Pending.PENDING] | None:
        if not self._lock.ask(self, waker):
            return PENDING
        self._taken = True
        return None

    def drop(self) -> None:
        if not self._taken:
            self._taken = True
            self._lock.give_up(self)
