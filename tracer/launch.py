"""Starts a command so that it can be traced from its first instruction.

The child is forked at once and waits on a pipe; when the probes are attached it is
released and executes the command. No ptrace, no stop signal: if we die before, the
child sees the pipe close and exits.
"""

from __future__ import annotations

import os
import shutil
import signal
import struct
from contextlib import suppress

from uringtrace.errors import TargetError

_GO = b"g"
_ERRNO = struct.Struct("<i")


class Launched:
    """A child process, held before exec until `release`."""

    def __init__(self, command: tuple[str, ...]) -> None:
        """Raises `TargetError` when the command is not found."""
        if shutil.which(command[0]) is None:
            raise TargetError(f"cannot start {command[0]}: not found or not executable")
        self.command = command
        self.status: int | None = None
        """The os.waitpid status once the child has ended."""
        self._released = False
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
            os.execvp(self.command[0], self.command)
        except OSError as error:
            os.write(self._error_write, _ERRNO.pack(error.errno or 0))
        finally:
            os._exit(127)

    def release(self) -> None:
        """Let the child execute its command; raises `TargetError` when the kernel refuses."""
        self._released = True
        with suppress(BrokenPipeError):  # killed while it waited: its status tells
            os.write(self._gate_write, _GO)
        os.close(self._gate_write)
        failure = os.read(self._error_read, _ERRNO.size)
        os.close(self._error_read)
        if failure:
            self.status = os.waitpid(self.pid, 0)[1]
            reason = os.strerror(_ERRNO.unpack(failure)[0])
            raise TargetError(f"cannot start {self.command[0]}: {reason}")

    def abandon(self) -> None:
        """End a child that was never released."""
        os.close(self._gate_write)
        os.close(self._error_read)
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
