"""One connection answered with blocking calls: what the oldest architectures have in common.

The thread or process that calls `attend` does nothing else until the connection ends. How
a file is sent is the caller's choice. Every byte is counted when the kernel has taken it.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Callable, Iterator

from uringtrace.targets.http.exchange import Exchange
from uringtrace.targets.http.service import Answer, Document, Service
from uringtrace.targets.stop import Stop
from uringtrace.targets.truth import Tally

_PIECE = 64 << 10
_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_SHUT_DOWN = (errno.EINVAL, errno.EBADF)
_PAUSE_SECONDS = 0.01
"""After which accept is tried again when there was no descriptor or no memory left."""

SendDocument = Callable[[socket.socket, Document, Tally], None]


def attend(
    connection: socket.socket, service: Service, tally: Tally, send_document: SendDocument | None = None
) -> None:
    """Answer what arrives on the connection until either side ends it, then close it."""
    exchange = Exchange(service)
    # The peer may go away at any moment; then there is nobody left to tell.
    with contextlib.suppress(OSError), connection:
        while not exchange.closing and (data := connection.recv(_PIECE)):
            tally.received(len(data))
            exchange.receive(data)
            while answer := exchange.next():
                _send(connection, answer, tally, send_document or read_and_send)
        if exchange.closing:
            _end(connection)
    tally.closed()


def send(connection: socket.socket, data: bytes | memoryview, tally: Tally, flags: int = 0) -> None:
    """Send all of `data`; raises OSError when the peer is gone, with what went out counted."""
    rest = memoryview(data)
    while rest:
        count = connection.send(rest, flags)
        tally.sent(count)
        rest = rest[count:]


def read_and_send(connection: socket.socket, document: Document, tally: Tally) -> None:
    """Send a file through a buffer of this process; raises OSError when it became shorter."""
    with document.path.open("rb", buffering=0) as file:
        left = document.size
        while left:
            data = file.read(min(left, _PIECE))
            if not data:
                raise OSError(f"{document.path} became shorter")
            send(connection, data, tally)
            left -= len(data)


def _send(connection: socket.socket, answer: Answer, tally: Tally, send_document: SendDocument) -> None:
    if answer.delay_ms:
        time.sleep(answer.delay_ms / 1000)
    if answer.document is None:
        send(connection, answer.head + answer.body, tally)
    else:
        send(connection, answer.head, tally, socket.MSG_MORE)
        send_document(connection, answer.document, tally)
    tally.answered(answer.status)


def _end(connection: socket.socket) -> None:
    """Closing with unread bytes would reset the connection and could take the answer with it."""
    connection.shutdown(socket.SHUT_WR)
    connection.setblocking(False)
    while connection.recv(_PIECE):
        pass


def accepted(listener: socket.socket, stop: Stop) -> Iterator[socket.socket]:
    """Connections as they come, blocking, until the server is told to stop."""
    while not stop.requested:
        try:
            connection, _ = listener.accept()
        except ConnectionAbortedError:
            continue
        except OSError as error:
            if error.errno in _SHUT_DOWN:
                return
            if error.errno not in _OUT_OF_RESOURCES:
                raise
            time.sleep(_PAUSE_SECONDS)
            continue
        yield connection
