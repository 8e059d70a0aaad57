"""A comparison as HTML: what each side saw and missed, two timelines, and what strace costs."""

from __future__ import annotations

from collections.abc import Sequence

from uringtrace.tracer.compare.account import NameCount, Part
from uringtrace.tracer.compare.phases import Cost, Phase
from uringtrace.tracer.compare.report import CompareReport
from uringtrace.ui.report.compare_figures import OURS, RATES, STRACE, excerpt_s, figures, words_of
from uringtrace.ui.report.content import time_bar
from uringtrace.ui.report.harmless import page_text
from uringtrace.ui.report.html_tables import Column, table_html
from uringtrace.ui.report.page import document, embedded
from uringtrace.ui.report.payload import packed
from uringtrace.ui.text import numbers
from uringtrace.ui.text.compare_columns import Texts
from uringtrace.ui.text.compare_summary import (
    clock_line,
    factor,
    log_line,
    missed_by_strace,
    missed_by_us,
    outside_line,
)
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.summary_table import loss_line

DRAWN = 2_000
"""Calls and operations that have a bar."""
_TITLES = {RATES: "What happened, and what strace wrote", STRACE: "strace", OURS: "uringtrace"}

Seen = tuple[str, Part, str, str]
"""What is counted, its numbers, and both of these as text."""
Reason = tuple[str, str, int]
"""Which side alone has it, why, and how often."""


def compare_page(report: CompareReport, texts: Texts) -> str:
    """A page of its own."""
    return document(_title(report), content(report, texts))


def compare_fragment(report: CompareReport, texts: Texts, *, with_plotly: bool = True) -> str:
    """A `<div>` for another page."""
    return embedded(content(report, texts), with_plotly=with_plotly)


def content(report: CompareReport, texts: Texts) -> str:
    data = figures(report, texts)
    ended_ns = round(report.duration_s * 1e9)
    sections = [
        _head(report),
        time_bar(0, ended_ns),
        *(_figure(report, name) for name in data["figures"]),
        *_missed(report),
        *_cost(report),
        f'<script type="text/plain" class="uringtrace-data">{packed(data)}</script>',
    ]
    return '<div class="uringtrace">\n' + "\n".join(sections) + "\n</div>"


def _title(report: CompareReport) -> str:
    return f"strace beside uringtrace: {report.context.target}"


def _head(report: CompareReport) -> str:
    facts = [
        ("kernel", f"{report.context.kernel} {report.context.machine}"),
        ("duration", f"{report.duration_s:.3f} s"),
    ]
    if report.comparison is not None:
        facts += [("strace", log_line(report)), ("clocks", clock_line(report.comparison))]
    listed = "".join(f"<dt>{page_text(name)}</dt><dd>{page_text(text)}</dd>" for name, text in facts)
    cards = "".join(
        f"<div><dt>{page_text(name)}</dt><dd>{page_text(value)}<small>{page_text(note)}</small></dd></div>"
        for name, value, note in _cards(report)
    )
    lost = ' class="alarm"' if report.losses.total_lost or report.losses.untracked else ' class="soft"'
    why = f'<p class="alarm">{page_text(report.why_not)}</p>' if report.why_not else ""
    return (
        f'<header><h1>{page_text(_title(report))}</h1><dl class="facts">{listed}</dl>'
        f"<p{lost}>{page_text(loss_line(report.losses, Style()))}</p>{why}</header>"
        f'<dl class="cards">{cards}</dl><p class="failure alarm" role="alert" hidden></p>'
        "<noscript><p>The figures need JavaScript, which is in this file; the tables do not.</p></noscript>"
    )


def _cards(report: CompareReport) -> list[tuple[str, str, str]]:
    comparison = report.comparison
    cost = next((each for each in report.costs if each.observer == "strace"), None)
    found = []
    if comparison is not None:
        parts = (
            ("operations that strace saw", comparison.operations, numbers.count),
            ("bytes it can account for", comparison.bytes, numbers.size),
            ("connections it saw", comparison.connections, numbers.count),
        )
        found += [
            (name, numbers.share(part.coverage), f"{shown(part.seen)} of {shown(part.happened)}")
            for name, part, shown in parts
        ]
    if cost is not None:
        unit = "request" if cost.of_requests else "operation"
        found += [
            ("slowdown under strace", factor(cost.slowdown), f"by {unit}s per second"),
            ("latency under strace", factor(cost.latency_factor), "of the median request"),
            ("processor time under strace", factor(cost.cpu_factor), f"of the target, per {unit}"),
        ]
    return found


