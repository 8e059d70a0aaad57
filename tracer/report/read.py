"""From a recording to a `Report`: which question is asked when, and nothing of how it is answered."""

from __future__ import annotations

from dataclasses import dataclass

from uringtrace.tracer.findings.recorded import diagnosed_whole
from uringtrace.tracer.recording import Recording
from uringtrace.tracer.recording.query import opened
from uringtrace.tracer.report.bars import bars_of, create_chosen
from uringtrace.tracer.report.cells import cells_of
from uringtrace.tracer.report.lane_list import lane_tables
from uringtrace.tracer.report.lanes_model import Lanes
from uringtrace.tracer.report.marks import marks_of
from uringtrace.tracer.report.model import Operation, Report, Row, Times
from uringtrace.tracer.report.rows import Rows
from uringtrace.tracer.report.selection import MOST_BARS, slow_of, windows_of
from uringtrace.tracer.report.tables import (
    connection_table,
    slowest_rows,
    thread_table,
    unfinished_rows,
)
from uringtrace.tracer.report.times import latencies_of, times_of
from uringtrace.tracer.report.totals import add_histograms, counters_of
from uringtrace.tracer.summary import summarise

_TABLES = ("operations", "readiness", "connections", "threads")


def read_report(recording: Recording) -> Report:
    """Everything that a report of this recording shows.

    Memory and size are bounded whatever the number of rows. Raises RecordingError where the
    recording cannot be read; what is damaged in part is said in `Report.problems`.
    """
    context = recording.context
    with opened(recording, _TABLES) as connection:
        rows, total = _extent(Rows(connection, context.started_ns, 0, 0), recording)
        counters, operations = counters_of(rows, context)
        latencies = latencies_of(rows, operations)
        add_histograms(counters, latencies, operations)
        times = times_of(rows, context, operations)
        single = _single(rows, total, recording, times, operations)
        connections = connection_table(rows)
        shown_threads, threads_total = thread_table(rows)
    return Report(
        context=context,
        status=recording.status,
        problems=recording.problems,
        first_ns=rows.first_ns,
        ended_ns=rows.ended_ns,
        rows=total,
        summary=summarise(context, counters, recording.rings, recording.losses, rows.ended_ns),
        operations=operations,
        times=times,
        latencies=latencies,
        lanes=single.lanes,
        slowest=single.slowest,
        unfinished=single.unfinished,
        unfinished_total=single.unfinished_total,
        connections=connections,
        threads=shown_threads,
        threads_total=threads_total,
        diagnosed=diagnosed_whole(recording),
    )


def _extent(rows: Rows, recording: Recording) -> tuple[Rows, int]:
    """The rows with the length of the capture, at least 1 ns, and their number."""
    ((total, last_ns, first_ns),) = rows.tuples(
        f"SELECT count(*), COALESCE(max(completed_ns), 0), "
        f"LEAST(min(submitted_ns), min(completed_ns), {rows.started_ns}) FROM operations"
    )
    ended_ns = max(recording.ended_ns, last_ns) - rows.started_ns
    return Rows(rows.connection, rows.started_ns, first_ns - rows.started_ns, max(1, ended_ns)), total


@dataclass(frozen=True, slots=True)
class _Single:
    """What is shown one by one."""

    lanes: Lanes
    slowest: tuple[Row, ...]
    unfinished: tuple[Row, ...]
    unfinished_total: int


def _single(
    rows: Rows, total: int, recording: Recording, times: Times, operations: tuple[Operation, ...]
) -> _Single:
    files, threads = recording.files, recording.threads
    tables = lane_tables(rows, threads, recording.rings, files)
    cells = cells_of(rows, tables, operations)
    slow = slow_of(rows)
    windows = windows_of(rows, total, times, operations, slow)
    create_chosen(rows, windows, slow)
    shown = bars_of(rows, windows, tables, operations, files)
    marks, left_out, names, events = marks_of(rows, windows, tables, files, shown.files)
    lanes = Lanes(
        first_ns=rows.first_ns,
        ended_ns=rows.ended_ns,
        lanes=shown.lanes,
        operations=tuple(operation.name for operation in operations),
        interfaces=tuple(operation.interface for operation in operations),
        families=tuple(operation.family for operation in operations),
        cells=cells,
        windows=shown.windows,
        complete=total <= MOST_BARS,
        bars=shown.bars,
        marks=marks,
        marks_left_out=left_out,
        files=names,
        events=events,
    )
    unfinished, unfinished_total = unfinished_rows(rows, files, threads)
    return _Single(lanes, slowest_rows(rows, files, threads), unfinished, unfinished_total)
