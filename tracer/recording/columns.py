"""The columns of a Parquet part, and the SQL that makes them from a batch and back.

A value that was not observed is NULL, never a 0 that could be taken for one. Going
to Parquet and back gives the same batch, byte for byte.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.record import CQE_F_NOTIF, OPERATION, UNKNOWN_OPCODE, Batch, Kind, Path

KINDS = tuple(kind.name for kind in Kind)
PATHS = ("inline", "poll", "io-wq")
ERRORS = tuple(errno.errorcode[number] for number in sorted(errno.errorcode))


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a part."""

    name: str
    type: str
    """DuckDB's name of the type; ENUM columns read back as VARCHAR."""
    expression: str
    """SQL in which {field} stands for a field of OPERATION, {…_code} for a position, from
    1, in the list {…_names}."""


def _unless_zero(name: str, type: str) -> Column:
    return Column(name, type, f"NULLIF({{{name}}}, 0)")


def _plain(name: str, type: str) -> Column:
    return Column(name, type, f"{{{name}}}")


def _argument(name: str, type: str) -> Column:
    return Column(name, type, f"CASE WHEN {{has_arguments}} THEN {{{name}}} END")


def _seen_unless(name: str, type: str, *kinds: Kind, absent: int = 0) -> Column:
    numbers = ", ".join(str(kind.value) for kind in kinds)
    seen = f"NOT ({{kind}} IN ({numbers}) AND {{{name}}} = {absent})"
    return Column(name, type, f"CASE WHEN {seen} THEN {{{name}}} END")


def _named(name: str) -> Column:
    return Column(name, "VARCHAR", f"list_extract({{{name}_names}}, {{{name}_code}})")


COLUMNS = (
    _unless_zero("submitted_ns", "BIGINT"),
    _plain("completed_ns", "BIGINT"),
    Column(
        "latency_ns",
        "BIGINT",
        f"CASE WHEN {{submitted_ns}} <> 0 AND {{kind}} = {Kind.COMPLETION.value} AND {{sequence}} = 0 "
        f"AND {{cqe_flags}} & {CQE_F_NOTIF} = 0 THEN {{completed_ns}} - {{submitted_ns}} END",
    ),
    _named("operation"),
    _named("kind"),
    _named("path"),
    _seen_unless("result", "BIGINT", Kind.SILENT, Kind.UNFINISHED),
    _named("error"),
    _plain("user_data", "UBIGINT"),
    _plain("ring", "INTEGER"),
    _unless_zero("tgid", "INTEGER"),
    _unless_zero("tid", "INTEGER"),
    _seen_unless("fd", "INTEGER", Kind.UNTRACKED, Kind.MESSAGE, absent=-1),
    _unless_zero("file", "INTEGER"),
    _unless_zero("sequence", "INTEGER"),
    _unless_zero("previous_ns", "BIGINT"),
    _unless_zero("chain", "BIGINT"),
    Column("chain_position", "USMALLINT", "CASE WHEN {chain} <> 0 THEN {chain_position} END"),
    Column("opcode", "USMALLINT", f"NULLIF({{opcode}}, {UNKNOWN_OPCODE})"),
    Column("path_bits", "UTINYINT", "{path}"),
    _plain("cqe_flags", "UINTEGER"),
    _seen_unless("sqe_flags", "UTINYINT", Kind.UNTRACKED, Kind.MESSAGE),
    _argument("len", "UINTEGER"),
    _argument("off", "UBIGINT"),
    _argument("addr", "UBIGINT"),
    _argument("addr3", "UBIGINT"),
    _argument("op_flags", "UINTEGER"),
    _argument("file_index", "UINTEGER"),
    _argument("ioprio", "USMALLINT"),
    _argument("buf_index", "USMALLINT"),
    _argument("personality", "USMALLINT"),
)
"""In the order of the file: what a person asks for first comes first."""

_SIGNED = frozenset(
    ("submitted_ns", "completed_ns", "previous_ns", "chain", "ring", "tgid", "tid", "file", "sequence")
)
"""Fields stored as signed of the same width, so that SQL can subtract them. The
kernel's clock, pids and our numbers stay below half their range."""

_BLOCK_ROWS = 8192
"""Rows turned into columns at once: few enough to stay in the processor's cache."""


def _path_codes() -> NDArray[np.uint8]:
    bits = np.arange(256)
    return np.where(bits & Path.IO_WQ, 3, np.where(bits & Path.POLL, 2, 1)).astype(np.uint8)


def _error_codes() -> NDArray[np.uint8]:
    codes = np.zeros(4097, np.uint8)
    for position, number in enumerate(sorted(errno.errorcode), start=1):
        codes[number] = position
    return codes


_PATH_CODES = _path_codes()
_ERROR_CODES = _error_codes()


