"""The tables of a report: slowest and unfinished operations, connections, threads; each of bounded length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uringtrace.tracer.connections.connection import BEFORE, CONNECTION_COLUMNS, FAILED, Connection
from uringtrace.tracer.record import Kind
from uringtrace.tracer.report.bars import shortened
from uringtrace.tracer.report.model import ConnectionTable, Row, ThreadRow
from uringtrace.tracer.report.rows import Rows
from uringtrace.tracer.source import File, Thread

MOST_CONNECTIONS = 400
MOST_THREADS = 100

_COLUMNS = (
    "completed_ns, submitted_ns, began_ns, over_ns, latency_ns, age_ns, interface, operation, kind, path, "
    "result, error, pathname, tgid, tid, fd, file, ring, user_data, wake, waker"
)


def slowest_rows(rows: Rows, files: Mapping[int, File], threads: Mapping[int, Thread]) -> tuple[Row, ...]:
    """The rows of `chosen` that are among the slowest of their operation, longest first."""
    return _rows(rows, "slowest", "latency_ns DESC, completed_ns", files, threads)


def unfinished_rows(
    rows: Rows, files: Mapping[int, File], threads: Mapping[int, Thread]
) -> tuple[tuple[Row, ...], int]:
    """Those that had not ended, oldest first, and how many there are in all."""
    ((total,),) = rows.tuples(f"SELECT count(*) FROM operations WHERE kind = '{Kind.UNFINISHED.name}'")
    return _rows(rows, "open_one", "age_ns DESC, tid, ring", files, threads), total


def _rows(
    rows: Rows, condition: str, order: str, files: Mapping[int, File], threads: Mapping[int, Thread]
) -> tuple[Row, ...]:
    names = [name.strip() for name in _COLUMNS.split(",")]
    found = rows.tuples(f"SELECT {_COLUMNS} FROM chosen WHERE {condition} ORDER BY {order}")
    return tuple(_row(rows, dict(zip(names, values, strict=True)), files, threads) for values in found)


def _row(rows: Rows, value: dict[str, Any], files: Mapping[int, File], threads: Mapping[int, Thread]) -> Row:
    file, thread = files.get(value["file"] or 0), threads.get(value["tid"] or 0)
    submitted = value["submitted_ns"]
    took = value["latency_ns"] if value["latency_ns"] is not None else value["age_ns"]
    return Row(
        completed_ns=value["completed_ns"] - rows.started_ns,
        submitted_ns=None if submitted is None else submitted - rows.started_ns,
        took_ns=took,
        interface=value["interface"],
        operation=value["operation"],
        kind=value["kind"],
        path=value["path"],
        result=value["result"],
        error=value["error"],
        pathname=None if value["pathname"] is None else shortened(value["pathname"]),
        tgid=value["tgid"],
        tid=value["tid"],
        thread=thread.name if thread else None,
        fd=value["fd"],
        file=shortened(file.description) if file else None,
        ring=value["ring"],
        user_data=value["user_data"],
        wake=value["wake"],
        waker=value["waker"],
    )


def connection_table(rows: Rows) -> ConnectionTable:
    """Totals of all connections by the rules of `connections.summary`, and those that moved most."""
    columns = ", ".join(CONNECTION_COLUMNS)
    shown = rows.tuples(
        f"SELECT {columns} FROM (SELECT {columns} FROM connections "
        f"ORDER BY bytes_in + bytes_out DESC, number LIMIT {MOST_CONNECTIONS}) ORDER BY number"
    )
    ((total, before, failed, ended, requests, bytes_in, bytes_out, exact),) = rows.tuples(f"""
        SELECT count(*), count(*) FILTER (began_by = '{BEFORE}'), count(*) FILTER (closed_by = '{FAILED}'),
               count(ended_ns), CAST(COALESCE(sum(requests), 0) AS BIGINT),
               CAST(COALESCE(sum(bytes_in), 0) AS BIGINT), CAST(COALESCE(sum(bytes_out), 0) AS BIGINT),
               COALESCE(bool_and(bytes_exact), true)
        FROM connections""")
    return ConnectionTable(
        shown=tuple(Connection(*values) for values in shown),
        total=total,
        opened=total - before - failed,
        before=before,
        failed=failed,
        closed=ended - failed,
        open=total - ended,
        requests=requests,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        bytes_exact=exact,
    )


def thread_table(rows: Rows) -> tuple[tuple[ThreadRow, ...], int]:
    """The threads with most operations, by process and thread, and how many there are in all."""
    columns = ", ".join(ThreadRow.__slots__)
    found = rows.tuples(
        f"SELECT {columns} FROM (SELECT * FROM threads ORDER BY system_calls + operations DESC, tid "
        f"LIMIT {MOST_THREADS}) ORDER BY tgid, tid"
    )
    ((total,),) = rows.tuples("SELECT count(*) FROM threads")
    return tuple(ThreadRow(*values) for values in found), total
