"""SQL over a recording: one SELECT, that can read the recording and nothing else.

Views: `operations` (every column of the parts), `files`, `rings`, `meta` (one row);
macro `wall_time(ns)`: the TIMESTAMP (UTC, microseconds) of a `…_ns` column.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from uringtrace.errors import RecordingError, UsageError
from uringtrace.tracer.recording.columns import COLUMNS
from uringtrace.tracer.recording.layout import part_path
from uringtrace.tracer.recording.parts import connect, first_line, quoted, write_part
from uringtrace.tracer.source import File, Ring

if TYPE_CHECKING:
    from uringtrace.tracer.recording.reader import Recording

_FETCH_ROWS = 4096

_NUMBERS = {"INTEGER", "UINTEGER", "FLOAT", "DOUBLE"}.union(
    f"{sign}{type}INT" for sign in ("", "U") for type in ("TINY", "SMALL", "BIG", "HUGE")
)

_LIMITS = (
    "RESET threads",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET memory_limit = '1GB'",
)


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to a query; valid inside the `with` that gave it."""

    names: tuple[str, ...]
    numeric: tuple[bool, ...]
    """Which columns are numbers, for alignment."""
    _cursor: duckdb.DuckDBPyConnection

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Each row once, as Python values; NULL is None. Raises UsageError when SQL fails."""
        try:
            while rows := self._cursor.fetchmany(_FETCH_ROWS):
                yield from rows
        except duckdb.Error as error:
            raise UsageError(f"SQL: {first_line(error)}") from None


@contextmanager
def run(recording: Recording, sql: str) -> Iterator[Result]:
    """Run one SELECT. Raises UsageError for SQL that is wrong or does more than read."""
    with tempfile.TemporaryDirectory(prefix="uringtrace-") as folder, connect() as connection:
        statement = _one_select(connection, sql)
        files = [part_path(recording.path, number) for number in recording.parts]
        files += _recovered(connection, recording, Path(folder))
        _create_views(connection, recording, sorted(files, key=lambda path: path.name))
        _confine(connection, files, folder)
        try:
            connection.execute(statement)
        except duckdb.Error as error:
            raise UsageError(f"SQL: {first_line(error)}") from None
        description = connection.description or []
        yield Result(
            tuple(column[0] for column in description),
            tuple(str(column[1]) in _NUMBERS for column in description),
            connection,
        )


def _one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise UsageError(f"SQL: {first_line(error)}") from None
    if len(statements) != 1:
        raise UsageError(f"SQL: give one statement, not {len(statements)}")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        raise UsageError(f"SQL: a recording can only be read, with SELECT; this is {kind}")
    return statements[0]


def _recovered(connection: duckdb.DuckDBPyConnection, recording: Recording, folder: Path) -> list[Path]:
    """The journal that is not in parts, as parts in a temporary folder."""
    parts = []
    for number in recording.segments:
        part = part_path(folder, number)
        try:
            batches = recording.segment_batches(number)
            if write_part(connection, part, batches, recording.context.operation_names):
                parts.append(part)
        except OSError as error:
            raise RecordingError(f"cannot convert the journal in {folder}: {error.strerror}") from None
        except duckdb.Error as error:
            raise RecordingError(f"cannot convert the journal in {folder}: {first_line(error)}") from None
    return parts


def _create_views(connection: duckdb.DuckDBPyConnection, recording: Recording, files: Sequence[Path]) -> None:
    if files:
        listed = ", ".join(quoted(str(path)) for path in files)
        connection.execute(f"CREATE VIEW operations AS SELECT * FROM read_parquet([{listed}])")
    else:
        columns = ", ".join(f"{column.name} {column.type}" for column in COLUMNS)
        connection.execute(f"CREATE TABLE operations ({columns})")
    file_types = {"file": "INTEGER", "description": "VARCHAR", "device": "UBIGINT", "inode": "UBIGINT"}
    ring_types = {field.name: "BIGINT" for field in fields(Ring)}
    _create_table(connection, "files", file_types, [_values(file) for file in recording.files.values()])
    _create_table(connection, "rings", ring_types, [_values(ring) for ring in recording.rings])
    context, losses = recording.context, recording.losses
    meta: dict[str, tuple[str, Any]] = {
        "status": ("VARCHAR", recording.status),
        "kernel": ("VARCHAR", context.kernel),
        "machine": ("VARCHAR", context.machine),
        "target": ("VARCHAR", context.target),
        "command": ("VARCHAR", " ".join(context.command)),
        "started_ns": ("BIGINT", context.started_ns),
        "started_unix_ns": ("BIGINT", context.started_unix_ns),
        "ended_ns": ("BIGINT", recording.ended_ns),
        "lost": ("BIGINT", losses.total_lost),
        "untracked": ("BIGINT", losses.untracked),
    }
    types = {name: type for name, (type, _) in meta.items()}
    _create_table(connection, "meta", types, [tuple(value for _, value in meta.values())])
    offset = context.started_unix_ns - context.started_ns
    connection.execute(f"CREATE MACRO wall_time(ns) AS make_timestamp((ns + {offset}) // 1000)")


def _values(record: File | Ring) -> tuple[Any, ...]:
    return tuple(getattr(record, field.name) for field in fields(record))


def _create_table(
    connection: duckdb.DuckDBPyConnection, name: str, types: dict[str, str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """A table by its columns at once: rows one by one take a millisecond each."""
    columns = ", ".join(f"{column} {type}" for column, type in types.items())
    connection.execute(f"CREATE TABLE {name} ({columns})")
    if rows:
        cells = np.array(rows, object)
        values = {column: cells[:, position] for position, column in enumerate(types)}
        connection.register("given", values)
        connection.execute(f"INSERT INTO {name} SELECT * FROM given")
        connection.unregister("given")


def _confine(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], folder: str) -> None:
    """Leave the statement nothing but these files, and room to spill in `folder`."""
    connection.execute(f"SET temp_directory = {quoted(folder)}")
    listed = ", ".join(quoted(str(path)) for path in files)
    connection.execute(f"SET allowed_paths = [{listed}]")
    for limit in _LIMITS:
        connection.execute(limit)
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
