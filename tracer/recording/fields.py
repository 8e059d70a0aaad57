"""Records by column: what DuckDB reads when a part is written.

Most fields of most captures have one value. Those take no memory, and no time in DuckDB,
which computes what depends on them alone once. Invariant: rows keep their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.rows import join_rows
from uringtrace.tracer.record import FIRST_CALL, OPERATION, Batch, Kind, Path
from uringtrace.tracer.recording.columns import ERRORS, Columns
from uringtrace.tracer.recording.memory import encoded
from uringtrace.tracer.recording.pathnames import NOT_READ, PathArguments, pathnames
from uringtrace.tracer.records import Records

_SIGNED = frozenset(
    (
        "submitted_ns",
        "completed_ns",
        "previous_ns",
        "chain",
        "woken_ns",
        "ring",
        "tgid",
        "tid",
        "file",
        "second_file",
        "result_file",
        "waker",
        "waker_file",
        "woke",
        "sequence",
    )
)
"""Fields stored as signed of the same width, so that SQL can subtract them. The
kernel's clock, pids and our numbers stay below half their range."""

_NAMES = OPERATION.names or ()
_CALL_FIELDS = _NAMES[_NAMES.index("arg0") :]
_RING_FIELDS = _NAMES[: _NAMES.index("arg0")]

_BLOCK_ROWS = 8192
"""Rows turned into columns at once: few enough to stay in the processor's cache."""


def _path_codes() -> NDArray[np.uint8]:
    bits = np.arange(256)
    return np.where(bits & Path.IO_WQ, 3, np.where(bits & Path.POLL, 2, 1)).astype(np.uint8)


def _error_codes() -> NDArray[np.uint8]:
    codes = np.zeros(4097, np.uint8)
    for position, number in enumerate(sorted(ERRORS), start=1):
        codes[number] = position
    return codes


_PATH_CODES = _path_codes()
_ERROR_CODES = _error_codes()


def _blocks(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same rows in the same order, in batches of about _BLOCK_ROWS."""
    waiting: list[Batch] = []
    rows = 0
    for batch in batches:
        for start in range(0, batch.size, _BLOCK_ROWS):
            piece = batch[start : start + _BLOCK_ROWS]
            waiting.append(piece)
            rows += piece.size
            if rows >= _BLOCK_ROWS:
                yield piece if len(waiting) == 1 else join_rows(waiting)
                waiting, rows = [], 0
    if waiting:
        yield join_rows(waiting)


def _stored(block: Batch, name: str) -> NDArray[np.generic]:
    field: NDArray[np.generic] = block[name]
    return field.view(f"<i{field.itemsize}") if name in _SIGNED else field


_NO_CALL = np.zeros(1, OPERATION)


def _fields(block: Batch) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Every field, and the codes of the columns that are names; 0 where there is none.

    An array of one item stands for that value in all rows.
    """
    opcode = block["opcode"]
    is_call = opcode >= FIRST_CALL
    calls = bool(is_call.any())
    for name in _RING_FIELDS:
        yield name, _stored(block, name)
    for name in _CALL_FIELDS:
        yield name, _stored(block if calls else _NO_CALL, name)
    kind = block["kind"]
    without_path = (kind == Kind.UNTRACKED) | (kind == Kind.MESSAGE)
    if calls:
        without_path |= is_call
    result = block["result"]
    failed = (result < 0) & (result > -4096)
    yield "is_call", is_call if calls else np.zeros(1, np.bool_)
    yield "interface_code", is_call + np.uint8(1) if calls else np.ones(1, np.uint8)
    yield "path_code", np.where(without_path, np.uint8(0), _PATH_CODES[block["path"]])
    yield (
        "error_code",
        _ERROR_CODES[np.where(failed, -result, 0)] if failed.any() else np.zeros(1, np.uint8),
    )


def columns_of(records: Iterable[Records], paths: PathArguments) -> Columns:
    """All rows of `records`, in order, by field."""
    memory = _MemoryOfPart(paths)
    gathered: dict[str, list[_Piece]] = {}
    rows = 0
    for block in _blocks(memory.operations(records)):
        rows += block.size
        for name, field in _fields(block):
            first = field[0]
            same = field.size == 1 or (field[-1] == first and (field == first).all())
            pieces = gathered.setdefault(name, [])
            if not same:
                pieces.append((block.size, np.ascontiguousarray(field)))
            elif pieces and isinstance(pieces[-1][1], np.generic) and pieces[-1][1] == first:
                pieces[-1] = (pieces[-1][0] + block.size, first)
            else:
                pieces.append((block.size, first))
    arrays: dict[str, NDArray[np.generic]] = {}
    constants: dict[str, np.generic] = {}
    for name in list(gathered):
        pieces = gathered.pop(name)
        value = pieces[0][1]
        if len(pieces) == 1 and isinstance(value, np.generic):
            constants[name] = value
        else:
            arrays[name] = np.concatenate([np.broadcast_to(value, size) for size, value in pieces])
    return Columns(rows, arrays, constants, memory.columns(rows))


_Piece = tuple[int, NDArray[np.generic] | np.generic]
"""So many rows: their values, or the one that they all have."""


class _MemoryOfPart:
    """Gathers the memory of the records that pass through, by row of the part."""

    def __init__(self, paths: PathArguments) -> None:
        self._paths = paths
        self._found: dict[str, list[tuple[NDArray[np.int64], list[bytes]]]] = {"memory": [], "pathname": []}

    def operations(self, records: Iterable[Records]) -> Iterator[Batch]:
        """The operations of `records`; their memory is gathered on the way."""
        row = 0
        for each in records:
            if each.memory.size:
                for name, (rows, values) in (
                    ("memory", encoded(each.memory)),
                    ("pathname", pathnames(each, self._paths)),
                ):
                    self._found[name].append((rows + row, values))
            row += each.operations.size
            yield each.operations

    def columns(self, rows: int) -> dict[str, NDArray[np.object_]]:
        """`Columns.pieces` of a part of `rows` rows."""
        columns = {}
        for name, found in self._found.items():
            if not any(values for _, values in found):
                continue
            # Not None: DuckDB takes the type from the first values it sees.
            column = np.array([b"" if name == "memory" else NOT_READ] * rows, object)
            for where, values in found:
                column[where] = values
            columns[name] = column
        return columns
