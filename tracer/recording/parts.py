"""Parquet parts through DuckDB: from records to files and back.

The parts of a segment are compressed with zstd, in row groups of 65,536 rows. Each
appears under its name whole or not at all, that of the operations last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from uringtrace.errors import RecordingError
from uringtrace.tracer.recording.columns import (
    COLUMNS,
    batch_from_arrays,
    select_to_batch,
    selection_of,
    stored_columns,
)
from uringtrace.tracer.recording.fields import columns_of
from uringtrace.tracer.recording.layout import part_path, partial_path, result_path
from uringtrace.tracer.recording.memory import decoded
from uringtrace.tracer.recording.metadata import Part
from uringtrace.tracer.recording.pathnames import path_arguments
from uringtrace.tracer.recording.tables import (
    PART_TABLES,
    RESULT_TABLES,
    SOCKET_EVENT_SELECT,
    Table,
    concatenated,
    signed,
)
from uringtrace.tracer.records import SOCKET_EVENT, Records

# Version 2 pages hold timestamps as differences: a third smaller and a quarter
# faster to write than version 1. A dictionary for values that all differ is wasted.
# A row group is in memory as a whole before it is written.
_OPTIONS = (
    "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, DICTIONARY_SIZE_LIMIT 8192, ROW_GROUP_SIZE 65536"
)

_MEMORY_LIMIT = "128MB"
"""For DuckDB alone; writing a part needs about a third of it."""

Rows = Mapping[str, NDArray[np.void]]
"""Rows of the tables beside the operations, by table name."""


def connect() -> duckdb.DuckDBPyConnection:
    """An empty in-memory database of one thread that keeps the order of rows."""
    return duckdb.connect(":memory:", config={"threads": 1, "memory_limit": _MEMORY_LIMIT})


def quoted(text: str) -> str:
    """A string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def write_parts(
    connection: duckdb.DuckDBPyConnection,
    directory: Path,
    number: int,
    records: Iterable[tuple[Records, Rows]],
    operation_names: Mapping[int, str],
    *,
    calls: bool = True,
) -> Part:
    """Write the parts of one segment. Without any rows there is no file.

    Without `calls`, which all parts of a recording have in common, there are no columns for
    system calls.

    There is no fsync(2) here: on ext4 it would make the drain wait for the disk, and
    records would be lost. Raises OSError or duckdb.Error, and leaves no partial file.
    """
    beside: dict[str, list[NDArray[np.void]]] = {table.name: [] for table in PART_TABLES}

    def operations() -> Iterator[Records]:
        for each, rows in records:
            for name, found in rows.items():
                if found.size:
                    beside[name].append(found)
            yield each

    columns = columns_of(operations(), path_arguments(operation_names))
    counts = {name: sum(part.size for part in parts) for name, parts in beside.items() if parts}
    paths = []
    for table in PART_TABLES:
        if table.name in counts:
            paths.append(part_path(directory, number, table.name))
            _write_table(connection, paths[-1], table, beside.pop(table.name), operation_names)
    if columns.rows or counts:
        paths.append(part_path(directory, number))
        if columns.rows:
            selection = selection_of(columns, operation_names, calls=calls)
            _write(connection, paths[-1], selection.select, selection.arrays)
        else:
            written = [column for column in COLUMNS if calls or not column.of_calls]
            nothing = ", ".join(f"CAST(NULL AS {column.type}) AS {column.name}" for column in written)
            _write(connection, paths[-1], nothing, {})
    return Part(number, columns.rows, sum(path.stat().st_size for path in paths), counts)


def _write_table(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    table: Table,
    parts: list[NDArray[np.void]],
    operation_names: Mapping[int, str],
) -> None:
    rows = concatenated(parts, table.dtype)
    lists, codes = table.codes(rows, operation_names)
    select = ", ".join(f"{column.expression.format(**lists)} AS {column.name}" for column in table.columns)
    _write(connection, path, select, {**signed(rows), **codes})


def _write(
    connection: duckdb.DuckDBPyConnection, path: Path, select: str, arrays: Mapping[str, NDArray[np.generic]]
) -> None:
    """Write `SELECT select` over the rows of `arrays`; without arrays there are no rows."""
    partial = partial_path(path)
    source = "FROM batch" if arrays else "WHERE false"
    if arrays:
        connection.register("batch", dict(arrays))
    try:
        connection.execute(f"COPY (SELECT {select} {source}) TO {quoted(str(partial))} ({_OPTIONS})")
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        if arrays:
            connection.unregister("batch")


