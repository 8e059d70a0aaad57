"""Sockets for green threads: the same methods as blocking ones, which switch instead of blocking."""

from __future__ import annotations

import socket

from uringtrace.targets.green.hub import READ, WRITE, Hub


class GreenSocket:
    """A socket that only the green thread waits for."""

    def __init__(self, hub: Hub, plain: socket.socket) -> None:
        plain.setblocking(False)
        hub.watch(plain.fileno())
        self._hub = hub
        self._plain = plain

    def accept(self) -> GreenSocket:
        """The next connection."""
        while True:
            try:
                return GreenSocket(self._hub, self._plain.accept()[0])
            except BlockingIOError:
                self._hub.wait(self._plain.fileno(), READ)

    def recv(self, count: int) -> bytes:
        """What has arrived; nothing at the end, which the end of the hub's reading is as well."""
        while True:
            try:
                return self._plain.recv(count)
            except BlockingIOError:
                if self._hub.ended:
                    return b""
                self._hub.wait(self._plain.fileno(), READ)

    def send(self, data: bytes | memoryview) -> int:
        """Send at least one byte of the data; how many."""
        while True:
            try:
                return self._plain.send(data)
            except BlockingIOError:
                self._hub.wait(self._plain.fileno(), WRITE)

    def end(self) -> None:
        """Say that nothing follows, and drop what has arrived: closing with unread bytes would
        reset the connection and could take the last answer with it."""
        self._plain.shutdown(socket.SHUT_WR)
        try:
            while self._plain.recv(1 << 16):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        self._hub.forget(self._plain.fileno())
        self._plain.close()
