"""Operations as columns: one contiguous array per field that connections are made of.

Rows of a batch are wide: a field read in place costs a miss of the cache for each row, and copying rows whole
copies what nobody asks for. Where somebody has made the columns of a drain already, they are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.record import FIRST_CALL, OPERATION, Batch

_MOVED = """
completed_ns result tgid fd file second_file result_file opcode kind has_arguments
len op_flags cqe_flags ioprio sqe_flags arg2 arg3 arg4
"""
_TURNED = "submitted_ns tid addr off file_index arg0 arg1"
"""Asked for at turning points only."""
_OF_RINGS = frozenset({"len", "op_flags", "cqe_flags", "ioprio", "sqe_flags"})
_OF_CALLS = frozenset({"arg2", "arg3", "arg4"})
NAMES = (*_MOVED.split(), *_TURNED.split())

ColumnOf = Callable[[str], NDArray[Any]]
"""A field of all rows of a drain by its name, not to be written to."""


class Fields(Protocol):
    """Fields of rows by their names in `OPERATION`: a batch, or `Columns`."""

    def __getitem__(self, name: str, /) -> NDArray[Any]: ...

    def __len__(self) -> int: ...


class Columns:
    """Some rows, column by column; all arrays of shape (n,)."""

    __slots__ = ("_length", "_values")

    def __init__(self, values: Mapping[str, NDArray[Any]]) -> None:
        self._values = values
        self._length = len(values["completed_ns"])

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._values[name]

    def take(self, rows: NDArray[Any] | slice) -> Columns:
        """These rows; `rows` is a slice, a mask or holds indexes."""
        return Columns({name: values[rows] for name, values in self._values.items()})


def columns_of(
    operations: Batch,
    chosen: NDArray[np.bool_],
    turning: NDArray[np.bool_],
    column: ColumnOf | None = None,
) -> Columns:
    """The rows for which `chosen` holds, shape (n,); `column` has their fields, where somebody made them.

    What is asked for at turning points only is there where `turning` holds, shape (n,), else 0.
    """
    rows = slice(None) if chosen.all() else np.flatnonzero(chosen)
    call = (operations["opcode"] if column is None else column("opcode"))[rows] >= FIRST_CALL
    # What only the other interface has is 0, and need not be read.
    absent = _OF_RINGS if call.all() else frozenset() if call.any() else _OF_CALLS
    values: dict[str, NDArray[Any]] = {}
    for name in _MOVED.split():
        if name in absent:
            values[name] = np.zeros(len(call), OPERATION[name])
        elif column is not None:
            values[name] = column(name)[rows]
        else:
            values[name] = np.ascontiguousarray(operations[name][rows])
    place = np.flatnonzero(turning[rows])
    turned = np.flatnonzero(turning & chosen)
    for name in _TURNED.split():
        values[name] = np.zeros(len(call), OPERATION[name])
        values[name][place] = operations[name][turned]
    return Columns(values)


def joined(parts: Sequence[Columns]) -> Columns:
    """One after the other; at least one."""
    if len(parts) == 1:
        return parts[0]
    return Columns({name: np.concatenate([part[name] for part in parts]) for name in NAMES})


def no_columns() -> Columns:
    return Columns({name: np.zeros(0, OPERATION[name]) for name in NAMES})
