"""A recording for notebooks and scripts: its tables as DuckDB relations, its timeline as a figure.

What `uringtrace.open` returns. A recording stays open until `close`, the end of its `with`
block, or of the program: relations are answered when they are asked, not when they are made.
"""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from uringtrace.errors import UsageError
from uringtrace.tracer.recording import Recording as Source
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.recording.parts import first_line
from uringtrace.tracer.recording.query import check_select, opened
from uringtrace.tracer.recording.selection import TABLES

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from uringtrace.tracer.findings import Diagnosed
    from uringtrace.tracer.report import Report
    from uringtrace.tracer.source import Losses
    from uringtrace.tracer.summary import Summary

Relation = duckdb.DuckDBPyRelation
"""`.df()` (pandas), `.pl()` (polars), `.fetchnumpy()`, `.fetchall()`, and what else DuckDB has."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recording:
    """An open recording. Methods raise `uringtrace.errors.Error`: one line, and a way out."""

    path: Path
    _source: Source
    _database: duckdb.DuckDBPyConnection
    _stack: ExitStack
    _report: list[Report] = field(default_factory=list)
    """Filled when it is first asked for."""

    def operations(self) -> Relation:
        """One row per completion or system call; columns as in docs/recording.md, as of all tables."""
        return self._table("operations")

    def completions(self) -> Relation:
        """The CQEs of operations that post more than one."""
        return self._table("completions")

    def readiness(self) -> Relation:
        """One row per descriptor that a wait reported as ready."""
        return self._table("readiness")

    def interest(self) -> Relation:
        """Changes of epoll's interest lists."""
        return self._table("interest")

    def socket_events(self) -> Relation:
        """Data that arrived for sockets, and TCP states."""
        return self._table("socket_events")

    def connections(self) -> Relation:
        """One row per connection."""
        return self._table("connections")

    def threads(self) -> Relation:
        """One row per thread that did anything."""
        return self._table("threads")

    def files(self) -> Relation:
        """What the columns `file` stand for."""
        return self._table("files")

    def rings(self) -> Relation:
        """One row per io_uring instance."""
        return self._table("rings")

    def meta(self) -> Relation:
        """One row: of what, when and on what kernel it was taken, what was lost."""
        return self._table("meta")

    def sql(self, query: str) -> Relation:
        """The answer to one SELECT over these tables; it can read nothing else and change nothing."""
        check_select(query)
        return self._relation(query)

    def summary(self) -> Summary:
        """The headline figures, as `uringtrace stat` has them, without connections and threads."""
        return self.report().summary

    def findings(self) -> Diagnosed:
        """What is wrong, as `uringtrace diagnose` finds it: `.findings`, worst first, and all `.verdicts`.

        Worked out with the report, so only the first question takes time.
        """
        return self.report().diagnosed

    def timeline(self, began_s: float | None = None, ended_s: float | None = None) -> go.Figure:
        """The operations of threads, rings and connections over time, as a Plotly figure.

        A window is two moments in seconds since the capture began. What is too much to be drawn
        one by one is drawn as density, and the figure's title says so.
        """
        from uringtrace.ui.report.timeline import timeline_figure

        report = self.report()
        if began_s is None and ended_s is None:
            return timeline_figure(report.lanes)
        began = 0.0 if began_s is None else began_s
        ended = report.ended_ns / 1e9 if ended_s is None else ended_s
        if not began < ended:
            raise UsageError(
                f"no such window: from {began:g} s to {ended:g} s", "seconds since the capture began"
            )
        return timeline_figure(report.lanes, (began, ended))

    def report(self) -> Report:
        """Everything that `uringtrace report` shows; worked out once, which takes seconds if it is large."""
        self._check_open()
        if not self._report:
            from uringtrace.tracer.report import read_report

            self._report.append(read_report(self._source))
        return self._report[0]

    @property
    def losses(self) -> Losses:
        """Records that the kernel could not hand over, by kind, and untracked completions."""
        return self._source.losses

    @property
    def problems(self) -> tuple[str, ...]:
        """What must be known of its state: still being recorded, damaged, or of a recorder that died."""
        return self._source.problems

    def close(self) -> None:
        """Close it, and with it the relations that were made from it; may be called again."""
        self._stack.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<uringtrace.Recording {str(self.path)!r} of {self._source.context.target!r}>"

    def _repr_html_(self) -> str:
        lines = "".join(
            f'<tr><th style="text-align: left">{escape(name)}</th>'
            f'<td style="text-align: left">{escape(value)}</td></tr>'
            for name, value in self._facts()
        )
        return f"<table>{lines}</table>"

    def _facts(self) -> list[tuple[str, str]]:
        context, losses = self._source.context, self.losses
        (row,) = self._relation(
            "SELECT strftime(wall_time(started_ns), '%Y-%m-%d %H:%M:%S UTC'), (ended_ns - started_ns) / 1e9, "
            "(SELECT count(*) FROM operations WHERE interface = 'io_uring'), "
            "(SELECT count(*) FROM operations WHERE interface = 'syscall'), "
            "(SELECT count(*) FROM connections) FROM meta"
        ).fetchall()
        began, seconds, of_rings, calls, connections = row
        return [
            ("recording", str(self.path)),
            ("target", context.target),
            ("began", f"{began}, {seconds:.3f} s"),
            ("kernel", f"{context.kernel}, {context.machine}"),
            ("io_uring", f"{of_rings:,} completions"),
            ("system calls", f"{calls:,}"),
            ("connections", f"{connections:,}"),
            ("lost, untracked", f"{losses.total_lost:,}, {losses.untracked:,}"),
            *(("problem", problem) for problem in self.problems),
        ]

    def _table(self, name: str) -> Relation:
        return self._relation(f"FROM {name}")

    def _relation(self, sql: str) -> Relation:
        self._check_open()
        try:
            return self._database.sql(sql)
        except duckdb.Error as error:
            raise UsageError(f"SQL: {first_line(error)}") from None

    def _check_open(self) -> None:
        try:
            self._database.execute("SELECT 1").fetchall()
        except duckdb.ConnectionException:
            raise UsageError(f"{self.path} was closed", "open it again with uringtrace.open") from None


def open_for_reading(path: str | PathLike[str]) -> Recording:
    """See `uringtrace.open`. What a recorder that died left undone is worked out here."""
    source = open_recording(Path(path))
    stack = ExitStack()
    database = stack.enter_context(opened(source, TABLES))
    close: Any = partial(_close, stack)
    atexit.register(close)
    stack.callback(atexit.unregister, close)
    return Recording(Path(path), source, database, stack)


def _close(stack: ExitStack) -> None:
    stack.close()
