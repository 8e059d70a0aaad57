"""Which files the kernel side has forgotten: no record that is still to come names them.

The probes number each open file that they meet, in a table of bounded size, and what leaves that
table is numbered anew when it is met again. So a number that is no longer in it is used no more,
but for a call that a thread is in since before. Looking costs as much as the table is large: it
is done when so many files have come since the last time that memory counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.slots import Slots
from uringtrace.tracer.decode import decode_records
from uringtrace.tracer.source import File

FILES_BETWEEN = 16_384
"""How many files may come between two looks: a few megabytes."""


class SweptCapture(Protocol):
    """What a sweep needs of a running capture."""

    @property
    def files(self) -> Mapping[int, File]: ...

    def numbered_files(self) -> NDArray[np.uint32]:
        """The numbers that the kernel side has for files at this moment, in any order."""
        ...

    def under_way_slots(self) -> Slots: ...


class FileSweep:
    """Tells each file once."""

    def __init__(self, capture: SweptCapture, between: int = FILES_BETWEEN) -> None:
        self._capture = capture
        self._between = between
        self._told: set[int] = set()
        self._least = 0
        """The fewest files that there were since the last look."""

    def gone(self) -> list[int]:
        """Numbers of files that no record from now on names; empty most of the time."""
        count = len(self._capture.files)
        self._least = min(self._least, count)
        if count < self._least + self._between:
            return []
        # In this order: a file that comes meanwhile is in the table.
        known = np.fromiter(self._capture.files, np.int64, count)
        rows = decode_records(self._capture.under_way_slots()).operations
        used = np.concatenate([self._capture.numbered_files(), rows["file"], rows["second_file"]])
        gone = set(known[~np.isin(known, used)].tolist())
        fresh = sorted(gone - self._told)
        self._told = gone
        self._least = count
        return fresh
