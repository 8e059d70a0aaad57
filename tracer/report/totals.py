"""The `Summary` of a recording by SQL: the same numbers as `stat`, without reading rows one batch at a time.

`statistics.COUNTERS` are filled from grouped rows, and `summarise` does the rest.
"""

from __future__ import annotations

import numpy as np

from uringtrace.tracer.record import CQE_F_MORE, CQE_F_NOTIF, FIRST_CALL, Kind, Path
from uringtrace.tracer.recording.columns import operation_name
from uringtrace.tracer.report.families import family_of
from uringtrace.tracer.report.model import Latencies, Operation
from uringtrace.tracer.report.rows import CODE, Rows, moved
from uringtrace.tracer.source import Context
from uringtrace.tracer.statistics import Counters, empty_counters
from uringtrace.tracer.summary import IO_URING, SYSCALL

_GROUPS = f"""
SELECT {CODE} AS code, kind, COALESCE(path_bits, 0) & {Path.POLL | Path.IO_WQ} AS path,
       COALESCE(cqe_flags, 0) & {CQE_F_MORE | CQE_F_NOTIF} AS flags, COALESCE(result, 0) < 0 AS failed,
       COALESCE(slept, false) AS slept, submitted_ns IS NOT NULL AS seen,
       count(*) AS n,
       CAST(COALESCE(sum({{moved}}), 0) AS BIGINT) AS moved,
       count(latency_ns) AS timed, CAST(COALESCE(sum(latency_ns), 0) AS BIGINT) AS sum_ns,
       COALESCE(max(latency_ns), 0) AS max_ns
FROM operations GROUP BY ALL
"""


def counters_of(rows: Rows, context: Context) -> tuple[Counters, tuple[Operation, ...]]:
    """What `statistics.accumulate` would count over all rows, but for the histograms: those are empty.

    Shape (OPCODES,), dtype COUNTERS; and all operations that occur, most rows first.
    """
    occurred: dict[int, int] = {}
    counters = empty_counters()
    groups = rows.tuples(_GROUPS.format(moved=moved(context)))
    for code, kind, path, flags, failed, slept, seen, n, bytes_moved, timed, sum_ns, max_ns in groups:
        occurred[code] = occurred.get(code, 0) + n
        row = counters[code : code + 1]
        call = code >= FIRST_CALL
        completed = kind == Kind.COMPLETION.name
        notification = completed and bool(flags & CQE_F_NOTIF)
        ended = completed and not flags & CQE_F_MORE
        if completed and not notification:
            row["completions"] += n
            row["errors"] += n if failed else 0
            row["bytes"] += bytes_moved
            row["slept"] += n if slept else 0
            if not call:
                row[_path_field(path)] += n
        row["notifications"] += n if notification else 0
        row["ended"] += n if ended else 0
        silent = kind == Kind.SILENT.name
        row["silent"] += n if silent else 0
        if (ended or silent or kind == Kind.UNFINISHED.name) and (seen or call):
            row["submitted"] += n
        row["timed"] += timed
        row["sum_ns"] += sum_ns
        row["max_ns"] = max(int(row["max_ns"][0]), max_ns)
    most_first = sorted(occurred, key=lambda code: (-occurred[code], code))
    return counters, tuple(_operation(code, context) for code in most_first)


def _operation(code: int, context: Context) -> Operation:
    name = operation_name(code, context.operation_names)
    return Operation(code, name, SYSCALL if code >= FIRST_CALL else IO_URING, family_of(name))


def _path_field(path: int) -> str:
    if path & Path.IO_WQ:
        return "io_wq"
    return "poll" if path & Path.POLL else "inline"


def add_histograms(counters: Counters, latencies: Latencies, operations: tuple[Operation, ...]) -> None:
    """Fill `counters["histogram"]`, in place."""
    codes = np.array([operation.code for operation in operations], np.int64)
    np.add.at(
        counters["histogram"],
        (codes[latencies.operation], latencies.bucket.astype(np.int64)),
        latencies.count.astype(np.uint64),
    )
