"""Parquet parts through DuckDB: from batches to a file and back.

A part is one file of at most a journal segment's rows, compressed with zstd, in row
groups of about 120,000 rows. It appears under its name whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from uringtrace.errors import RecordingError
from uringtrace.tracer.record import Batch
from uringtrace.tracer.recording.columns import batch_from_arrays, columns_of, select_from, select_to_batch
from uringtrace.tracer.recording.layout import partial_path

# Version 2 pages hold timestamps as differences: a third smaller and a quarter
# faster to write than version 1. A dictionary for values that all differ is wasted.
_OPTIONS = "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, DICTIONARY_SIZE_LIMIT 8192"

_MEMORY_LIMIT = "128MB"
"""For DuckDB alone; writing a part needs about a third of it."""


def connect() -> duckdb.DuckDBPyConnection:
    """An empty in-memory database of one thread that keeps the order of rows."""
    return duckdb.connect(":memory:", config={"threads": 1, "memory_limit": _MEMORY_LIMIT})


def quoted(text: str) -> str:
    """A string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def write_part(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    batches: Iterable[Batch],
    operation_names: Mapping[int, str],
) -> int:
    """Write all rows of `batches` to one part; returns how many. None: no file.

    There is no fsync(2) here: on ext4 it would make the drain wait for the disk, and
    records would be lost. Raises OSError or duckdb.Error, and leaves no partial file.
    """
    columns = columns_of(batches)
    if columns.rows == 0:
        return 0
    # A table of constants alone has no rows to count: one array is always there.
    arrays = {"completed_ns": columns.array("completed_ns"), **columns.arrays}
    partial = partial_path(path)
    connection.register("batch", arrays)
    try:
        select = f"SELECT {select_from(columns, operation_names)} FROM batch"
        connection.execute(f"COPY ({select}) TO {quoted(str(partial))} ({_OPTIONS})")
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        connection.unregister("batch")
    return columns.rows


def read_part(connection: duckdb.DuckDBPyConnection, path: Path) -> Batch:
    """All rows of a part, in order. Raises RecordingError when it is damaged or gone."""
    try:
        select = f"SELECT {select_to_batch()} FROM read_parquet({quoted(str(path))})"
        return batch_from_arrays(connection.execute(select).fetchnumpy())
    except duckdb.Error as error:
        raise RecordingError(f"{path.name} is damaged: {first_line(error)}") from None


def row_count(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Rows of a part by its footer. Raises RecordingError when that cannot be read."""
    try:
        select = f"SELECT num_rows FROM parquet_file_metadata({quoted(str(path))})"
        row = connection.execute(select).fetchone()
    except duckdb.Error as error:
        raise RecordingError(f"{path.name} is damaged: {first_line(error)}") from None
    return int(row[0]) if row else 0


def first_line(error: duckdb.Error) -> str:
    """DuckDB's message without the excerpt of the statement that follows it."""
    return str(error).strip().split("\n", 1)[0]