def _blocks(batches: Iterable[Batch]) -> Iterable[Batch]:
    """The same rows in the same order, in batches of about _BLOCK_ROWS."""
    waiting: list[Batch] = []
    rows = 0
    for batch in batches:
        for start in range(0, batch.size, _BLOCK_ROWS):
            piece = batch[start : start + _BLOCK_ROWS]
            waiting.append(piece)
            rows += piece.size
            if rows >= _BLOCK_ROWS:
                yield piece if len(waiting) == 1 else np.concatenate(waiting)
                waiting, rows = [], 0
    if waiting:
        yield np.concatenate(waiting)


def _fields(block: Batch) -> Iterable[tuple[str, NDArray[np.generic]]]:
    """Every field, and the codes of the columns that are names; 0 where there is none."""
    for name in OPERATION.names or ():
        field = block[name]
        yield name, field.view(f"<i{field.itemsize}") if name in _SIGNED else field
    kind = block["kind"]
    without_submission = (kind == Kind.UNTRACKED) | (kind == Kind.MESSAGE)
    result = block["result"]
    opcode = block["opcode"]
    yield "kind_code", kind
    yield "path_code", np.where(without_submission, np.uint8(0), _PATH_CODES[block["path"]])
    yield "error_code", _ERROR_CODES[np.where((result < 0) & (result > -4096), -result, 0)]
    yield "operation_code", np.where(opcode == UNKNOWN_OPCODE, 0, opcode + np.uint16(1))


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows of one part by field: an array where values differ, else the one value."""

    rows: int
    arrays: Mapping[str, NDArray[np.generic]]
    """Each of shape (rows,)."""
    constants: Mapping[str, np.generic]

    def array(self, name: str) -> NDArray[np.generic]:
        """The values of a field, shape (rows,), also where they are all one."""
        return self.arrays[name] if name in self.arrays else np.full(self.rows, self.constants[name])


def columns_of(batches: Iterable[Batch]) -> Columns:
    """All rows of `batches`, in order, by field.

    Most fields of most captures have one value. Those take no memory and no time in
    DuckDB, which computes what depends on them alone once.
    """
    pieces: dict[str, list[NDArray[np.generic]]] = {}
    rows = 0
    for block in _blocks(batches):
        rows += block.size
        for name, field in _fields(block):
            same = (field == field[0]).all()
            piece = np.broadcast_to(field[0], field.shape) if same else np.ascontiguousarray(field)
            pieces.setdefault(name, []).append(piece)
    arrays: dict[str, NDArray[np.generic]] = {}
    constants: dict[str, np.generic] = {}
    for name in list(pieces):
        parts = pieces.pop(name)
        first = parts[0][0]
        if all(part.strides == (0,) and part[0] == first for part in parts):
            constants[name] = first
        else:
            arrays[name] = np.concatenate(parts)
    return Columns(rows, arrays, constants)


_SQL_TYPES = {
    "i8": "BIGINT",
    "i4": "INTEGER",
    "u8": "UBIGINT",
    "u4": "UINTEGER",
    "u2": "USMALLINT",
    "u1": "UTINYINT",
}


def _literal(value: np.generic) -> str:
    if value.dtype == np.bool_:
        return "true" if value else "false"
    return f"CAST({value.item()} AS {_SQL_TYPES[value.dtype.str[1:]]})"


def _names(names: Iterable[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f"CAST([{quoted}] AS ENUM({quoted})[])"


def select_from(columns: Columns, operation_names: Mapping[int, str]) -> str:
    """SELECT list that makes COLUMNS from a table with `columns.arrays`."""
    highest = int(columns.array("operation_code").max())
    operations = [operation_names.get(opcode, f"OPCODE_{opcode}") for opcode in range(max(highest, 1))]
    terms = {
        "operation_names": _names(operations),
        "kind_names": _names(KINDS),
        "path_names": _names(PATHS),
        "error_names": _names(ERRORS),
        **{name: name for name in columns.arrays},
        **{name: _literal(value) for name, value in columns.constants.items()},
    }
    return ", ".join(f"{column.expression.format(**terms)} AS {column.name}" for column in COLUMNS)


def select_to_batch() -> str:
    """SELECT list over COLUMNS that gives every field of OPERATION as an integer."""
    kinds = " ".join(f"WHEN '{kind.name}' THEN {kind.value}" for kind in Kind)
    special = {
        "kind": f"CAST(CASE kind {kinds} END AS UTINYINT)",
        "path": "path_bits",
        "fd": "COALESCE(fd, -1)",
        "opcode": f"CAST(COALESCE(opcode, {UNKNOWN_OPCODE}) AS USMALLINT)",
        "has_arguments": "len IS NOT NULL",
    }
    names = OPERATION.names or ()
    return ", ".join(f"{special.get(name, f'COALESCE({name}, 0)')} AS {name}" for name in names)


def batch_from_arrays(columns: Mapping[str, NDArray[np.generic]]) -> Batch:
    """The batch of which `columns` has every field, each of shape (n,)."""
    batch = np.zeros(len(columns["kind"]), OPERATION)
    for name in OPERATION.names or ():
        batch[name] = columns[name].astype(OPERATION[name], copy=False)
    return batch
