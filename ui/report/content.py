"""What a report shows, as HTML: the same for a page of its own and for a fragment in another one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from uringtrace.tracer.report.model import FAMILIES, Report
from uringtrace.ui.report.colours import FAMILY_COLOURS
from uringtrace.ui.report.facts import facts, headlines, is_incomplete, title, warnings
from uringtrace.ui.report.figures import FIGURES
from uringtrace.ui.report.findings import findings_html
from uringtrace.ui.report.harmless import page_text
from uringtrace.ui.report.latency import heat_choices
from uringtrace.ui.report.page_tables import operations_html, tables_html
from uringtrace.ui.report.payload import payload
from uringtrace.ui.text import numbers


def asset(name: str) -> str:
    """A file that lies beside this module."""
    return (files("uringtrace.ui.report") / name).read_text("utf-8")


def content(report: Report, names: Sequence[str], *, whole: bool) -> str:
    """The figures of these names; with `whole` also head, tables and navigation."""
    parts = [_head(report) if whole else _short_head(report)]
    if any(FIGURES[name].over_time for name in names):
        parts.append(time_bar(report.first_ns, report.ended_ns))
    parts += [_figure(report, name) for name in names]
    if whole:
        parts += tables_html(report)
    data = payload(report, names)
    parts.append(f'<script type="text/plain" class="uringtrace-data">{data}</script>')
    inner = "\n".join(parts)
    return f'<div class="uringtrace">\n{inner}\n</div>'


def _head(report: Report) -> str:
    cards = "".join(
        f"<div><dt>{page_text(each.name)}</dt><dd>{page_text(each.value)}"
        f"{f'<small>{page_text(each.note)}</small>' if each.note else ''}</dd></div>"
        for each in headlines(report)
    )
    listed = "".join(f"<dt>{page_text(name)}</dt><dd>{page_text(text)}</dd>" for name, text in facts(report))
    first, *rest = warnings(report)
    alarm = ' class="alarm"' if is_incomplete(report) else ' class="soft"'
    lines = "".join(f'<p class="alarm">{page_text(line)}</p>' for line in rest)
    links = "".join(f'<li><a href="#{place}">{page_text(name)}</a></li>' for place, name in _sections(report))
    return (
        f'<header><h1>{page_text(title(report))}</h1><dl class="facts">{listed}</dl>'
        f"<p{alarm}>{page_text(first)}</p>{lines}</header>"
        f'<dl class="cards">{cards}</dl>'
        f'<nav aria-label="Parts of this report"><ul>{links}</ul></nav>'
        '<p class="failure alarm" role="alert" hidden></p>'
        "<noscript><p>The figures need JavaScript, which is in this file; the tables do not.</p></noscript>"
        f'{findings_html(report)}<h2 id="operations">Operations</h2>{operations_html(report)}'
    )


def _short_head(report: Report) -> str:
    first = warnings(report)[0]
    described = ", ".join(f"{name} {text}" for name, text in facts(report) if name != "command")
    return (
        f'<p class="soft">{page_text(described)}; {page_text(first)}</p>'
        '<p class="failure alarm" role="alert" hidden></p>'
    )


def _sections(report: Report) -> list[tuple[str, str]]:
    tables = [("slowest", "Slowest operations")]
    if report.unfinished:
        tables.append(("unfinished", "In flight at the end"))
    if report.connections.total:
        tables.append(("connection-table", "Table of connections"))
    tables.append(("thread-table", "Table of threads"))
    if report.summary.rings:
        tables.append(("ring-table", "Rings"))
    return [
        ("findings", "Findings"),
        ("operations", "Operations"),
        *((f"figure-{name}", kind.title) for name, kind in FIGURES.items()),
        *tables,
    ]


def time_bar(first_ns: int, ended_ns: int) -> str:
    """What shows and sets the time of all figures over time."""
    first, ended = first_ns / 1e9, ended_ns / 1e9
    buttons = "".join(
        f'<button type="button" data-action="{action}"{label}>{text}</button>'
        for action, text, label in (
            ("in", "+", ' aria-label="zoom in"'),
            ("out", "−", ' aria-label="zoom out"'),
            ("left", "◀", ' aria-label="earlier"'),
            ("right", "▶", ' aria-label="later"'),
            ("all", "all", ' aria-label="whole capture"'),
        )
    )
    return (
        '<div class="time" role="group" aria-label="Time shown by all figures over time">'
        f'<label>from <input class="from" type="number" step="any" value="{first!r}"> s</label>'
        f'<label>to <input class="to" type="number" step="any" value="{ended!r}"> s</label>'
        f"{buttons}"
        '<span class="soft">keys on a figure: + − ← → 0</span></div>'
    )


def _figure(report: Report, name: str) -> str:
    kind = FIGURES[name]
    words = page_text(kind.words(report))
    before = after = ""
    if name == "timeline":
        before, after = _timeline_keys(), _windows(report)
    if name == "heat-map":
        options = "".join(f"<option>{page_text(choice)}</option>" for choice, _ in heat_choices(report))
        if options:
            before = f'<p><label>Operations <select class="heat-choice">{options}</select></label></p>'
    return (
        f'<section><h2 id="figure-{name}">{page_text(kind.title)}</h2>{before}'
        f'<figure><div class="plot" data-figure="{name}" role="img" tabindex="0" '
        f'aria-label="{page_text(kind.title)}: {words}"></div>'
        f"<figcaption>{words}</figcaption></figure>{after}</section>"
    )


def _timeline_keys() -> str:
    families = "".join(
        f'<li><i style="background:{FAMILY_COLOURS[family]}"></i>{family}</li>' for family in FAMILIES
    )
    return (
        f'<ul class="keys" aria-label="Colours and patterns">{families}'
        "<li>plain: path inline</li><li>stripes: poll</li><li>crosses: io-wq</li><li>red edge: failed</li>"
        "<li>▾ wake-up</li><li>◆ readiness</li></ul>"
        '<p class="timeline-said" role="status"></p>'
    )


def _windows(report: Report) -> str:
    lanes = report.lanes
    if lanes.complete:
        return ""
    buttons = "".join(
        f'<li><button type="button" data-window="{window.began_ns / 1e9!r} {window.ended_ns / 1e9!r}">'
        f"{window.began_ns / 1e9:.6f} s, {numbers.duration(window.ended_ns - window.began_ns)}: "
        f"{page_text(window.reason)}</button></li>"
        for window in lanes.windows
    )
    return f'<p>Windows of which every operation is in this file:</p><ul class="windows">{buttons}</ul>'
