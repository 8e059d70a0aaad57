"""uringtrace: see what an async server really does on io_uring.

`uringtrace.open("NAME")` opens a recording for a notebook or a script (docs/python.md). Importing
this package loads nothing but the version: the layers below it are imported when they are needed.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uringtrace.notebook import Recording

__version__ = "0.1.0"


def open(path: str | PathLike[str]) -> Recording:
    """Open a recording, the directory that `uringtrace record` made.

    Raises `uringtrace.errors.RecordingError` where it is none or cannot be read.
    """
    from uringtrace.notebook import open_for_reading

    return open_for_reading(path)
