"""The hub: runs green threads, and waits in epoll while none of them can go on.

A green thread runs until it would block. It then notes which descriptor or which time it
waits for, and switches to the hub, stack and all; when that has come, the hub switches
back. The kernel sees nothing of it, and nothing else interrupts a green thread. Invariant:
a green thread that lives and is not running is in exactly one of the hub's notes.
"""

from __future__ import annotations

import heapq
import select
import time
from collections import deque
from collections.abc import Callable
from itertools import count

from greenlet import getcurrent, greenlet

READ, WRITE = 0, 1

_INTEREST = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_FAILED = select.EPOLLHUP | select.EPOLLERR
_MEANS = (select.EPOLLIN | select.EPOLLRDHUP | _FAILED, select.EPOLLOUT | _FAILED)
_MOST_EVENTS = 1024


class Hub:
    """Lives in the green thread that makes it, the program's first. Not for other threads."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`clock` gives nanoseconds."""
        self._clock = clock
        self._home = getcurrent()
        self._epoll = select.epoll()
        self._alive: set[greenlet] = set()
        self._ready: deque[greenlet] = deque()
        self._waiting: dict[int, list[greenlet | None]] = {}
        self._asleep: list[tuple[int, int, greenlet]] = []
        self._numbers = count()
        self.ended = False
        """Reading never waits any more."""

    def spawn(self, function: Callable[[], None]) -> None:
        """A new green thread; it begins when the running one waits."""

        def body() -> None:
            try:
                function()
            finally:
                self._alive.discard(thread)

        # When it ends, its parent goes on.
        thread = greenlet(body, parent=self._home)
        self._alive.add(thread)
        self._ready.append(thread)

    def run(self, ends_ns: Callable[[], int | None] = lambda: None) -> None:
        """Run until no green thread is left, or until the time by the clock that `ends_ns` says.

        Raises what a green thread raised.
        """
        while self._alive:
            for _ in range(len(self._ready)):
                self._ready.popleft().switch()
            end_ns = ends_ns()
            if end_ns is not None and self._clock() >= end_ns:
                return
            if self._alive:
                self._poll(end_ns)
            while self._asleep and self._asleep[0][0] <= self._clock():
                self._ready.append(heapq.heappop(self._asleep)[2])

    def wait(self, descriptor: int, way: int) -> None:
        """The running green thread waits for the next edge of a descriptor that is watched.

        To be called when a call has said EAGAIN: every edge after that is seen.
        """
        if not (self.ended and way == READ):
            self._waiting[descriptor][way] = getcurrent()
            self._home.switch()

    def sleep(self, seconds: float) -> None:
        """The running green thread waits for that time."""
        due_ns = self._clock() + round(seconds * 1e9)
        heapq.heappush(self._asleep, (due_ns, next(self._numbers), getcurrent()))
        self._home.switch()

    def give_way(self) -> None:
        """Let the others have their turn."""
        self._ready.append(getcurrent())
        self._home.switch()

    def watch(self, descriptor: int) -> None:
        """Have epoll report a descriptor, until it is closed."""
        self._waiting[descriptor] = [None, None]
        self._epoll.register(descriptor, _INTEREST)

    def forget(self, descriptor: int) -> None:
        """The descriptor is about to be closed, which also takes it off the epoll."""
        del self._waiting[descriptor]

    def end_reading(self) -> None:
        """No reading waits any more, now or later. From within a green thread."""
        self.ended = True
        for descriptor in self._waiting:
            self._wake(descriptor, READ)

    def close(self) -> None:
        """End what is left: each green thread gets GreenletExit where it waits."""
        for thread in list(self._alive):
            thread.throw()
        self._epoll.close()

    def _poll(self, end_ns: int | None) -> None:
        times_ns = [self._asleep[0][0]] if self._asleep else []
        if end_ns is not None:
            times_ns.append(end_ns)
        seconds = None
        if self._ready or times_ns:
            seconds = 0.0 if self._ready else max(0, min(times_ns) - self._clock()) / 1e9
        for descriptor, events in self._epoll.poll(seconds, _MOST_EVENTS):
            for way in (READ, WRITE):
                if events & _MEANS[way] and descriptor in self._waiting:
                    self._wake(descriptor, way)

    def _wake(self, descriptor: int, way: int) -> None:
        thread = self._waiting[descriptor][way]
        if thread is not None:
            self._waiting[descriptor][way] = None
            self._ready.append(thread)
