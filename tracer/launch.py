"""Starts a command so that it can be traced from its first instruction, and from nothing before it.

The child is forked at once and waits on a pipe. Shortly before the capture begins it is
called out of that system call and waits in user space, on memory that it shares with us:
the first call that the capture sees of it is the command's execve, as with strace. No
ptrace, no stop signal: if we die before, the child sees the pipe close, or tires of
waiting, and exits.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import signal
import struct
import time
from contextlib import suppress

from uringtrace.errors import TargetError

_GO = b"g"
_READY, _EXECUTE, _ABANDON = 1, 2, 3
"""What the first byte of the shared memory says; the child sets the first, we the others."""
_PATIENCE = 5.0
"""Seconds that the child turns round in user space before it takes us for dead."""
_TURNS = 1 << 16
"""How often it looks at the memory between two looks at the clock, which can be a system call."""
_PAUSE = 0.0005
_ERRNO = struct.Struct("<i")


class Launched:
    """A child process, held before exec until `release`."""

    def __init__(self, command: tuple[str, ...]) -> None:
        """Raises `TargetError` when the command is not found."""
        path = shutil.which(command[0])
        if path is None:
            raise TargetError(f"cannot start {command[0]}: not found or not executable")
        self.command = command
        self.status: int | None = None
        """The os.waitpid status once the child has ended."""
        self._path = path
        self._called = False
        self._released = False
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._gate_read, self._gate_write = os.pipe()
        self._error_read, self._error_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._become_command()
        os.close(self._gate_read)
        os.close(self._error_write)

    def _become_command(self) -> None:
        try:
            os.close(self._gate_write)
            os.close(self._error_read)
            if os.read(self._gate_read, 1) != _GO:
                os._exit(0)
            for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(ignored_by_python, signal.SIG_DFL)
            if self._may_execute():
                os.execv(self._path, self.command)
        except OSError as error:
            os.write(self._error_write, _ERRNO.pack(error.errno or 0))
        finally:
            os._exit(127)

    def _may_execute(self) -> bool:
        """Wait without a system call; False when the command is not to run.

        Raises `TimeoutError` when nothing is said.
        """
        memory = self._memory
        deadline = time.monotonic() + _PATIENCE
        memory[0] = _READY
        while time.monotonic() < deadline:
            for _ in range(_TURNS):
                if memory[0] != _READY:
                    return memory[0] == _EXECUTE
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    def call(self) -> None:
        """Call the child out of its system call: what it does from now on until the command runs is seen
        by nobody. It turns round until `release`, which must follow at once.
        """
        self._called = True
        with suppress(BrokenPipeError):  # killed while it waited: its status tells
            os.write(self._gate_write, _GO)
        os.close(self._gate_write)
        while self._memory[0] != _READY and not self.ended():
            time.sleep(_PAUSE)

    def release(self) -> None:
        """Let the child execute its command; raises `TargetError` when the kernel refuses."""
        if not self._called:
            self.call()
        self._released = True
        self._memory[0] = _EXECUTE
        failure = os.read(self._error_read, _ERRNO.size)
        os.close(self._error_read)
        if failure:
            if self.status is None:
                self.status = os.waitpid(self.pid, 0)[1]
            reason = os.strerror(_ERRNO.unpack(failure)[0])
            raise TargetError(f"cannot start {self.command[0]}: {reason}")

    def abandon(self) -> None:
        """End a child that was never released."""
        if self._called:
            self._memory[0] = _ABANDON
        else:
            os.close(self._gate_write)
        os.close(self._error_read)
        if self.status is None:
            os.waitpid(self.pid, 0)

    def ended(self) -> bool:
        """Whether the child has ended; takes its status when it has."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is not None

    def end(self) -> None:
        """Let go of the child: one that still waits never runs, a running one gets SIGTERM.

        As strace does with a command that it started.
        """
        if not self._released:
            self.abandon()
        elif not self.ended():
            os.kill(self.pid, signal.SIGTERM)
