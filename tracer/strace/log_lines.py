"""A log on disk as lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from uringtrace.errors import UsageError


def lines_of(path: Path) -> Iterator[str]:
    """Each line of the file without its newline.

    Only a newline ends a line: other characters that Python takes for an end come from programs
    whose output is in the log. Bytes that are no UTF-8 become `\\x…`. Raises `UsageError`.
    """
    try:
        with path.open(encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            for line in file:
                yield line.removesuffix("\n")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
