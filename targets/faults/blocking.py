"""Calls that block the thread which must not block: what stalls an event loop.

Every tenth request blocks, so that the others show what they pay for it. What the trace
shows of a call is what it shows in a real program:

- `blocking-sleep`: time.sleep, 50 ms in `clock_nanosleep`.
- `blocking-file`: 50 ms in a `read` of a FIFO, which stands in for a file on a cold disk. A
  helper thread feeds it.
- `blocking-getaddrinfo`: a real getaddrinfo, one second in `poll` of a UDP socket, as long as
  glibc waits at least for a name server that does not answer (`silent_resolver`).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from uringtrace.targets.faults.silent_resolver import SilentNameServer
from uringtrace.targets.truth import Tally

BLOCKING_FAULTS = ("blocking-sleep", "blocking-file", "blocking-getaddrinfo")
_BLOCKED_SECONDS = 0.05
_EVERY = 10


class Blocking:
    """One of `BLOCKING_FAULTS`, in the thread that makes this object."""

    def __init__(self, fault: str, tally: Tally) -> None:
        """Raises CapabilityError where the fault cannot be had on this machine."""
        self._tally = tally
        self._requests = 0
        self._block = _BLOCKS[fault]()

    def in_request(self) -> None:
        """To be called for each request; blocks in every tenth and counts that."""
        self._requests += 1
        if self._requests % _EVERY == 0:
            self._block()
            self._tally.fault()


def _sleep() -> None:
    time.sleep(_BLOCKED_SECONDS)


class _SlowFile:
    """A FIFO that has something to read 50 ms after it was asked for."""

    _PIECE = bytes(4096)

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="uringtrace-slow-")
        path = Path(self._folder.name) / "cold"
        os.mkfifo(path, 0o600)
        # Opened for both, so that neither end waits for the other (fifo(7)).
        self._fifo = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._asked = threading.Semaphore(0)
        threading.Thread(target=self._feed, name="slow disk", daemon=True).start()

    def __call__(self) -> None:
        self._asked.release()
        os.read(self._fifo, len(self._PIECE))

    def _feed(self) -> None:
        while self._asked.acquire():
            time.sleep(_BLOCKED_SECONDS)
            os.write(self._fifo, self._PIECE)


class _Lookup:
    """getaddrinfo of a name that exists nowhere (RFC 6761), asked of nobody."""

    _NAME = b"slow.uringtrace.invalid."

    def __init__(self) -> None:
        self._server = SilentNameServer()

    def __call__(self) -> None:
        try:
            socket.getaddrinfo(self._NAME, None, socket.AF_INET)
        except socket.gaierror:
            self._server.forget()


_BLOCKS: dict[str, Callable[[], Callable[[], None]]] = {
    "blocking-sleep": lambda: _sleep,
    "blocking-file": _SlowFile,
    "blocking-getaddrinfo": _Lookup,
}
