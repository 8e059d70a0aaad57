"""Connections as a waterfall: a bar each, from beginning to end, in the order in which they began."""

from __future__ import annotations

import plotly.graph_objects as go

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.report.model import Report
from uringtrace.ui.report.harmless import figure_text
from uringtrace.ui.report.look import over_time
from uringtrace.ui.text import numbers
from uringtrace.ui.text.connections_table import state_word

ENDS = {
    "open at the end": "#2d7fb8",
    "closed by the target": "#1b9173",
    "closed by the peer": "#a98600",
    "reset or failed": "#d0342c",
    "closed": "#8c8c8c",
}
"""How a connection ended, and its colour."""
_WORDS = {"local": "closed by the target", "remote": "closed by the peer", "reset": "reset or failed"}


def end_of(connection: Connection) -> str:
    """One of ENDS."""
    if connection.is_open:
        return "open at the end"
    if connection.closed_by == "failed":
        return "reset or failed"
    return _WORDS.get(connection.closed_by or "", "closed")


def waterfall_figure(report: Report) -> go.Figure:
    """Those of the table; what was open before the capture begins with it."""
    started = report.context.started_ns
    ordered = sorted(report.connections.shown, key=lambda each: (each.began_ns or 0, each.number))
    figure = go.Figure(
        layout=over_time(
            report,
            y="connection",
            height=min(900, 130 + 9 * max(8, len(ordered))),
            barmode="overlay",
            bargap=0.15,
            yaxis={"autorange": "reversed", "showticklabels": False, "showgrid": False},
        )
    )
    figure.update_layout(hovermode="closest")
    for end, colour in ENDS.items():
        chosen = [(place, each) for place, each in enumerate(ordered) if end_of(each) == end]
        if not chosen:
            continue
        base = [((each.began_ns or started) - started) / 1e9 for _, each in chosen]
        until = [
            report.ended_ns / 1e9 if each.ended_ns is None else (each.ended_ns - started) / 1e9
            for _, each in chosen
        ]
        figure.add_trace(
            go.Bar(
                orientation="h",
                y=[place for place, _ in chosen],
                base=base,
                x=[max(0.0, last - first) for first, last in zip(base, until, strict=True)],
                marker={"color": colour, "line": {"width": 1, "color": colour}},
                name=end,
                hovertext=[connection_words(each, started, started + report.ended_ns) for _, each in chosen],
                hoverinfo="text",
            )
        )
    return figure


def connection_words(connection: Connection, started_ns: int, ended_ns: int) -> str:
    """Lines with `<br>` between them; the capture's moments are of CLOCK_MONOTONIC."""
    before = "≥ " if connection.began_ns is None else ""
    age = connection.age_ns(started_ns, ended_ns)
    lines = [
        f"<b>#{connection.number} {figure_text(connection.remote or connection.local or 'unnamed')}</b>",
        f"{connection.role or 'role not known'}, {connection.protocol}, {state_word(connection)}",
        f"{before}{numbers.duration(age)}, {numbers.size(connection.bytes_in)} in, "
        f"{numbers.size(connection.bytes_out)} out",
    ]
    if connection.requests is not None:
        lines.append(f"{numbers.count(connection.requests)} requests")
    return "<br>".join(lines)


def waterfall_words(report: Report) -> str:
    """The same in a sentence."""
    table = report.connections
    if not table.total:
        return "No connection was seen."
    shown = "" if len(table.shown) == table.total else f" The {len(table.shown):,} that moved most are shown."
    return (
        f"{numbers.count(table.total)} connections: {numbers.count(table.opened)} opened, "
        f"{numbers.count(table.before)} from before, {numbers.count(table.failed)} failed, "
        f"{numbers.count(table.closed)} closed, {numbers.count(table.open)} open at the end.{shown}"
    )
