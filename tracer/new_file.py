"""A file that appears under its name when it is whole, for its owner alone.

What fails in the middle, or is interrupted, leaves neither a half file nor an empty one, and
what `--force` is to replace stays until then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uringtrace.errors import StorageError, UsageError


def check_new(path: Path, *, force: bool) -> None:
    """Raise UsageError where `new_file` would before it writes: for what is written only much later."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory", "name a file in it")
    if path.exists() and not force:
        raise UsageError(f"{path} exists already", "--force overwrites it")
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: {path.parent} is no directory")


@contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[Path]:
    """Where to write; it becomes `path` at the end.

    Raises UsageError where `path` exists and not `force`, or cannot be written, and StorageError
    where it cannot be put in its place.
    """
    check_new(path, force=force)
    partial = path.with_name(f".{path.name[:200]}.{os.getpid()}.partial")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    try:
        yield partial
        _put(partial, path, force=force)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _put(partial: Path, path: Path, *, force: bool) -> None:
    try:
        if force:
            partial.rename(path)
        else:
            os.link(partial, path)  # which, unlike rename, replaces nothing that came meanwhile
    except FileExistsError:
        raise UsageError(f"{path} exists already", "--force overwrites it") from None
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from None
