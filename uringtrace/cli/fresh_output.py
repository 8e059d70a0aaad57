"""An output that leaves no empty file behind when what should fill it could not start.

The output must be refused before a command is launched, so it is opened first; when
the start then fails (no such process, no privilege), nothing of it may remain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from uringtrace.cli.output import open_output
from uringtrace.errors import Error


@contextmanager
def fresh_output(path: str | None, force: bool) -> Iterator[TextIO]:
    """`open_output`, closed at the end; a file is removed again where an `Error` left it empty."""
    with open_output(path, force) as output:
        try:
            yield output
        except Error:
            if path is not None and is_empty_file(path):
                Path(path).unlink()
            raise


def is_empty_file(path: str) -> bool:
    """Whether `path` is a regular file without content; not so for `-` and `|command`."""
    file = Path(path)
    return file.is_file() and file.stat().st_size == 0
