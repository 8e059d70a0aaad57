"""Timers: which waker is due when. The reactor waits until the first of them."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from uringtrace.targets.runtime.future import PENDING, Future, Pending
from uringtrace.targets.runtime.waker import Waker


@dataclass(order=True, slots=True)
class _Entry:
    due_ns: int
    number: int
    waker: Waker | None = field(compare=False)
    """None: nobody waits any more."""


class Timers:
    """Any thread sets timers, the reactor's thread lets them go off."""

    def __init__(self, interrupt: Callable[[], None], clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`interrupt` is called when the reactor must not wait as long as it believes; `clock` in ns."""
        self.now_ns = clock
        self._interrupt = interrupt
        self._heap: list[_Entry] = []
        self._lock = threading.Lock()
        self._numbers = count()

    def sleep(self, seconds: float) -> Sleep:
        """A future that is ready after that time, counted from now."""
        return Sleep(self, self.now_ns() + round(seconds * 1e9))

    def add(self, due_ns: int, waker: Waker) -> _Entry:
        """Set a timer; clear its `waker` to take it back."""
        entry = _Entry(due_ns, next(self._numbers), waker)
        with self._lock:
            heapq.heappush(self._heap, entry)
            first = self._heap[0] is entry
        if first:
            self._interrupt()
        return entry

    def next_due_ns(self) -> int | None:
        """When the reactor has to be back."""
        with self._lock:
            return self._heap[0].due_ns if self._heap else None

    def go_off(self) -> None:
        """Wake whatever is due."""
        now_ns = self.now_ns()
        due = []
        with self._lock:
            while self._heap and self._heap[0].due_ns <= now_ns:
                due.append(heapq.heappop(self._heap))
        for entry in due:
            if (waker := entry.waker) is not None:
                waker.wake()


class Sleep(Future[None]):
    """Ready when the time has come."""

    __slots__ = ("_due_ns", "_entry", "_timers")

    def __init__(self, timers: Timers, due_ns: int) -> None:
        self._timers = timers
        self._due_ns = due_ns
        self._entry: _Entry | None = None

    def poll(self, waker: Waker) -> Literal[Pending.PENDING] | None:
        if self._timers.now_ns() >= self._due_ns:
            return None
        if self._entry is None:
            self._entry = self._timers.add(self._due_ns, waker)
        else:
            self._entry.waker = waker
        return PENDING

    def drop(self) -> None:
        if self._entry is not None:
            self._entry.waker = None
