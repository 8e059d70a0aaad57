"""The queues of tasks that can go on, and the threads that wait for one.

A task woken by a worker goes to that worker's own deque, a task woken from outside (by the
reactor) to the common one. A worker takes from its own, then from the common one, then it
steals the oldest from another worker; when there is nothing anywhere, it parks. Invariant:
no task lies in a queue while all workers are parked. A worker first says that it is about
to park and then looks once more; whoever queues a task first queues and then looks for
somebody to unpark; so at least one of both sees the other.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_COMMON_FIRST_EVERY = 61
"""So many takes, as in tokio, after which the common queue has precedence: a worker whose
own deque is never empty must not forget it."""


@dataclass(slots=True)
class Count:
    """What one worker did; only it writes here."""

    taken: int = 0
    stolen: int = 0
    parked: int = 0


class Queues(Generic[T]):
    """A deque for each worker and one for all."""

    def __init__(self, workers: int) -> None:
        self.counts = tuple(Count() for _ in range(workers))
        self._own: tuple[deque[T], ...] = tuple(deque() for _ in range(workers))
        self._common: deque[T] = deque()
        self._here = threading.local()
        self._lock = threading.Lock()
        self._parking: list[int] = []
        self._closed = False
        # A lock used as a semaphore of at most one: one futex word for each worker.
        self._permits = tuple(threading.Lock() for _ in range(workers))
        for permit in self._permits:
            permit.acquire()

    def adopt(self, worker: int) -> None:
        """The calling thread is this worker from now on."""
        self._here.worker = worker

    def push(self, task: T) -> None:
        """Queue a task and see to it that a worker takes it."""
        worker: int | None = getattr(self._here, "worker", None)
        (self._common if worker is None else self._own[worker]).append(task)
        self._unpark_one()

    def take(self, worker: int) -> T | None:
        """A task for this worker, if there is one anywhere."""
        count = self.counts[worker]
        own = self._own[worker]
        turn = (self._common, own) if count.taken % _COMMON_FIRST_EVERY == 0 else (own, self._common)
        task = _first(*turn)
        if task is None:
            task = _first(*self._own[worker + 1 :], *self._own[:worker])
            count.stolen += task is not None
        count.taken += task is not None
        return task

    def next(self, worker: int) -> T | None:
        """Wait for a task; None when the queues are closed."""
        while not self._closed:
            task = self.take(worker)
            if task is not None:
                return task
            with self._lock:
                self._parking.append(worker)
            task = None if self._closed else self.take(worker)
            if task is None and not self._closed:
                self.counts[worker].parked += 1
                self._permits[worker].acquire()
                continue
            self._stay(worker)
            if task is not None:
                return task
        return None

    def close(self) -> None:
        """No worker gets a task any more."""
        self._closed = True
        with self._lock:
            parking, self._parking = self._parking, []
        for worker in parking:
            self._permits[worker].release()

    def _stay(self, worker: int) -> None:
        """Not parking after all. Who was unparked meanwhile for another task passes that on."""
        with self._lock:
            listed = worker in self._parking
            if listed:
                self._parking.remove(worker)
        if not listed:
            self._permits[worker].acquire()
            self._unpark_one()

    def _unpark_one(self) -> None:
        with self._lock:
            worker = self._parking.pop() if self._parking else None
        if worker is not None:
            self._permits[worker].release()


def _first(*queues: deque[T]) -> T | None:
    for queue in queues:
        # Another worker may empty it between a look and the taking.
        with suppress(IndexError):
            return queue.popleft()
    return None
