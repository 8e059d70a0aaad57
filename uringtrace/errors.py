"""The one error tree of uringtrace.

Every failure a user can meet is an `Error` with one line that names the missing
thing and, in `way_out`, what to do about it. `exit_code` is the process's exit
status: 1 the tool failed, 2 bad usage or an unmet precondition, 3 a gate tripped.
Only `uringtrace.cli.main` turns these into text and a status.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_GATE = 3


class Error(Exception):
    """A failure to show to the user as one line, with a way out where there is one."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, way_out: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.way_out = way_out


class UsageError(Error):
    """The command line, a filter or an input is wrong: nothing was started."""

    exit_code = EXIT_USAGE


class TargetError(UsageError):
    """The target cannot be traced: no such process, not permitted, not launchable."""


class CapabilityError(UsageError):
    """This machine cannot capture: a privilege, BTF, bcc or a kernel switch is missing."""


class FilterError(UsageError):
    """A filter expression is wrong; `position` and `length` mark the word in `expression`."""

    def __init__(
        self, message: str, position: int, length: int, way_out: str = "", *, expression: str = ""
    ) -> None:
        super().__init__(message, way_out)
        self.position = position
        self.length = length
        self.expression = expression


class RecordingError(UsageError):
    """A recording cannot be read or may not be written there."""


class StorageError(Error):
    """Writing failed while capturing (disk full, size limit of the file system)."""


class KernelError(Error):
    """The kernel refused a program, a map or an attachment that was expected to work."""