def _figure(report: CompareReport, name: str) -> str:
    words = page_text(words_of(report)[name])
    shown = excerpt_s(report) if name == STRACE else None
    button = (
        f'<p><button type="button" data-window="{shown[0]!r} {shown[1]!r}">'
        "show the time of which calls are drawn</button></p>"
        if shown
        else ""
    )
    return (
        f'<section><h2 id="figure-{name}">{_TITLES[name]}</h2>{button}'
        f'<figure><div class="plot" data-figure="{name}" role="img" tabindex="0" '
        f'aria-label="{_TITLES[name]}: {words}"></div><figcaption>{words}</figcaption></figure></section>'
    )


def _missed(report: CompareReport) -> list[str]:
    comparison = report.comparison
    if comparison is None:
        return []
    reasons: list[Reason] = [
        *(("uringtrace", words, count) for words, count in missed_by_strace(comparison)),
        *(("strace", words, count) for words, count in missed_by_us(comparison)),
    ]
    parts = [
        ("operations", comparison.operations, numbers.count),
        ("of them system calls", comparison.calls, numbers.count),
        ("bytes moved", comparison.bytes, numbers.size),
        ("connections", comparison.connections, numbers.count),
    ]
    rows = [(name, part, shown(part.happened), shown(part.seen)) for name, part, shown in parts]
    seen: tuple[Column[Seen], ...] = (
        Column("while strace was there", lambda row: row[0]),
        Column("happened", lambda row: row[2], lambda row: row[1].happened),
        Column("strace", lambda row: row[3], lambda row: row[1].seen),
        Column("coverage", lambda row: numbers.share(row[1].coverage), lambda row: row[1].coverage),
    )
    why: tuple[Column[Reason], ...] = (
        Column("only", lambda row: row[0]),
        Column("why", lambda row: row[1], long=True),
        Column("count", lambda row: numbers.count(row[2]), lambda row: row[2]),
    )
    names: tuple[Column[NameCount], ...] = (
        Column("operation", lambda row: row.name),
        Column("happened", lambda row: numbers.count(row.happened), lambda row: row.happened),
        Column("lines of strace", lambda row: numbers.count(row.strace), lambda row: row.strace),
        Column("both", lambda row: numbers.count(row.both), lambda row: row.both),
    )
    return [
        "<h2>What strace accounts for</h2>",
        table_html("coverage", "What strace accounts for", seen, rows, search=False),
        "<h2>What each side missed</h2>",
        table_html(
            "missed",
            "What each side missed, by reason",
            why,
            [row for row in reasons if row[2]],
            search=False,
        ),
        *([f"<p>{page_text(outside)}</p>"] if (outside := outside_line(comparison)) else []),
        "<h2>By name</h2>",
        table_html("names", "Operations by name", names, comparison.names),
    ]


def _cost(report: CompareReport) -> Sequence[str]:
    if not report.phases:
        return []

    def latency(phase: Phase, field: str) -> float | None:
        return None if phase.latency is None else getattr(phase.latency, field)

    def observer(phase: Phase) -> float | None:
        return None if phase.observer_cpu_s is None else phase.observer_cpu_s / phase.seconds

    columns: tuple[Column[Phase], ...] = (
        Column("observed by", lambda row: row.observers),
        Column("seconds", lambda row: f"{row.seconds:.2f}", lambda row: row.seconds),
        Column("operations", lambda row: numbers.rate(row.operations_rate), lambda row: row.operations_rate),
        Column("requests", lambda row: numbers.rate(row.requests_rate), lambda row: row.requests_rate),
        Column(
            "p50", lambda row: numbers.duration(latency(row, "p50_ns")), lambda row: latency(row, "p50_ns")
        ),
        Column(
            "p99", lambda row: numbers.duration(latency(row, "p99_ns")), lambda row: latency(row, "p99_ns")
        ),
        Column("processors", lambda row: numbers.share(row.cpu_share), lambda row: row.cpu_share),
        Column("observer", lambda row: numbers.share(observer(row)), observer),
    )
    factors: tuple[Column[Cost], ...] = (
        Column("observer", lambda row: row.observer),
        Column("calls it told of", lambda row: numbers.count(row.told), lambda row: row.told),
        Column("operations that happened", lambda row: numbers.count(row.happened), lambda row: row.happened),
        Column("slowdown", lambda row: factor(row.slowdown), lambda row: row.slowdown),
        Column("by the rate of", lambda row: "requests" if row.of_requests else "operations"),
        Column("median latency", lambda row: factor(row.latency_factor), lambda row: row.latency_factor),
        Column("processor time for each", lambda row: factor(row.cpu_factor), lambda row: row.cpu_factor),
    )
    found = [
        "<h2>What observing costs</h2>",
        table_html("phases", "What observing costs, by phase", columns, report.phases, search=False),
    ]
    if report.costs:
        found.append(table_html("costs", "What each observer costs", factors, report.costs, search=False))
    return found
