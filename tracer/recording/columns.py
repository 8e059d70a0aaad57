"""The columns of a part of operations, and the SQL that makes them from a batch and back.

A value that was not observed, or that the row's interface does not have, is NULL, never
a 0 that could be taken for one. Going to Parquet and back gives the same batch, byte for
byte.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.record import (
    CQE_F_NOTIF,
    FIRST_CALL,
    OPERATION,
    UNKNOWN_OPCODE,
    Batch,
    Kind,
    Wake,
)

KINDS = tuple(kind.name for kind in Kind)
INTERFACES = ("io_uring", "syscall")
PATHS = ("inline", "poll", "io-wq")
WAKES = tuple(wake.name.lower() for wake in Wake if wake)

_INTERNAL_ERRORS = {
    512: "ERESTARTSYS",
    513: "ERESTARTNOINTR",
    514: "ERESTARTNOHAND",
    516: "ERESTART_RESTARTBLOCK",
}
"""What a call that a signal interrupted returns inside the kernel (include/linux/errno.h)."""

ERRORS = {**errno.errorcode, **_INTERNAL_ERRORS}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a part."""

    name: str
    type: str
    """DuckDB's name of the type; ENUM columns read back as VARCHAR."""
    expression: str
    """SQL in which {field} stands for a field of OPERATION, {is_call} for the interface,
    {…_name} for the name that the row has of such."""
    of_calls: bool = False
    """NULL in all rows of io_uring: not written where system calls are not recorded."""


def _unless_zero(name: str, type: str) -> Column:
    return Column(name, type, f"NULLIF({{{name}}}, 0)")


def _plain(name: str, type: str) -> Column:
    return Column(name, type, f"{{{name}}}")


def _of_rings(name: str, type: str, field: str = "") -> Column:
    return Column(name, type, f"CASE WHEN NOT {{is_call}} THEN {{{field or name}}} END")


def _argument(name: str, type: str) -> Column:
    return Column(name, type, f"CASE WHEN {{has_arguments}} AND NOT {{is_call}} THEN {{{name}}} END")


def _of_calls(column: Column) -> Column:
    return replace(column, of_calls=True)


def _call_argument(name: str) -> Column:
    return _of_calls(
        Column(name, "UBIGINT", f"CASE WHEN {{has_arguments}} AND {{is_call}} THEN {{{name}}} END")
    )


def _of_waker(name: str, type: str) -> Column:
    return _of_calls(Column(name, type, f"CASE WHEN {{waker_opcode}} <> 0 THEN {{{name}}} END"))


def _numbers(*kinds: Kind) -> str:
    return ", ".join(str(kind.value) for kind in kinds)


def _named(name: str) -> Column:
    return Column(name, "VARCHAR", f"{{{name}_name}}")


_WITHOUT_SUBMISSION = _numbers(Kind.UNTRACKED, Kind.MESSAGE)

