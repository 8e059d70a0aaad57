"""Sendfile: static files that never enter the server's memory.

A thread for each connection, as `thread` does it; only files differ. `sendfile`: the kernel
takes the file's pages to the socket in one call, sendfile(2). `splice`: the same journey as
two linked operations on an io_uring ring, file to pipe to socket.

In the trace, beside `thread`, which reads and sends 64 KiB at a time: one `sendfile` per
file or, where the socket's buffer is full, per piece (`uringtrace log -e sendfile -p PID`), and
no `read`. In mode `splice` it is `SPLICE` and `SPLICE`, both on path io-wq: splice may block,
so the kernel never tries it inline (io_uring/splice.c), and each costs a worker thread's turn
(`uringtrace stat -p PID`).
"""

from __future__ import annotations

import fcntl
import os
import socket
from queue import Empty, SimpleQueue

from uringtrace.targets.http.service import Document
from uringtrace.targets.servers.thread import serve_with_threads
from uringtrace.targets.serving import House, Options
from uringtrace.targets.truth import Tally
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.ring import Ring

_NO_OFFSET = (1 << 64) - 1
_INTO_PIPE, _OUT_OF_PIPE = 1, 2


def serve(options: Options, house: House) -> None:
    if options.mode == "splice":
        serve_with_threads(options, house, Splicers().send, mode="splice")
    else:
        serve_with_threads(options, house, by_sendfile, mode="sendfile")


def by_sendfile(connection: socket.socket, document: Document, tally: Tally) -> None:
    """Send a file by sendfile(2); raises OSError when it became shorter."""
    with document.path.open("rb", buffering=0) as file:
        left = document.size
        while left:
            count = os.sendfile(connection.fileno(), file.fileno(), None, left)
            if not count:
                raise OSError(f"{document.path} became shorter")
            tally.sent(count)
            left -= count


class Splicers:
    """A ring and a pipe for each file that is being sent; those that are free are used again."""

    def __init__(self) -> None:
        self._free: SimpleQueue[_Splicer] = SimpleQueue()
        # The first is made at once, so that a machine without io_uring says so at the start.
        self._free.put(_Splicer())

    def send(self, connection: socket.socket, document: Document, tally: Tally) -> None:
        """Send a file by splice on io_uring; raises OSError when it fails or became shorter."""
        try:
            splicer = self._free.get_nowait()
        except Empty:
            splicer = _Splicer()
        try:
            splicer.send(connection, document, tally)
        except OSError:
            # What it left in the pipe must not reach another client.
            splicer.close()
            raise
        self._free.put(splicer)


class _Splicer:
    """One ring and one pipe, for one thread at a time."""

    def __init__(self) -> None:
        self._ring = Ring(8)
        self._reader, self._writer = os.pipe()
        self._capacity = fcntl.fcntl(self._writer, fcntl.F_GETPIPE_SZ)

    def send(self, connection: socket.socket, document: Document, tally: Tally) -> None:
        with document.path.open("rb", buffering=0) as file:
            place = 0
            while place < document.size:
                length = min(document.size - place, self._capacity)
                moved = self._pass_on(file.fileno(), place, connection.fileno(), length, tally)
                if not moved:
                    raise OSError(f"{document.path} became shorter")
                place += moved

    def _pass_on(self, file: int, place: int, connection: int, length: int, tally: Tally) -> int:
        """Move up to `length` bytes; the second operation begins when the first is complete."""
        self._push(_INTO_PIPE, file, place, self._writer, length, c.SQE_IO_LINK)
        self._push(_OUT_OF_PIPE, self._reader, _NO_OFFSET, connection, length)
        arrived, left = self._results(2)
        # A short first operation cancels the second: the link holds only for whole ones.
        sent = max(left, 0)
        tally.sent(sent)
        while sent < arrived:
            self._push(_OUT_OF_PIPE, self._reader, _NO_OFFSET, connection, arrived - sent)
            _, left = self._results(1)
            if left <= 0:
                raise OSError(-left, os.strerror(-left))
            tally.sent(left)
            sent += left
        return max(arrived, 0)

    def _push(self, what: int, source: int, place: int, into: int, length: int, flags: int = 0) -> None:
        self._ring.push(
            c.OP_SPLICE, what, into, place, length, flags=flags, offset=_NO_OFFSET, file_index=source
        )

    def _results(self, count: int) -> tuple[int, int]:
        results = {_INTO_PIPE: 0, _OUT_OF_PIPE: 0}
        while count:
            self._ring.enter(1)
            while completion := self._ring.pop():
                results[completion.user_data] = completion.result
                count -= 1
        return results[_INTO_PIPE], results[_OUT_OF_PIPE]

    def close(self) -> None:
        self._ring.close()
        os.close(self._reader)
        os.close(self._writer)
