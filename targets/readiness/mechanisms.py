"""The calls that wait for readiness, under one interface: what sets these servers apart.

A descriptor is watched for `READ`, `WRITE`, both or neither; masks are those of poll(2),
whose values epoll shares (include/uapi/linux/eventpoll.h).
"""

from __future__ import annotations

import math
import select
from collections.abc import Iterable
from typing import Protocol

READ = select.POLLIN
WRITE = select.POLLOUT
BROKEN = select.POLLERR | select.POLLHUP

FD_SETSIZE = 1024
"""select(2): "Descriptors numbered FD_SETSIZE or higher cannot be monitored"."""


class Mechanism(Protocol):
    """What the loop asks of the call that waits."""

    edge: bool
    """Readiness is told once, when it begins; else as long as it lasts."""
    limit: int | None
    """Descriptors from this number on cannot be watched."""

    def add(self, fd: int, mask: int) -> None:
        """Watch this descriptor."""

    def change(self, fd: int, mask: int) -> None:
        """Watch it for something else."""

    def remove(self, fd: int) -> None:
        """Watch it no more; it stays open."""

    def closing(self, fd: int) -> None:
        """It is about to be closed."""

    def wait(self, seconds: float | None) -> Iterable[tuple[int, int]]:
        """Descriptors that are ready, with their masks; empty after so many seconds."""


class Select:
    """select(2): three sets of bits, built and handed over anew for each call.

    Knows no hang-up: a broken connection is readable and writable.
    """

    edge = False
    limit: int | None = FD_SETSIZE

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}

    def add(self, fd: int, mask: int) -> None:
        self._masks[fd] = mask

    change = add

    def remove(self, fd: int) -> None:
        del self._masks[fd]

    closing = remove

    def wait(self, seconds: float | None) -> Iterable[tuple[int, int]]:
        reading = [fd for fd, mask in self._masks.items() if mask & READ]
        writing = [fd for fd, mask in self._masks.items() if mask & WRITE]
        readable, writable, _ = select.select(reading, writing, (), seconds)
        ready = dict.fromkeys(readable, READ)
        for fd in writable:
            ready[fd] = ready.get(fd, 0) | WRITE
        return ready.items()


class Poll:
    """poll(2): an array of descriptors, handed over whole for each call."""

    edge = False
    limit: int | None = None

    def __init__(self) -> None:
        self._poll = select.poll()

    def add(self, fd: int, mask: int) -> None:
        self._poll.register(fd, mask)

    def change(self, fd: int, mask: int) -> None:
        self._poll.modify(fd, mask)

    def remove(self, fd: int) -> None:
        self._poll.unregister(fd)

    closing = remove

    def wait(self, seconds: float | None) -> Iterable[tuple[int, int]]:
        return self._poll.poll(None if seconds is None else math.ceil(seconds * 1000))


class Epoll:
    """epoll(7): the kernel keeps the list, a call hands over changes or fetches what is ready."""

    limit: int | None = None

    def __init__(self, *, edge: bool = False) -> None:
        self.edge = edge
        self._epoll = select.epoll()
        self._trigger = select.EPOLLET if edge else 0

    def add(self, fd: int, mask: int) -> None:
        self._epoll.register(fd, mask | self._trigger)

    def change(self, fd: int, mask: int) -> None:
        self._epoll.modify(fd, mask | self._trigger)

    def add_exclusively(self, fd: int, mask: int) -> None:
        """Watch a descriptor that other epolls watch too, and let the kernel wake but some (4.5)."""
        self._epoll.register(fd, mask | select.EPOLLEXCLUSIVE)

    def remove(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def closing(self, fd: int) -> None:
        """Nothing to do: the kernel forgets what is closed (epoll(7), question 6)."""

    def wait(self, seconds: float | None) -> Iterable[tuple[int, int]]:
        return self._epoll.poll(seconds)
