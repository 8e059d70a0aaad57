"""From a log and a source to the report: reads both, once for the numbers, once for what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from uringtrace.tracer.compare.account import compare
from uringtrace.tracer.compare.excerpt import entries
from uringtrace.tracer.compare.phases import Span, costs, measured, observed_by
from uringtrace.tracer.compare.read import read_log
from uringtrace.tracer.compare.report import CompareReport, Strace
from uringtrace.tracer.compare.sides import Log, observed
from uringtrace.tracer.source import Source


class Rereadable(Source, Protocol):
    """A source whose records may be asked for again: a recording, or what was kept of a capture."""


def report_of(
    log_path: Path | None,
    source: Rereadable,
    *,
    rows: int,
    window: tuple[int, int] | None = None,
    spans: Sequence[Span] = (),
    version: str | None = None,
    options: tuple[str, ...] | None = None,
    why_not: str = "",
    target: str | None = None,
) -> CompareReport:
    """The report. Without `log_path` it is of the capture alone, and `why_not` says why.

    `window` is when strace was there, where that is known; `spans` are the phases, if there were any;
    `options` are those that strace was given, else they are recognised; `target` is named in place of
    the source's; `rows` entries are shown in columns. Raises UsageError for a log that cannot be read.
    """
    log = None if log_path is None else read_log(log_path)
    ours = observed(source, source.batches())
    comparison = None if log is None else compare(log, ours, window)
    if comparison is not None:
        told, name = comparison.strace_calls, observed_by("strace")
        spans = [replace(span, told=told) if span.observers == name else span for span in spans]
    phases = measured(source, source.records(), spans) if spans else ()
    return CompareReport(
        context=replace(source.context, target=target or source.context.target),
        losses=source.losses,
        strace=None
        if log is None
        else Strace(version, options or log.format.options, log.lines, log.unparsed_lines),
        comparison=comparison,
        why_not=why_not,
        phases=phases,
        costs=costs(phases),
        entries=() if log is None or comparison is None else entries(log, ours, comparison, rows),
        log=log,
        ours=ours,
        duration_s=(source.ended_ns - source.context.started_ns) / 1e9,
    )


def _strace(log: Log, version: str | None, options: tuple[str, ...] | None) -> Strace:
    return Strace(version, options or log.format.options, log.lines, log.unparsed_lines)
