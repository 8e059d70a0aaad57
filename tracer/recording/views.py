"""The views that SQL over a recording sees; docs/recording.md lists their columns.

`operations`, `completions`, `readiness`, `interest`, `socket_events`, `connections`,
`threads`, `files`, `rings` and `meta` (one row), and the macro `wall_time(ns)`: the
TIMESTAMP (UTC, microseconds) of a `…_ns` column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from uringtrace.tracer.record import CQE_BUFFER_SHIFT, CQE_F_BUFFER, CQE_F_MORE, CQE_F_NOTIF
from uringtrace.tracer.recording.columns import COLUMNS, stored_columns
from uringtrace.tracer.recording.derived import holds_calls
from uringtrace.tracer.recording.layout import INTERESTS, OPERATIONS
from uringtrace.tracer.recording.parts import column_names, create_table, quoted
from uringtrace.tracer.recording.tables import INTEREST_TABLE, PART_TABLES, RESULT_TABLES, event_text
from uringtrace.tracer.source import File, Interest, Ring

if TYPE_CHECKING:
    from uringtrace.tracer.recording.reader import Recording

_COMPLETIONS = f"""
SELECT ring, submitted_ns, completed_ns, previous_ns,
       completed_ns - COALESCE(previous_ns, submitted_ns) AS waited_ns,
       operation, sequence, result, error,
       cqe_flags & {CQE_F_NOTIF} <> 0 AS notification, cqe_flags & {CQE_F_MORE} = 0 AS last,
       CASE WHEN cqe_flags & {CQE_F_BUFFER} <> 0 THEN cqe_flags >> {CQE_BUFFER_SHIFT} END AS buffer,
       user_data, tgid, tid, fd, file, result_file
FROM operations
WHERE kind = 'COMPLETION' AND interface = 'io_uring'
      AND (sequence IS NOT NULL OR cqe_flags & {CQE_F_MORE | CQE_F_NOTIF} <> 0)
"""

_FILE_TYPES = {
    "file": "INTEGER",
    "description": "VARCHAR",
    "device": "UBIGINT",
    "inode": "UBIGINT",
    "family": "VARCHAR",
    "protocol": "VARCHAR",
    "local": "VARCHAR",
    "remote": "VARCHAR",
    "listening": "BOOLEAN",
}


@dataclass(slots=True)
class Sources:
    """Where the rows of the tables are."""

    parts: dict[str, list[Path]] = field(default_factory=dict)
    """Of tables in parts."""
    results: dict[str, Path] = field(default_factory=dict)
    """Tables in one file that the recorder wrote."""
    computed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """And those that a reader had to work out."""

    @property
    def paths(self) -> list[Path]:
        return [*(path for parts in self.parts.values() for path in parts), *self.results.values()]


def create_views(connection: duckdb.DuckDBPyConnection, recording: Recording, sources: Sources) -> None:
    """Create all views. Tables that `sources` does not have are empty."""
    _create_operations(connection, recording, sources.parts[OPERATIONS])
    connection.execute(f"CREATE VIEW completions AS {_COMPLETIONS}")
    for table in PART_TABLES:
        types = {column.name: column.type for column in table.columns}
        name = "changed_interest" if table.name == INTERESTS else table.name
        _create_view(connection, name, types, sources.parts[table.name])
    initial = {column.name: column.type for column in INTEREST_TABLE.columns}
    create_table(connection, "initial_interest", initial, [_initial(each) for each in recording.interests])
    connection.execute(f"CREATE VIEW {INTERESTS} AS FROM initial_interest UNION ALL FROM changed_interest")
    for name, types in RESULT_TABLES.items():
        if name in sources.results:
            _create_view(connection, name, types, [sources.results[name]])
        else:
            rows = [tuple(row.values()) for row in sources.computed.get(name, [])]
            create_table(connection, name, types, rows)
    create_table(connection, "files", _FILE_TYPES, [_file(each) for each in recording.files.values()])
    ring_types = {each.name: "BIGINT" for each in fields(Ring)}
    rings = [tuple(getattr(ring, name) for name in ring_types) for ring in recording.rings]
    create_table(connection, "rings", ring_types, rings)
    _create_meta(connection, recording)


def _create_view(
    connection: duckdb.DuckDBPyConnection, name: str, types: dict[str, str], paths: Sequence[Path]
) -> None:
    if paths:
        connection.execute(f"CREATE VIEW {name} AS SELECT {', '.join(types)} FROM {_parquet(paths)}")
    else:
        create_table(connection, name, types, [])


def _parquet(paths: Sequence[Path], option: str = "union_by_name = false") -> str:
    return f"read_parquet([{', '.join(quoted(str(path)) for path in paths)}], {option})"


def _create_operations(
    connection: duckdb.DuckDBPyConnection, recording: Recording, paths: Sequence[Path]
) -> None:
    types = {column.name: column.type for column in COLUMNS}
    ordered = sorted(paths, key=lambda path: path.name)
    if holds_calls(recording.context) or not ordered:
        _create_view(connection, OPERATIONS, types, ordered)
        return
    # Parts of io_uring alone have fewer columns than those recovered from the journal.
    source = _parquet(ordered, "union_by_name = true")
    stored = stored_columns(column_names(connection, source))
    connection.execute(f"CREATE VIEW {OPERATIONS} AS SELECT {stored} FROM {source}")


def _initial(interest: Interest) -> tuple[Any, ...]:
    """A row of `interest`: in effect before the capture began, so without a moment, thread and files."""
    known = {
        "tgid": interest.tgid,
        "epoll_fd": interest.epoll_fd,
        "change": "ADD",
        "fd": interest.fd,
        "events": event_text(interest.events),
        "mask": interest.events,
        "data": interest.data,
    }
    return tuple(known.get(column.name) for column in INTEREST_TABLE.columns)


def _file(file: File) -> tuple[Any, ...]:
    socket = file.socket
    address: tuple[Any, ...] = (None,) * 5
    if socket is not None:
        address = (socket.family, socket.protocol, socket.local, socket.remote, socket.listening)
    return (file.file, file.description, file.device, file.inode, *address)


def _create_meta(connection: duckdb.DuckDBPyConnection, recording: Recording) -> None:
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
    create_table(connection, "meta", types, [tuple(value for _, value in meta.values())])
    offset = context.started_unix_ns - context.started_ns
    connection.execute(f"CREATE MACRO wall_time(ns) AS make_timestamp((ns + {offset}) // 1000)")
