"""Sockets for tasks: calls that would block wait for the poller instead."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from uringtrace.targets.runtime.poller import READ, WRITE, Poller

_PIECE = 64 << 10


class Listening:
    """A listener whose connections are awaited."""

    def __init__(self, poller: Poller, listener: socket.socket) -> None:
        self._listener = listener
        self._source = poller.register(listener)

    async def accept(self) -> socket.socket:
        """The next connection; raises OSError, EINVAL when the listener is shut down."""
        while True:
            # Trying first: one edge may stand for many connections.
            self._source.forget(READ)
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                await self._source.ready(READ)
            else:
                connection.setblocking(False)
                return connection


class Stream:
    """One connection."""

    def __init__(self, poller: Poller, connection: socket.socket) -> None:
        self._poller = poller
        self._connection = connection
        self._source = poller.register(connection)

    async def receive(self) -> bytes:
        """What has arrived, at least a byte; nothing at the end, which a poller that ends brings about."""
        while True:
            await self._source.ready(READ)
            try:
                data = self._connection.recv(_PIECE)
            except BlockingIOError:
                if self._source.ended:
                    return b""
                continue
            if len(data) == _PIECE:
                self._source.again(READ)
            return data

    async def send(self, data: bytes, sent: Callable[[int], None]) -> None:
        """Send all; `sent` is told of every piece that the kernel has taken. Raises OSError."""
        rest = memoryview(data)
        while rest:
            self._source.forget(WRITE)
            try:
                count = self._connection.send(rest)
            except BlockingIOError:
                await self._source.ready(WRITE)
            else:
                sent(count)
                rest = rest[count:]

    def end(self) -> None:
        """Say that nothing follows, and drop what has arrived: closing with unread bytes would
        reset the connection and could take the last answer with it. Raises OSError."""
        self._connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(BlockingIOError):
            while self._connection.recv(_PIECE):
                pass

    def close(self) -> None:
        self._poller.deregister(self._connection, self._source)
        self._connection.close()
