"""The terminal application in a pseudo-terminal: keys go in, what it draws is searched for.

Whatever was started is ended when the context is left.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.launch import REPOSITORY, URINGTRACE, Failed

SIZE = (120, 40)
DEADLINE_SECONDS = 60
_TICKS = os.sysconf("SC_CLK_TCK")
_LOST = re.compile(rb"lost ([\d,.]+[kMG]?)")
_KEPT = 1 << 16


class Application:
    """One run of `uringtrace PID`; times are in seconds."""

    def __init__(self, pid: int, descriptor: int, started: float) -> None:
        self.pid = pid
        self._descriptor = descriptor
        self._started = started
        self._drawn = b""
        self.lost = ""
        """As the header said last; empty before it was drawn."""

    def until(self, text: bytes) -> float:
        """Read until this was drawn, from now on; the time since the start. Raises `Failed`."""
        self._drawn = b""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while text not in self._drawn:
            if time.monotonic() > deadline:
                raise Failed(f"did not draw {text.decode()!r} within {DEADLINE_SECONDS} s")
            self._read(0.1)
        return time.monotonic() - self._started

    def watch(self, seconds: float) -> None:
        """Read what is drawn for a while, as a terminal does."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def press(self, key: bytes, text: bytes) -> float:
        """From a key to the text that it makes appear."""
        self._drawn = b""
        before = time.monotonic()
        os.write(self._descriptor, key)
        return self.until(text) + self._started - before

    def _read(self, seconds: float) -> None:
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return
        try:
            part = os.read(self._descriptor, _KEPT)
        except OSError:
            part = b""
        if not part:
            raise Failed("the application has ended")
        self._drawn = self._drawn[-_KEPT:] + part
        found = _LOST.findall(self._drawn)
        if found:
            self.lost = found[-1].decode()

    def processor_seconds(self) -> dict[int, float]:
        """Used by each of its threads until now."""
        used = {}
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            with suppress(OSError):
                # proc_pid_stat(5): utime and stime are fields 14 and 15; the name may hold blanks.
                fields = (thread / "stat").read_text().rpartition(")")[2].split()
                used[int(thread.name)] = (int(fields[11]) + int(fields[12])) / _TICKS
        return used


@contextmanager
def application(target: int) -> Iterator[Application]:
    """Start it on a process."""
    started = time.monotonic()
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(URINGTRACE[0], [*URINGTRACE, str(target)])
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
    try:
        yield Application(pid, descriptor, started)
    finally:
        _end(pid, descriptor)


def _end(pid: int, descriptor: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        # It cannot end while nobody reads what it draws.
        if select.select([descriptor], [], [], 0.05)[0]:
            with suppress(OSError):
                os.read(descriptor, _KEPT)
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline = float("inf")
    os.close(descriptor)