COLUMNS = (
    _unless_zero("submitted_ns", "BIGINT"),
    _plain("completed_ns", "BIGINT"),
    Column(
        "latency_ns",
        "BIGINT",
        f"CASE WHEN {{submitted_ns}} <> 0 AND {{kind}} = {Kind.COMPLETION.value} AND {{sequence}} = 0 "
        f"AND {{cqe_flags}} & {CQE_F_NOTIF} = 0 THEN {{completed_ns}} - {{submitted_ns}} END",
    ),
    Column("interface", "VARCHAR", "{interface_name}"),
    _named("operation"),
    _named("kind"),
    _named("path"),
    Column(
        "result",
        "BIGINT",
        f"CASE WHEN NOT ({{kind}} IN ({_numbers(Kind.SILENT, Kind.UNFINISHED)}) AND {{result}} = 0) "
        "THEN {result} END",
    ),
    _named("error"),
    _of_calls(Column("pathname", "VARCHAR", "{pathname}")),
    _of_rings("user_data", "UBIGINT"),
    _of_rings("ring", "INTEGER"),
    _unless_zero("tgid", "INTEGER"),
    _unless_zero("tid", "INTEGER"),
    Column(
        "fd",
        "INTEGER",
        # Where the submission was not seen, -1 is not what the application wrote.
        "CASE WHEN {fd} <> -1 OR NOT ({is_call} OR {submitted_ns} = 0) THEN {fd} END",
    ),
    _unless_zero("file", "INTEGER"),
    _of_calls(_unless_zero("second_file", "INTEGER")),
    _unless_zero("result_file", "INTEGER"),
    _of_calls(Column("slept", "BOOLEAN", "CASE WHEN {is_call} THEN {slept} END")),
    _of_calls(_named("wake")),
    _of_calls(_unless_zero("woken_ns", "BIGINT")),
    _of_calls(_unless_zero("wakes", "USMALLINT")),
    _of_calls(_unless_zero("waker", "INTEGER")),
    _of_calls(_named("waker_operation")),
    _of_waker("waker_file", "INTEGER"),
    _of_waker("waker_argument", "UBIGINT"),
    _of_calls(_unless_zero("woke", "INTEGER")),
    _of_calls(_unless_zero("woke_count", "USMALLINT")),
    _unless_zero("sequence", "INTEGER"),
    _unless_zero("previous_ns", "BIGINT"),
    _unless_zero("chain", "BIGINT"),
    Column("chain_position", "USMALLINT", "CASE WHEN {chain} <> 0 THEN {chain_position} END"),
    _of_calls(
        Column(
            "number",
            "USMALLINT",
            f"CASE WHEN {{is_call}} THEN CAST({{opcode}} - {FIRST_CALL} AS USMALLINT) END",
        )
    ),
    *(_call_argument(f"arg{number}") for number in range(6)),
    _of_calls(
        Column(
            "waker_number",
            "USMALLINT",
            f"CASE WHEN {{waker_opcode}} <> 0 THEN CAST({{waker_opcode}} - {FIRST_CALL} AS USMALLINT) END",
        )
    ),
    Column("opcode", "USMALLINT", f"CASE WHEN {{opcode}} < {UNKNOWN_OPCODE} THEN {{opcode}} END"),
    _of_rings("path_bits", "UTINYINT", "path"),
    _of_rings("cqe_flags", "UINTEGER"),
    Column(
        "sqe_flags",
        "UTINYINT",
        f"CASE WHEN NOT ({{is_call}} OR {{kind}} IN ({_WITHOUT_SUBMISSION}) AND {{sqe_flags}} = 0) "
        "THEN {sqe_flags} END",
    ),
    _argument("len", "UINTEGER"),
    _argument("off", "UBIGINT"),
    _argument("addr", "UBIGINT"),
    _argument("addr3", "UBIGINT"),
    _argument("op_flags", "UINTEGER"),
    _argument("file_index", "UINTEGER"),
    _argument("ioprio", "USMALLINT"),
    _argument("buf_index", "USMALLINT"),
    _argument("personality", "USMALLINT"),
    _of_calls(Column("memory", "BLOB", "NULLIF({memory}, CAST('' AS BLOB))")),
)
"""In the order of the file: what a person asks for first comes first."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows of one part by field: an array where values differ, else the one value."""

    rows: int
    arrays: Mapping[str, NDArray[np.generic]]
    """Each of shape (rows,)."""
    constants: Mapping[str, np.generic]
    pieces: Mapping[str, NDArray[np.object_]]
    """`memory` and `pathname` where there is any: bytes of each row, shape (rows,); of those
    without, memory is empty and the path NOT_READ."""

    @property
    def has_calls(self) -> bool:
        """Whether any row is a system call, or has what only calls have."""
        return bool(self.pieces) or "is_call" in self.arrays or bool(self.constants["is_call"])

    def values(self, name: str) -> NDArray[np.generic] | np.generic:
        """The values of a field, shape (rows,), or the one that all rows have."""
        return self.arrays[name] if name in self.arrays else self.constants[name]

    def array(self, name: str) -> NDArray[np.generic]:
        """The values of a field, shape (rows,), also where they are all one."""
        values = self.values(name)
        return values if isinstance(values, np.ndarray) else np.full(self.rows, values)


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


def names_list(names: Iterable[str]) -> str:
    """SQL of a list of names that share one ENUM."""
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f"CAST([{quoted}] AS ENUM({quoted})[])"


def operation_name(opcode: int, operation_names: Mapping[int, str]) -> str:
    """The name of an opcode, also of one that has none."""
    unnamed = f"OPCODE_{opcode}" if opcode < FIRST_CALL else f"syscall_{opcode - FIRST_CALL}"
    return operation_names.get(opcode, unnamed)


@dataclass(frozen=True, slots=True)
class Selection:
    """A SELECT list and the arrays, each of shape (rows,), of the table that it is over."""

    select: str
    arrays: Mapping[str, NDArray[np.generic]]


