"""What the kept operations tell of one socket: all on it, of both interfaces, in the order of their ends.

Pure. A socket is known by its inode; the numbers of its files are looked up in the source's
files, which may grow in another thread meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.live.recent import Recent
from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import File

_FILE_FIELDS = ("file", "second_file", "result_file")
THIS = "this"
"""Stands between <> for the socket itself, whose addresses would fill every line."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One operation on the socket."""

    records: Records
    """Of which it is one row, with what belongs to others."""
    row: int
    completed_ns: int
    submitted_ns: int
    """0: its beginning was not seen."""
    tid: int
    since_ns: int | None
    """Time since the end of the one before; None for the first that is known."""

    @property
    def key(self) -> tuple[int, int, int, int]:
        operation = self.records.operations[self.row]
        return self.completed_ns, self.submitted_ns, self.tid, int(operation["user_data"])

    def alone(self) -> Records:
        """Its row with its memory."""
        return self.records.select(np.arange(len(self.records.operations)) == self.row)


class SocketFiles:
    """The file numbers of one socket."""

    def __init__(self, inode: int) -> None:
        self._inode = inode
        self._seen: tuple[int, int] | None = None
        self._numbers: frozenset[int] = frozenset()

    def of(self, recent: Recent) -> frozenset[int]:
        """As far as they are known now."""
        seen = (id(recent.files), len(recent.files))
        if seen != self._seen:
            # One copy: the capture's thread adds files while this one looks.
            self._numbers = frozenset(
                number
                for number, file in list(recent.files.items())
                if file.inode == self._inode and file.socket is not None
            )
            self._seen = seen
        return self._numbers


def moments_of(recent: Recent, numbers: frozenset[int], limit: int) -> Sequence[Moment]:
    """The newest operations on these files, `limit` at most, oldest first."""
    wanted = np.fromiter(numbers, np.uint32, len(numbers))
    pieces: list[list[tuple[int, int, int, Records, int]]] = []
    count = 0
    for part in reversed(recent.parts):
        if not wanted.size or count >= limit:
            break
        chosen = part.select(_on(part.operations, wanted))
        columns = (chosen.operations[name].tolist() for name in ("completed_ns", "submitted_ns", "tid"))
        pieces.append([(*row, chosen, number) for number, row in enumerate(zip(*columns, strict=True))])
        count += len(pieces[-1])
    # In the order of delivery first, which what ended at the same moment keeps.
    found = sorted(chain.from_iterable(reversed(pieces)), key=lambda each: each[0])
    previous: int | None = None
    moments = []
    for completed, submitted, tid, records, row in found[-limit:]:
        since = None if previous is None else completed - previous
        moments.append(Moment(records, row, completed, submitted, tid, since))
        previous = completed
    return moments


def _on(batch: Batch, wanted: NDArray[np.uint32]) -> NDArray[np.bool_]:
    mask = np.zeros(batch.shape, bool)
    for name in _FILE_FIELDS:
        mask |= np.isin(batch[name], wanted)
    return mask


def files_of(moment: Moment, recent: Recent, numbers: frozenset[int]) -> dict[int, File]:
    """The files of its row, the socket itself as `THIS`."""
    operation = moment.records.operations[moment.row]
    files: dict[int, File] = {}
    for name in _FILE_FIELDS:
        number = int(operation[name])
        file = recent.files.get(number)
        if file is not None:
            files[number] = replace(file, description=THIS) if number in numbers else file
    return files
