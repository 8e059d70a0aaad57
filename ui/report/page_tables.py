"""The tables of a page with their headings, and what each is limited to."""

from __future__ import annotations

from uringtrace.tracer.report.model import Report, Row
from uringtrace.ui.report.columns import (
    OPERATION_COLUMNS,
    RING_COLUMNS,
    ROW_COLUMNS,
    THREAD_TABLE,
    connection_columns,
)
from uringtrace.ui.report.harmless import page_text
from uringtrace.ui.report.html_tables import table_html
from uringtrace.ui.text import numbers


def operations_html(report: Report) -> str:
    """Counts and latencies of every operation."""
    return table_html("operations", "Operations", OPERATION_COLUMNS, report.summary.operations)


def tables_html(report: Report) -> list[str]:
    """All tables below the figures, each with its heading."""
    shown = len(report.connections.shown)
    parts = [
        _section("slowest", "Slowest operations", _slowest_words(report)),
        table_html("slowest", "Slowest operations", ROW_COLUMNS, report.slowest, stretch=_stretch),
    ]
    if report.unfinished:
        parts += [
            _section(
                "unfinished",
                "In flight at the end",
                f"{numbers.count(report.unfinished_total)} operations had not ended"
                f"{_first(len(report.unfinished), report.unfinished_total)}; “took” is their age then.",
            ),
            table_html(
                "unfinished", "In flight at the end", ROW_COLUMNS, report.unfinished, stretch=_stretch
            ),
        ]
    if report.connections.total:
        parts += [
            _section(
                "connection-table",
                "Table of connections",
                f"{numbers.count(report.connections.total)} connections"
                f"{_first(shown, report.connections.total)}.",
            ),
            table_html("connections", "Connections", connection_columns(report), report.connections.shown),
        ]
    parts += [
        _section(
            "thread-table",
            "Table of threads",
            f"{numbers.count(report.threads_total)} threads"
            f"{_first(len(report.threads), report.threads_total)}.",
        ),
        table_html("threads", "Threads", THREAD_TABLE, report.threads),
    ]
    if report.summary.rings:
        parts += [
            _section("ring-table", "Rings", ""),
            table_html("rings", "Rings", RING_COLUMNS, report.summary.rings, search=False),
        ]
    return parts


def _section(name: str, heading: str, words: str) -> str:
    return f'<h2 id="{name}">{page_text(heading)}</h2>' + (f"<p>{page_text(words)}</p>" if words else "")


def _slowest_words(report: Report) -> str:
    if not report.slowest:
        return "No operation has a latency."
    shown = numbers.count(len(report.slowest))
    return f"Of each operation the slowest, {shown} in all. One with many completions has no latency."


def _first(shown: int, total: int) -> str:
    return "" if shown == total else f", of which {numbers.count(shown)} are shown"


def _stretch(row: Row) -> tuple[float, float]:
    ended = row.completed_ns / 1e9
    return ended - (row.took_ns or 0) / 1e9, ended
