"""SQL over a recording: one SELECT, that can read the recording and nothing else.

`uringtrace.tracer.recording.views` has the views. What a recorder that died did not
convert, or work out, is worked out here, and only when the statement asks for it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from uringtrace.errors import RecordingError, UsageError
from uringtrace.tracer.recording.derived import Derivation
from uringtrace.tracer.recording.interruption import interruptible
from uringtrace.tracer.recording.layout import (
    CONNECTIONS,
    OPERATIONS,
    READY,
    THREADS,
    part_path,
    result_path,
)
from uringtrace.tracer.recording.parts import connect, first_line, quoted, row_count, write_parts
from uringtrace.tracer.recording.tables import PART_TABLES, RESULT_TABLES
from uringtrace.tracer.recording.views import Sources, create_views

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
    "SET parquet_metadata_cache = true",
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
            while rows := interruptible(self._cursor, lambda: self._cursor.fetchmany(_FETCH_ROWS)):
                yield from rows
        except duckdb.Error as error:
            raise UsageError(f"SQL: {first_line(error)}") from None


@contextmanager
def run(recording: Recording, sql: str) -> Iterator[Result]:
    """Run one SELECT. Raises UsageError for SQL that is wrong or does more than read."""
    with connect() as parser:
        statement = _one_select(parser, sql)
    with opened(recording, re.findall(r"\w+", sql.lower())) as connection:
        try:
            interruptible(connection, lambda: connection.execute(statement))
        except duckdb.Error as error:
            raise UsageError(f"SQL: {first_line(error)}") from None
        description = connection.description or []
        yield Result(
            tuple(column[0] for column in description),
            tuple(str(column[1]) in _NUMBERS for column in description),
            connection,
        )


@contextmanager
def opened(
    recording: Recording,
    tables: Iterable[str],
    *,
    prepare: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
    writable: Sequence[Path] = (),
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the views, that reaches nothing but the recording; for several questions.

    Of `tables` only those that are named, and always `operations`, are sure to have their rows.
    `prepare` may add to it before it is confined; of files only `writable` can be written.
    Raises RecordingError where the journal cannot be converted.
    """
    with tempfile.TemporaryDirectory(prefix="uringtrace-") as folder, connect() as connection:
        try:
            sources = _sources(connection, recording, frozenset(tables), Path(folder))
        except OSError as error:
            raise RecordingError(f"cannot convert the journal in {folder}: {error.strerror}") from None
        except duckdb.Error as error:
            raise RecordingError(f"cannot convert the journal in {folder}: {first_line(error)}") from None
        create_views(connection, recording, sources)
        if prepare is not None:
            prepare(connection)
        _confine(connection, [*sources.paths, *writable], folder)
        yield connection


def check_select(sql: str) -> None:
    """Raise UsageError unless `sql` is one SELECT; names in it are not looked up."""
    with connect() as parser:
        _one_select(parser, sql)


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


def _sources(
    connection: duckdb.DuckDBPyConnection, recording: Recording, named: frozenset[str], folder: Path
) -> Sources:
    """Where the tables are that the statement names; `operations` counts as named always."""
    sources = Sources()
    sources.parts[OPERATIONS] = [part_path(recording.path, number) for number in recording.parts]
    for table in PART_TABLES:
        sources.parts[table.name] = recording.table_parts(table.name) if table.name in named else []
    for name in RESULT_TABLES:
        path = result_path(recording.path, name)
        if name in named and _is_readable(connection, path):
            sources.results[name] = path
    missing = named & {CONNECTIONS, THREADS} - sources.results.keys()
    if recording.segments or missing:
        follow = bool(missing) or READY in named
        _add_recovered(connection, recording, folder, sources, follow=follow)
    return sources


def _is_readable(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """Whether the recorder came to write this; the answer is also no for a damaged file."""
    if not path.exists():
        return False
    try:
        row_count(connection, path)
    except RecordingError:
        return False
    return True


def _add_recovered(
    connection: duckdb.DuckDBPyConnection,
    recording: Recording,
    folder: Path,
    sources: Sources,
    *,
    follow: bool,
) -> None:
    """The journal that is not in parts, as parts in a temporary folder.

    With `follow` everything before it is read too, and `sources` gets the results that the
    recorder has not left.
    """
    derivation = Derivation(recording.context, recording.interests, recording.open_sockets)
    if not follow:
        derivation.break_off()
    files = recording.files
    for number in sorted((*recording.parts, *recording.segments)):
        if number in recording.segments:
            records = recording.segment_records(number)
            rows = ((each, derivation.add(each, files)) for each in records)
            write_parts(connection, folder, number, rows, recording.context.operation_names)
            for table, parts in sources.parts.items():
                if (path := part_path(folder, number, table)).exists():
                    parts.append(path)
        elif follow:
            for each in recording.part_records(number):
                derivation.add(each, files)
    if follow:
        found = derivation.results(files, recording.threads, recording.open_sockets)
        sources.computed = {name: rows for name, rows in found.items() if name not in sources.results}


def _confine(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], folder: str) -> None:
    """Leave the statement nothing but these files, and room to spill in `folder`."""
    connection.execute(f"SET temp_directory = {quoted(folder)}")
    listed = ", ".join(quoted(str(path)) for path in files)
    connection.execute(f"SET allowed_paths = [{listed}]")
    for limit in _LIMITS:
        connection.execute(limit)
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
