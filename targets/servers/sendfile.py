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

import os
import socket

from uringtrace.targets.http.service import Document
from uringtrace.targets.servers.thread import serve_with_threads
from uringtrace.targets.serving import House, Options
from uringtrace.targets.truth import Tally


def serve(options: Options, house: House) -> None:
    serve_with_threads(options, house, by_sendfile)


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
