"""The connections that blocking calls wait on, so that a server which stops can end them.

A blocked recv is ended by shutting the connection for reading: it returns with nothing, now
and later (shutdown(2)). An answer that is under way goes on for GRACE_SECONDS.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

from uringtrace.targets.stop import Stop

GRACE_SECONDS = 2


class OneConnection:
    """For a process that serves one connection at a time. Main thread only."""

    def __init__(self, stop: Stop) -> None:
        self._current: socket.socket | None = None
        self._stop = stop
        signal.signal(signal.SIGALRM, _raise)
        stop.on_request(self._end)

    @contextlib.contextmanager
    def holding(self, connection: socket.socket) -> Iterator[None]:
        """Within this the connection is the current one."""
        self._current = connection
        if self._stop.requested:
            self._end()
        try:
            yield
        finally:
            self._current = None
            signal.alarm(0)

    def _end(self) -> None:
        if self._current is not None:
            _shut_for_reading(self._current)
            signal.alarm(GRACE_SECONDS)


class ManyConnections:
    """For a server of several threads, each with a connection."""

    def __init__(self, stop: Stop) -> None:
        self._open: set[socket.socket] = set()
        self._none_open = threading.Condition()
        self._stop = stop

    @contextlib.contextmanager
    def holding(self, connection: socket.socket) -> Iterator[None]:
        """Within this the connection is open."""
        with self._none_open:
            self._open.add(connection)
            if self._stop.requested:
                _shut_for_reading(connection)
        try:
            yield
        finally:
            with self._none_open:
                self._open.discard(connection)
                self._none_open.notify_all()

    def end(self) -> None:
        """Let every connection end after what it is doing."""
        with self._none_open:
            for connection in self._open:
                _shut_for_reading(connection)
            self._none_open.wait_for(lambda: not self._open, GRACE_SECONDS)


def _shut_for_reading(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)


@contextlib.contextmanager
def raising_after(seconds: int) -> Iterator[None]:
    """Whatever blocks within this ends with TimeoutError when it is overdue. Main thread only."""
    signal.signal(signal.SIGALRM, _raise)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def _raise(_number: int, _frame: FrameType | None) -> None:
    # An OSError, as if the peer had gone: what is under way ends as it would then.
    raise TimeoutError
