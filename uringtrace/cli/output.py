"""Where data goes: standard output, a file that is not overwritten, or a pipe.

Data goes to standard output and notices to standard error, so that a pipe gets only
data. Files are created for their owner alone: they tell paths and addresses.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO, cast

from uringtrace.errors import StorageError, UsageError


def notice(text: str) -> None:
    """Tell the user something that is not data."""
    print(f"uringtrace: {text}", file=sys.stderr, flush=True)


def open_output(path: str | None, force: bool) -> TextIO:
    """A text stream to `path`; the caller closes it.

    None and `-` are standard output (closing it only flushes). `|command` is the
    standard input of a shell command, which closing waits for. Everything else is a
    file, created with mode 0600; an existing one is overwritten only with `force`,
    save for devices and FIFOs. Raises `UsageError`, and `StorageError` at closing
    where the shell command failed.
    """
    if path is None or path == "-":
        return cast(TextIO, StandardOutput())
    if path.startswith("|"):
        return PipeOutput(path[1:].strip())
    return open_file(Path(path), force)


class StandardOutput:
    """`sys.stdout` of the moment, left open by `close`."""

    def __getattr__(self, name: str) -> object:
        return getattr(sys.stdout, name)

    def __enter__(self) -> StandardOutput:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        sys.stdout.flush()


class PipeOutput(TextIOWrapper):
    """The standard input of a shell command; `close` waits until it has ended."""

    def __init__(self, command: str) -> None:
        if not command:
            raise UsageError("no command after |", "for example: -o '|gzip > trace.gz'")
        # Ctrl-C reaches the whole foreground group. The command must outlive it, or
        # the end of the report would be lost; it ends when its input does.
        self.process = subprocess.Popen(["sh", "-c", f'trap "" INT\n{command}'], stdin=subprocess.PIPE)
        assert self.process.stdin is not None
        super().__init__(self.process.stdin, encoding="utf-8", errors="replace")
        self.command = command

    def close(self) -> None:
        if self.closed:
            return
        try:
            super().close()
        finally:
            status = self.process.wait()
        if status != 0:
            raise StorageError(f"|{self.command}: ended with status {status}")


def open_file(path: Path, force: bool) -> TextIO:
    """Create `path`, or truncate it where that is allowed; raises `UsageError`."""
    replaceable = force or is_special(path)
    creation = 0 if replaceable else os.O_EXCL
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | creation, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists already", "--force overwrites it") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="replace")


def is_special(path: Path) -> bool:
    """Whether `path` is a device, a FIFO or a socket: there is nothing to overwrite."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
