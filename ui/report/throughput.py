"""Results per second over time, and what was in flight: the same steps for both."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from uringtrace.tracer.report.model import Report, Times
from uringtrace.ui.report.colours import FAILED, INTERFACE_COLOURS, SERIES, pale
from uringtrace.ui.report.harmless import figure_text
from uringtrace.ui.report.look import over_time, slider
from uringtrace.ui.text import numbers

MOST_SERIES = 8
"""Operations with an area of their own; the others are one."""


def step_seconds(report: Report) -> NDArray[np.float64]:
    """Length of each step in seconds, shape (steps,): the last one ends with the capture."""
    times = report.times
    width = np.full(times.steps, times.step_ns, np.float64)
    width[-1] = max(1, report.ended_ns - times.first_ns - (times.steps - 1) * times.step_ns)
    seconds: NDArray[np.float64] = (width / 1e9).astype(np.float64)
    return seconds


def _starts(times: Times) -> NDArray[np.float64]:
    return ((times.first_ns + np.arange(times.steps) * times.step_ns) / 1e9).astype(np.float64)


def series_of(report: Report) -> list[tuple[str, NDArray[np.int64]]]:
    """Names, and results per step, of the most frequent operations and of all others together."""
    count = report.times.completions
    order = [place for place in np.argsort(-count.sum(axis=1), kind="stable").tolist() if count[place].any()]
    found = [(report.operations[place].name, count[place]) for place in order[:MOST_SERIES]]
    rest = order[MOST_SERIES:]
    if rest:
        found.append((f"{len(rest)} others", count[rest].sum(axis=0)))
    return found


def throughput_figure(report: Report) -> go.Figure:
    """Results per second, stacked by operation, and errors per second."""
    times = report.times
    width, x = step_seconds(report), _starts(times)
    figure = go.Figure(
        layout=over_time(
            report,
            y="per second",
            height=330,
            xaxis={"rangeslider": slider(report.first_ns, report.ended_ns, thickness=0.12)},
        )
    )
    for place, (name, count) in enumerate(series_of(report)):
        colour = SERIES[place % len(SERIES)]
        figure.add_trace(
            go.Scatter(
                x=x,
                y=count / width,
                name=figure_text(name),
                stackgroup="all",
                line={"shape": "hv", "width": 0.5, "color": colour},
                fillcolor=pale(colour, 0.75),
                hovertemplate="%{y:,.4~g}/s",
            )
        )
    errors = times.errors.sum(axis=0)
    if errors.any():
        figure.add_trace(
            go.Scatter(
                x=x,
                y=errors / width,
                name="errors",
                line={"shape": "hv", "width": 1.5, "color": FAILED, "dash": "dot"},
                hovertemplate="%{y:,.4~g}/s",
            )
        )
    return figure


def throughput_words(report: Report) -> str:
    """The same in a sentence."""
    totals, times = report.summary.totals, report.times
    if not totals.completions:
        return "No operation ended in this capture."
    rates = times.completions.sum(axis=0) / step_seconds(report)
    most = int(rates.argmax())
    return (
        f"{numbers.count(totals.completions)} operations, {numbers.rate(totals.rate)} on average; "
        f"most in the {numbers.duration(times.step_ns)} from {times.start_ns(most) / 1e9:.3f} s on: "
        f"{numbers.rate(float(rates[most]))}. {numbers.count(totals.errors)} ended with an error."
    )


def in_flight_figure(report: Report) -> go.Figure:
    """Operations that went on, on average over each step, by interface."""
    times = report.times
    figure = go.Figure(layout=over_time(report, y="on average", height=260, yaxis={"rangemode": "tozero"}))
    names = (("io_uring", "io_uring operations"), ("syscall", "threads in system calls"))
    for place, (interface, name) in enumerate(names):
        if not times.in_flight[place].any():
            continue
        figure.add_trace(
            go.Scatter(
                x=_starts(times),
                y=times.in_flight[place],
                name=name,
                line={"shape": "hv", "width": 1.5, "color": INTERFACE_COLOURS[interface]},
                hovertemplate="%{y:,.3~f}",
            )
        )
    return figure


def in_flight_words(report: Report) -> str:
    """The same in a sentence."""
    times = report.times
    width = step_seconds(report)
    parts = []
    for place, name in enumerate(("io_uring operations were in flight", "threads were in system calls")):
        series = times.in_flight[place]
        if series.any():
            mean = float((series * width).sum() / width.sum())
            at = times.start_ns(int(series.argmax())) / 1e9
            parts.append(
                f"{_few(mean)} {name} on average, at most {_few(float(series.max()))} from {at:.3f} s on"
            )
    if not parts:
        return "Nothing was in flight."
    return f"{'; '.join(parts)} (averages over {numbers.duration(times.step_ns)}). " + (
        "Operations that end without a completion count nowhere."
        if report.summary.totals.silent
        else "What began before the capture counts from its beginning."
    )


def _few(number: float) -> str:
    """An average in which little is not nothing."""
    return f"{number:,.1f}" if number >= 1 else f"{number:.2g}"
