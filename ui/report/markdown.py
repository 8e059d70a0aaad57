"""A report as Markdown, for pull requests and issues: the page's tables, cut to their most telling rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from uringtrace.tracer.report.model import Report, Row
from uringtrace.ui.report.columns import (
    OPERATION_COLUMNS,
    RING_COLUMNS,
    ROW_COLUMNS,
    THREAD_TABLE,
    connection_columns,
)
from uringtrace.ui.report.facts import facts, headlines, title, warnings
from uringtrace.ui.report.findings_markdown import findings_markdown
from uringtrace.ui.report.harmless import markdown_text
from uringtrace.ui.report.html_tables import Column, T
from uringtrace.ui.report.latency import latency_words
from uringtrace.ui.report.shares import paths_words, threads_words
from uringtrace.ui.report.throughput import in_flight_words, throughput_words
from uringtrace.ui.report.waterfall import waterfall_words
from uringtrace.ui.terminal.marks import sparkline
from uringtrace.ui.text import numbers

MOST_ROWS = 20
_SPARKS = 60
_OF_EACH = 2


def markdown(report: Report) -> str:
    """The whole report; ends in a line end."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    sections = list(_sections(report))
    yield f"# {markdown_text(title(report))}"
    yield ""
    for name, text in facts(report):
        yield f"- {name}: {markdown_text(text)}"
    first, *rest = warnings(report)
    yield f"- {markdown_text(first)}"
    for line in rest:
        yield f"- **{markdown_text(line)}**"
    yield ""
    yield " · ".join(f"[{heading}](#{_anchor(heading)})" for heading, _ in sections)
    yield ""
    yield "| figure | value | |"
    yield "|---|---:|---|"
    for each in headlines(report):
        yield f"| {markdown_text(each.name)} | {markdown_text(each.value)} | {markdown_text(each.note)} |"
    for heading, lines in sections:
        yield ""
        yield f"## {heading}"
        yield ""
        yield from lines


def _anchor(heading: str) -> str:
    """As GitHub and GitLab make it of a heading."""
    return heading.lower().replace(" ", "-")


def _sections(report: Report) -> Iterator[tuple[str, Iterator[str]]]:
    yield "Findings", findings_markdown(report.diagnosed)
    yield "Operations", _table(OPERATION_COLUMNS, report.summary.operations, len(report.summary.operations))
    yield "Over time", _over_time(report)
    yield "Latency", _words(latency_words(report))
    yield "Paths", _words(paths_words(report))
    yield "Slowest operations", _table(ROW_COLUMNS, _few_of_each(report.slowest), len(report.slowest))
    if report.unfinished:
        yield "In flight at the end", _table(ROW_COLUMNS, report.unfinished, report.unfinished_total)
    if report.connections.total:
        yield "Connections", _connections(report)
    yield "Threads", _threads(report)
    if report.summary.rings:
        yield "Rings", _table(RING_COLUMNS, report.summary.rings, len(report.summary.rings))


def _few_of_each(rows: Sequence[Row]) -> list[Row]:
    """The slowest of each operation, so that one that only waits does not fill the table."""
    seen: Counter[str | None] = Counter()
    chosen = []
    for row in rows:
        seen[row.operation] += 1
        if seen[row.operation] <= _OF_EACH:
            chosen.append(row)
    return chosen


def _words(text: str) -> Iterator[str]:
    yield markdown_text(text)


def _over_time(report: Report) -> Iterator[str]:
    times = report.times
    per_step = times.completions.sum(axis=0).tolist()
    width = -(-len(per_step) // _SPARKS)
    sums = [sum(per_step[start : start + width]) for start in range(0, len(per_step), width)]
    yield f"`{sparkline(sums, len(sums))}` results, {numbers.duration(times.step_ns * width)} each"
    yield ""
    yield from _words(throughput_words(report))
    yield ""
    yield from _words(in_flight_words(report))


def _connections(report: Report) -> Iterator[str]:
    most = sorted(report.connections.shown, key=lambda each: (-(each.bytes_in + each.bytes_out), each.number))
    yield from _words(waterfall_words(report))
    yield ""
    yield from _table(connection_columns(report), most, report.connections.total)


def _threads(report: Report) -> Iterator[str]:
    yield from _words(threads_words(report))
    yield ""
    yield from _table(THREAD_TABLE, report.threads, report.threads_total)


def _table(columns: Sequence[Column[T]], rows: Sequence[T], total: int) -> Iterator[str]:
    shown = rows[:MOST_ROWS]
    yield f"| {' | '.join(markdown_text(column.heading) for column in columns)} |"
    yield f"|{'|'.join('---' if column.value is None else '---:' for column in columns)}|"
    for row in shown:
        yield f"| {' | '.join(markdown_text(column.text(row)) for column in columns)} |"
    if total > len(shown):
        yield ""
        yield f"… and {numbers.count(total - len(shown))} more"