def write_result(
    connection: duckdb.DuckDBPyConnection, directory: Path, table: str, rows: list[dict[str, Any]]
) -> int:
    """Write one of RESULT_TABLES; returns its size. Raises OSError or duckdb.Error."""
    path = result_path(directory, table)
    create_table(connection, "result", RESULT_TABLES[table], [tuple(row.values()) for row in rows])
    try:
        select = ", ".join(RESULT_TABLES[table])
        partial = partial_path(path)
        connection.execute(f"COPY (SELECT {select} FROM result) TO {quoted(str(partial))} ({_OPTIONS})")
        partial.rename(path)
    finally:
        connection.execute("DROP TABLE result")
    return path.stat().st_size


def create_table(
    connection: duckdb.DuckDBPyConnection, name: str, types: Mapping[str, str], rows: list[tuple[Any, ...]]
) -> None:
    """A table by its columns at once: rows one by one take a millisecond each."""
    columns = ", ".join(f"{column} {type}" for column, type in types.items())
    connection.execute(f"CREATE TABLE {name} ({columns})")
    if rows:
        values = {column: _cells(rows, position) for position, column in enumerate(types)}
        connection.register("given", values)
        # Cast one by one: a column without a value has no type of its own.
        cast = ", ".join(f"CAST({column} AS {type})" for column, type in types.items())
        connection.execute(f"INSERT INTO {name} SELECT {cast} FROM given")
        connection.unregister("given")


def _cells(rows: list[tuple[Any, ...]], position: int) -> NDArray[np.object_]:
    cells = np.empty(len(rows), object)
    for number, row in enumerate(rows):
        value = row[position]
        # What is not UTF-8 has lone surrogates, which SQL's text cannot hold.
        escaped = isinstance(value, str) and not value.isascii()
        cells[number] = value.encode("utf-8", "backslashreplace").decode() if escaped else value
    return cells


def read_part(connection: duckdb.DuckDBPyConnection, directory: Path, number: int) -> Records:
    """The operations of a segment with their memory, in order.

    Raises RecordingError when the part of the operations is damaged or gone.
    """
    path = part_path(directory, number)
    try:
        source = f"read_parquet({quoted(str(path))}, file_row_number = true)"
        stored = stored_columns(column_names(connection, source))
        arrays = connection.execute(f"SELECT {select_to_batch()} FROM (SELECT {stored} FROM {source})")
        operations = batch_from_arrays(arrays.fetchnumpy())
        memory = connection.execute(
            f"SELECT file_row_number AS row, memory FROM (SELECT {stored}, file_row_number FROM {source}) "
            "WHERE memory IS NOT NULL"
        ).fetchnumpy()
        pieces = decoded(memory["row"].astype(np.int64), [bytes(blob) for blob in memory["memory"]])
    except (duckdb.Error, ValueError) as error:
        raise RecordingError(f"{path.name} is damaged: {first_line(error)}") from None
    return Records(operations, pieces, np.zeros(0, SOCKET_EVENT))


def read_socket_events(connection: duckdb.DuckDBPyConnection, path: Path) -> NDArray[np.void]:
    """The rows of a part of socket events, dtype SOCKET_EVENT. Raises RecordingError when it is damaged."""
    try:
        select = f"SELECT {SOCKET_EVENT_SELECT} FROM read_parquet({quoted(str(path))})"
        columns = connection.execute(select).fetchnumpy()
    except duckdb.Error as error:
        raise RecordingError(f"{path.name} is damaged: {first_line(error)}") from None
    events = np.zeros(len(columns["ns"]), SOCKET_EVENT)
    for name in SOCKET_EVENT.names or ():
        events[name] = columns[name].astype(SOCKET_EVENT[name], copy=False)
    return events


def column_names(connection: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    """The columns of `source`, a table function of SQL. Raises duckdb.Error."""
    return [row[0] for row in connection.execute(f"DESCRIBE FROM {source}").fetchall()]


def row_count(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Rows of a part by its footer. Raises RecordingError when that cannot be read."""
    try:
        select = f"SELECT num_rows FROM parquet_file_metadata({quoted(str(path))})"
        row = connection.execute(select).fetchone()
    except duckdb.Error as error:
        raise RecordingError(f"{path.name} is damaged: {first_line(error)}") from None
    return int(row[0]) if row else 0


def first_line(error: Exception) -> str:
    """DuckDB's message without the excerpt of the statement that follows it."""
    return str(error).strip().split("\n", 1)[0]
