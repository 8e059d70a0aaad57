"""Which rows of a recording an export has, and as what: filters, conditions in SQL, pseudonyms.

The filter language works on records, SQL on tables. Both see the operations in one order, so a
filter becomes a table with one truth value for each row, beside them (POSITIONAL JOIN).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uringtrace.errors import RecordingError, UsageError
from uringtrace.tracer.filter import Condition, check_operations
from uringtrace.tracer.recording.columns import COLUMNS
from uringtrace.tracer.recording.layout import (
    CONNECTIONS,
    INTERESTS,
    OPERATIONS,
    READY,
    SOCKET_EVENTS,
    THREADS,
)
from uringtrace.tracer.recording.parts import quoted
from uringtrace.tracer.recording.query import check_select, opened
from uringtrace.tracer.recording.tables import PART_TABLES
from uringtrace.tracer.redaction import RAW_COLUMNS

if TYPE_CHECKING:
    import duckdb

    from uringtrace.tracer.filter import Expression
    from uringtrace.tracer.recording.reader import Recording
    from uringtrace.tracer.redaction import Pseudonyms

TABLES = (
    OPERATIONS,
    "completions",
    READY,
    INTERESTS,
    SOCKET_EVENTS,
    CONNECTIONS,
    THREADS,
    "files",
    "rings",
    "meta",
)
"""All views of a recording."""

CHOSEN = "chosen_operations"
"""View of the operations that pass the filter; all where there is none."""

_ADDRESSES = {"local": "address", "remote": "address"}
_NAMED: dict[str, dict[str, str]] = {
    OPERATIONS: {"pathname": "path"},
    "files": {"description": "description", **_ADDRESSES},
    CONNECTIONS: {**_ADDRESSES, "listener": "address"},
    THREADS: {"name": "name", "current_file": "description"},
}
"""Table → column → method of `Pseudonyms`. `meta` is made from the context."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of one table, or of all tables without conditions."""

    expression: Expression | None = None
    """Filter over operations."""
    where: str = ""
    """Condition in SQL over the columns as they were recorded."""
    pseudonyms: Pseudonyms | None = None
    """Where they are given, what the rows name is redacted."""

    @property
    def everything(self) -> bool:
        return self.expression is None and not self.where


def select(recording: Recording, table: str, selection: Selection) -> str:
    """The SELECT over the views of `selected` that gives the rows of `table`.

    Raises UsageError where a filter of operations is asked of another table, or the condition is
    not one.
    """
    if selection.expression is not None and table != OPERATIONS:
        raise UsageError(
            f"-e chooses operations, not rows of {table}", "--where takes a condition in SQL over its columns"
        )
    source = CHOSEN if table == OPERATIONS else table
    if selection.where:
        # On a line of its own, which a comment in it ends.
        source = f"(SELECT * FROM {source} WHERE (\n{selection.where}\n))"
    statement = f"SELECT {_columns(recording, table, selection.pseudonyms)} FROM {source}"
    check_select(statement)
    return statement


@contextmanager
def selected(
    recording: Recording, selection: Selection, tables: tuple[str, ...], writable: tuple[Path, ...] = ()
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in which the statements of `select` over `tables` can be run.

    Raises FilterError for an operation that the recorded kernel does not have, and
    RecordingError where the recording is damaged in the middle, or changes.
    """
    expression = selection.expression
    if expression is not None:
        check_operations(expression, recording.context.operation_names)

    def prepare(connection: duckdb.DuckDBPyConnection) -> None:
        if expression is None:
            connection.execute(f"CREATE VIEW {CHOSEN} AS FROM {OPERATIONS}")
        else:
            _mark(connection, recording, expression)
        if selection.pseudonyms is not None:
            _add_functions(connection, selection.pseudonyms)

    with opened(recording, tables, prepare=prepare, writable=writable) as connection:
        yield connection


def _mark(connection: duckdb.DuckDBPyConnection, recording: Recording, expression: Expression) -> None:
    condition = Condition(expression, recording.context.operation_names)
    parts = [condition.holds(records, recording.files) for records in recording.records()]
    connection.register("given", {"holds": np.concatenate([np.zeros(0, bool), *parts])})
    connection.execute("CREATE TABLE marks AS FROM given")
    connection.unregister("given")
    counts = connection.execute(
        f"SELECT (SELECT count(*) FROM {OPERATIONS}), (SELECT count(*) FROM marks)"
    ).fetchone()
    if counts is None or counts[0] != counts[1]:
        way_out = "export it without -e; --where takes a condition in SQL"
        raise RecordingError(
            f"{recording.path} is damaged, or still growing: no filter can be applied", way_out
        )
    connection.execute(
        f"CREATE VIEW {CHOSEN} AS SELECT {OPERATIONS}.* FROM {OPERATIONS} POSITIONAL JOIN marks WHERE holds"
    )


def _add_functions(connection: duckdb.DuckDBPyConnection, pseudonyms: Pseudonyms) -> None:
    methods: dict[str, Callable[[str], str]] = {
        "address": pseudonyms.address,
        "description": pseudonyms.description,
        "name": pseudonyms.name,
        "path": pseudonyms.path,
    }
    for name, method in methods.items():
        connection.create_function(f"pseudonym_of_{name}", method, ["VARCHAR"], "VARCHAR")


def _columns(recording: Recording, table: str, pseudonyms: Pseudonyms | None) -> str:
    """SELECT list of the table's columns, by their names and types."""
    if pseudonyms is None:
        return "*"
    if table == "meta":
        context = pseudonyms.context(recording.context)
        replaced = [f"{quoted(context.target)} AS target", f"{quoted(' '.join(context.command))} AS command"]
    else:
        named = _NAMED.get(table, {})
        replaced = [f"pseudonym_of_{method}({column}) AS {column}" for column, method in named.items()]
        # NULL of the column's own type.
        replaced += [f"CASE WHEN false THEN {column} END AS {column}" for column in _raw_columns(table)]
    return f"* REPLACE ({', '.join(replaced)})" if replaced else "*"


def _raw_columns(table: str) -> list[str]:
    if table == "completions":
        return ["user_data"]
    columns = {each.name: each.columns for each in PART_TABLES}
    names = [column.name for column in (COLUMNS if table == OPERATIONS else columns.get(table, ()))]
    return [name for name in names if name in RAW_COLUMNS]
