"""A client of the reference servers that keeps books: what it did is what a server must say it did.

Bytes are those of HTTP, also where TLS carries them.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

PATIENCE_SECONDS = 20
"""No answer takes so long on any machine; a test that waits for it fails."""


@dataclass(frozen=True)
class Answer:
    """One answer that was read to its end."""

    status: int
    fields: dict[str, str]
    body: bytes


@dataclass
class Books:
    """What the visitors of one server did, as its last line should have it."""

    connections: int = 0
    requests: int = 0
    refused: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    unread: int = 0
    """Bytes that may have been sent to visitors who went away without reading them."""


@dataclass
class Visitors:
    """Who connects to one server."""

    address: tuple[str, int]
    tls: ssl.SSLContext | None = None
    books: Books = field(default_factory=Books)

    @contextmanager
    def visit(self, *, receive_buffer: int = 0) -> Iterator[Visit]:
        """A connection, closed at the end; `receive_buffer` in bytes where it must be small."""
        visit = self.connect(receive_buffer=receive_buffer)
        try:
            yield visit
        finally:
            visit.close()

    @contextmanager
    def visits(self, count: int) -> Iterator[list[Visit]]:
        """So many connections, all open at once; their handshakes overlap."""
        opened: list[Visit] = []
        try:
            for _ in range(count):
                opened.append(self.connect(handshake=False))
            if self.tls is not None:
                with ThreadPoolExecutor(50) as pool:
                    list(pool.map(Visit.shake_hands, opened))
            yield opened
        finally:
            for visit in opened:
                visit.close()

    def connect(self, *, receive_buffer: int = 0, handshake: bool = True) -> Visit:
        """A connection; without `handshake` TLS begins when the visit first sends."""
        plain = socket.socket()
        plain.settimeout(PATIENCE_SECONDS)
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.connect(self.address)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.books.connections += 1
        return Visit(plain, self.tls, self.books, handshake)


class Visit:
    """One connection. Reading ends with AssertionError where an answer does not."""

    def __init__(
        self, plain: socket.socket, tls: ssl.SSLContext | None, books: Books, handshake: bool
    ) -> None:
        self._books = books
        self._buffer = bytearray()
        self._tls = tls
        self.socket = plain
        if handshake:
            self.shake_hands()

    def shake_hands(self) -> None:
        """Begin TLS, where it is spoken and has not begun."""
        if self._tls is not None:
            self.socket = self._tls.wrap_socket(self.socket, suppress_ragged_eofs=True)
            self._tls = None

    def send(self, data: bytes) -> None:
        self.shake_hands()
        self._books.bytes_in += len(data)
        self.socket.sendall(data)

    def get(self, target: str, *fields: str) -> Answer:
        """Ask and read the answer."""
        self.send(request(target, *fields))
        return self.answer()

    def answer(self, *, head: bool = False) -> Answer:
        """Read one answer to its end; that of a HEAD request has no body."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            assert self._more(), "the connection ended before an answer"
        status_line, *lines = self._buffer[:end].decode("ascii").split("\r\n")
        version, status, _ = status_line.split(" ", 2)
        assert version == "HTTP/1.1"
        fields = dict(line.lower().split(": ", 1) for line in lines)
        whole = end + 4 + (0 if head else int(fields["content-length"]))
        while len(self._buffer) < whole:
            assert self._more(), f"the connection ended {whole - len(self._buffer)} bytes early"
        body = bytes(self._buffer[end + 4 : whole])
        del self._buffer[:whole]
        self._books.requests += 1
        self._books.refused += int(status) >= 400
        return Answer(int(status), fields, body)

    def hurry(self) -> None:
        """Let the kernel receive as much as it likes, after a small receive buffer."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def read_some(self) -> None:
        """Whatever has arrived of an answer, at least a byte."""
        assert self._more(), "the connection ended before an answer"

    def ended(self) -> bool:
        """Wait for what comes next: True when it is the end of the connection."""
        return not self._buffer and not self._more()

    def silent(self, seconds: float) -> bool:
        """Whether nothing arrives for so long."""
        self.socket.settimeout(seconds)
        try:
            self._more()
        except TimeoutError:
            return not self._buffer
        else:
            return False
        finally:
            self.socket.settimeout(PATIENCE_SECONDS)

    def finish_sending(self) -> None:
        """FIN, while the answers are still to be read."""
        # Of the TCP connection alone: ssl's own shutdown would forget the keys.
        socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def reset(self, unread: int = 0) -> None:
        """RST; of the answers at most so many bytes were not read."""
        self._books.unread += unread
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def _more(self) -> bool:
        data = b""
        with contextlib.suppress(ConnectionResetError):
            data = self.socket.recv(1 << 20)
        self._books.bytes_out += len(data)
        self._buffer += data
        return bool(data)


def request(target: str, *fields: str, method: str = "GET") -> bytes:
    """The bytes of a request without a body."""
    return "\r\n".join((f"{method} {target} HTTP/1.1", "Host: here", *fields, "", "")).encode()


def unverified() -> ssl.SSLContext:
    """For servers whose certificate was made a moment ago."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
