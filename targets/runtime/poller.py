"""The poller: one epoll that turns readiness into wake-ups, and an eventfd to interrupt it.

As in mio, every descriptor is registered once, edge-triggered, with a token of its own, and
the eventfd has the token 1 << 31. The eventfd is never read: each write is a new edge.
Since an edge comes only once, a `Source` remembers it until somebody uses it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import select
import socket
import threading
from itertools import count
from typing import Literal

from uringtrace.targets.runtime.future import PENDING, Future, Pending
from uringtrace.targets.runtime.waker import Waker

WAKE_TOKEN = 1 << 31
"""What epoll reports when another thread interrupts the poller."""

READ, WRITE = 0, 1

_INTEREST = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_MEANS = (select.EPOLLIN | select.EPOLLPRI | _ENDED, select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR)
_EPOLL_CTL_ADD = 1
_MOST_EVENTS = 1024

_libc = ctypes.CDLL(None, use_errno=True)


class _Event(ctypes.Structure):
    """struct epoll_event: packed on x86-64 alone (include/uapi/linux/eventpoll.h, EPOLL_PACKED)."""

    if platform.machine() == "x86_64":
        _pack_ = 1
    _fields_ = (("events", ctypes.c_uint32), ("data", ctypes.c_uint64))


class Poller:
    """One thread waits; all threads register, interrupt, and take readiness from the sources."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._sources: dict[int, Source] = {}
        self._tokens = count()
        self._lock = threading.Lock()
        self._ended = False
        self.interruptions = 0
        """How often the eventfd was written."""
        self._add(self._event, select.EPOLLIN | select.EPOLLET, WAKE_TOKEN)

    def register(self, file: socket.socket) -> Source:
        """Watch a descriptor from now on. The first token is 0: the listener's."""
        token = next(self._tokens) % WAKE_TOKEN
        source = self._sources[token] = Source(token)
        self._add(file.fileno(), _INTEREST, token)
        if self._ended:
            source.end()
        return source

    def deregister(self, file: socket.socket, source: Source) -> None:
        """To be called before the descriptor is closed."""
        del self._sources[source.token]
        self._epoll.unregister(file)

    def end(self) -> None:
        """No reading waits any more: of no source, now or later."""
        self._ended = True
        for source in list(self._sources.values()):
            source.end()

    def wait(self, timeout_ns: int | None) -> None:
        """Wait until something is ready, for the time given at most, and wake who waits for it."""
        seconds = None if timeout_ns is None else max(0, timeout_ns) / 1e9
        for token, events in self._epoll.poll(seconds, _MOST_EVENTS):
            # Python has the token as a signed number; that of a source closed meanwhile is unknown.
            source = self._sources.get(token & 0xFFFF_FFFF)
            if source is not None:
                source.report(events)

    def interrupt(self) -> None:
        """Make `wait` return, now or when it is called next; from any thread."""
        with self._lock:
            self.interruptions += 1
            os.eventfd_write(self._event, 1)

    def close(self) -> None:
        self._epoll.close()
        os.close(self._event)

    def _add(self, descriptor: int, events: int, token: int) -> None:
        # select.epoll takes the descriptor for the token.
        event = ctypes.byref(_Event(events, token))
        if _libc.epoll_ctl(self._epoll.fileno(), _EPOLL_CTL_ADD, descriptor, event) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


class Source:
    """What the poller knows of one descriptor, for reading and for writing."""

    __slots__ = ("_lock", "_ready", "_wakers", "ended", "token")

    def __init__(self, token: int) -> None:
        self.token = token
        self._lock = threading.Lock()
        self._ready = [False, False]
        self.ended = False
        self._wakers: list[Waker | None] = [None, None]

    def ready(self, way: int) -> Ready:
        """Wait for an edge in this direction and use it up.

        Who reads or writes less than possible, or tries without asking before, uses `again`
        or `forget`, so that no edge is lost and none is believed twice.
        """
        return Ready(self, way)

    def again(self, way: int) -> None:
        """There is more than was taken: the edge that was used up is still good."""
        self._ready[way] = True

    def forget(self, way: int) -> None:
        """Before an attempt: whatever becomes ready from now on is news."""
        self._ready[way] = False

    def report(self, events: int) -> None:
        """The poller's thread: an edge has come."""
        self._set([way for way in (READ, WRITE) if events & _MEANS[way]], bool(events & _ENDED))

    def end(self) -> None:
        """Reading never waits any more."""
        self._set([READ], ended=True)

    def take(self, way: int, waker: Waker) -> bool:
        """Use up readiness if there is any; else keep the waker."""
        with self._lock:
            if self._ready[way] or (self.ended and way == READ):
                self._ready[way] = False
                return True
            self._wakers[way] = waker
            return False

    def leave(self, way: int) -> None:
        """Forget the waker."""
        with self._lock:
            self._wakers[way] = None

    def _set(self, ways: list[int], ended: bool) -> None:
        wakers = []
        with self._lock:
            self.ended = self.ended or ended
            for way in ways:
                self._ready[way] = True
                wakers.append(self._wakers[way])
                self._wakers[way] = None
        for waker in wakers:
            if waker is not None:
                waker.wake()


class Ready(Future[None]):
    """Ready when the descriptor is."""

    __slots__ = ("_source", "_way")

    def __init__(self, source: Source, way: int) -> None:
        self._source = source
        self._way = way

    def poll(self, waker: Waker) -> Literal[Pending.PENDING] | None:
        return None if self._source.take(self._way, waker) else PENDING

    def drop(self) -> None:
        self._source.leave(self._way)