def selection_of(columns: Columns, operation_names: Mapping[int, str], *, calls: bool) -> Selection:
    """What makes COLUMNS; without `calls` those of system calls only when there are any all the same."""
    calls = calls or columns.has_calls
    arrays: dict[str, NDArray[np.generic]] = {**columns.arrays, **columns.pieces}
    terms = {name: _literal(value) for name, value in columns.constants.items()}
    terms |= {name: name for name in arrays}
    terms["memory"] = "memory" if "memory" in arrays else "CAST(NULL AS BLOB)"
    terms["pathname"] = _PATHNAME if "pathname" in arrays else "CAST(NULL AS ENUM(''))"
    named: dict[str, tuple[Sequence[str], NDArray[np.generic] | np.generic]] = {
        name: (names, columns.values(field)) for name, (field, names) in _NAMED.items()
    }
    for name, field, absent in (
        ("operation", "opcode", UNKNOWN_OPCODE),
        ("waker_operation", "waker_opcode", 0),
    ):
        named[name] = _used_names(columns.values(field), absent, operation_names)
    for name, (names, code) in named.items():
        if isinstance(code, np.ndarray):
            arrays[f"{name}_code"] = code
            terms[f"{name}_name"] = f"list_extract({names_list(names)}, {name}_code)"
        else:
            # An ENUM also here: text costs several times as much to write.
            chosen = names_list([names[int(code) - 1] if code else ""])
            terms[f"{name}_name"] = f"list_extract({chosen}, {int(bool(code))})"
    if not arrays:
        # A table of constants alone has no rows to count.
        arrays["completed_ns"] = columns.array("completed_ns")
    written = [column for column in COLUMNS if calls or not column.of_calls]
    select = ", ".join(f"{column.expression.format(**terms)} AS {column.name}" for column in written)
    return Selection(select, arrays)


# What is not UTF-8 is shown as DuckDB shows bytes: with \\xFF escapes.
_PATHNAME = (
    "CASE WHEN pathname <> CAST('\\x00' AS BLOB) "
    "THEN COALESCE(TRY(decode(pathname)), CAST(pathname AS VARCHAR)) END"
)

_NAMED = {
    "interface": ("interface_code", INTERFACES),
    "kind": ("kind", KINDS),
    "path": ("path_code", PATHS),
    "error": ("error_code", tuple(ERRORS[number] for number in sorted(ERRORS))),
    "wake": ("wake", WAKES),
}
"""Columns that are names: the field with the position, from 1, 0: none, and the names."""


def _used_names(
    opcodes: NDArray[np.generic] | np.generic, absent: int, operation_names: Mapping[int, str]
) -> tuple[Sequence[str], NDArray[np.generic] | np.generic]:
    """The names of the opcodes that occur, and each row's position among them, or that of all rows."""
    if not isinstance(opcodes, np.ndarray):
        return [operation_name(int(opcodes), operation_names)], np.uint8(opcodes != absent)
    used = np.bincount(opcodes, minlength=absent + 1) > 0
    used[absent] = False
    codes = np.where(used, np.cumsum(used), 0).astype(np.uint16)
    names = [operation_name(opcode, operation_names) for opcode in np.flatnonzero(used).tolist()]
    return names, codes[opcodes]


def stored_columns(present: Collection[str]) -> str:
    """SELECT list that gives COLUMNS from parts that have the columns `present` only."""
    return ", ".join(
        column.name
        if column.name in present
        else f"{_WHERE_ABSENT.get(column.name, 'NULL')}::{column.type} AS {column.name}"
        for column in COLUMNS
    )


_WHERE_ABSENT = {"interface": "'io_uring'"}
"""What a column holds that schema 1 does not have, where that is not NULL."""


def select_to_batch() -> str:
    """SELECT list over COLUMNS that gives every field of OPERATION as an integer."""
    kinds = " ".join(f"WHEN '{kind.name}' THEN {kind.value}" for kind in Kind)
    wakes = " ".join(f"WHEN '{name}' THEN {Wake[name.upper()].value}" for name in WAKES)
    special = {
        "kind": f"CAST(CASE kind {kinds} END AS UTINYINT)",
        "path": "COALESCE(path_bits, 0)",
        "fd": "COALESCE(fd, -1)",
        "opcode": f"CAST(COALESCE(number + {FIRST_CALL}, opcode, {UNKNOWN_OPCODE}) AS USMALLINT)",
        "has_arguments": "len IS NOT NULL OR arg0 IS NOT NULL",
        "wake": f"CAST(CASE wake {wakes} ELSE 0 END AS UTINYINT)",
        "waker_opcode": f"CAST(COALESCE(waker_number + {FIRST_CALL}, 0) AS USMALLINT)",
        "slept": "COALESCE(slept, false)",
    }
    names = OPERATION.names or ()
    return ", ".join(f"{special.get(name, f'COALESCE({name}, 0)')} AS {name}" for name in names)


def batch_from_arrays(columns: Mapping[str, NDArray[np.generic]]) -> Batch:
    """The batch of which `columns` has every field, each of shape (n,)."""
    batch = np.zeros(len(columns["kind"]), OPERATION)
    for name in OPERATION.names or ():
        batch[name] = columns[name].astype(OPERATION[name], copy=False)
    return batch
