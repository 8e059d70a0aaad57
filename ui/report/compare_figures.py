"""The figures of a comparison: rates of both sides, and one timeline for each, on one axis of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.compare.excerpt import Entry
from uringtrace.tracer.compare.report import CompareReport
from uringtrace.tracer.record import Kind
from uringtrace.tracer.strace.batches import UNKNOWN_NS
from uringtrace.ui.report.colours import SERIES, pale
from uringtrace.ui.report.harmless import figure_text
from uringtrace.ui.report.look import SECONDS, ordinary
from uringtrace.ui.text import numbers
from uringtrace.ui.text.compare_columns import Texts
from uringtrace.ui.text.compare_summary import WHY_OURS, WHY_THEIRS

RATES, STRACE, OURS = "rates", "strace", "uringtrace"
"""Names of the figures."""
STEPS = 240
_BOTH, _ALONE = SERIES[2], SERIES[1]
_LANE, _LEAST_HEIGHT = 26, 120


def figures(report: CompareReport, texts: Texts) -> dict[str, Any]:
    """The data of all figures, as `report.js` takes it."""
    drawn: dict[str, Any] = {RATES: _rates(report)}
    if report.comparison is not None and report.log is not None:
        lanes = {tid: place for place, tid in enumerate(sorted({entry.tid for entry in report.entries}))}
        drawn[STRACE] = _timeline(report, lanes, _strace_bars(report, texts), "strace")
        drawn[OURS] = _timeline(report, lanes, _our_bars(report, texts), "uringtrace")
    return {
        "first": 0.0,
        "ended": report.duration_s,
        "figures": drawn,
        "overTime": list(drawn),
    }


def seconds(report: CompareReport, moment_ns: int) -> float:
    """Since the capture began."""
    return (moment_ns - report.context.started_ns) / 1e9


def excerpt_s(report: CompareReport) -> tuple[float, float] | None:
    """From the first to the last entry that is drawn; None without any."""
    if not report.entries:
        return None
    return seconds(report, report.entries[0].at_ns), seconds(report, report.entries[-1].at_ns)


def rates_of(report: CompareReport) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Edges of the steps in seconds, and per step what ended, and the lines that strace wrote."""
    edges = np.linspace(0, max(report.duration_s, 1e-9), STEPS + 1)
    rows = report.ours.rows
    ended = rows["completed_ns"][rows["kind"] == Kind.COMPLETION]
    happened = np.histogram((ended - report.context.started_ns) / 1e9, edges)[0]
    lines = np.zeros(STEPS, np.int64)
    if report.comparison is not None and report.comparison.alignment.by_time:
        begun = report.comparison.begin_ns
        begun = begun[begun != UNKNOWN_NS]
        lines = np.histogram((begun - report.context.started_ns) / 1e9, edges)[0]
    return edges, happened, lines


def _rates(report: CompareReport) -> dict[str, Any]:
    edges, happened, lines = rates_of(report)
    width = edges[1] - edges[0]
    layout = _layout(report, y="per second", height=280)
    series = (("operations that happened", happened, SERIES[0]), ("lines of strace", lines, SERIES[1]))
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": edges[:-1].tolist(),
            "y": (counts / width).tolist(),
            "line": {"shape": "hv", "width": 1.5, "color": colour},
            "hovertemplate": "%{y:,.4~g}/s",
        }
        for name, counts, colour in series
    ]
    return {"data": data, "layout": {**layout, "hovermode": "x unified"}}


def _layout(report: CompareReport, *, y: str, height: int) -> dict[str, Any]:
    """Over the time of the capture, with that of strace shaded."""
    layout = ordinary(height=height, x=SECONDS, y=y, xaxis={"range": [0, report.duration_s]})
    if report.comparison is not None:
        began, ended = (seconds(report, moment) for moment in report.comparison.window_ns)
        shade = pale(SERIES[1], 0.12)
        layout["shapes"] = [
            {"type": "rect", "yref": "paper", "x0": began, "x1": ended, "y0": 0, "y1": 1, "layer": "below",
             "fillcolor": shade, "line": {"width": 0}}
        ]  # fmt: skip
    return layout


Bar = tuple[Entry, float, float, str, bool]
"""The entry, when it began and how long it took in seconds, what to say of it, and whether both have it."""


def _strace_bars(report: CompareReport, texts: Texts) -> list[Bar]:
    comparison, log = report.comparison, report.log
    assert comparison is not None
    assert log is not None
    bars = []
    for entry in report.entries:
        if entry.call is None or entry.line is None:
            continue
        row = log.rows[entry.call]
        began_ns, took_ns = int(comparison.begin_ns[entry.call]), max(0, int(row["duration_ns"]))
        if began_ns == UNKNOWN_NS or not comparison.alignment.by_time:
            began_ns = entry.at_ns
        words = [figure_text(texts.left.get(entry.line, "")), f"line {entry.line}, thread {entry.tid}"]
        if entry.row is None:
            words.append(f"only strace: {WHY_THEIRS[entry.only_theirs]}")
        bars.append(
            (entry, seconds(report, began_ns), took_ns / 1e9, "<br>".join(words), entry.row is not None)
        )
    return bars


def _our_bars(report: CompareReport, texts: Texts) -> list[Bar]:
    bars = []
    for entry in report.entries:
        if entry.row is None:
            continue
        row = report.ours.rows[entry.row]
        ended_ns = int(row["completed_ns"])
        # What a multishot operation waited since its submission is not what this completion took.
        began_ns = int(row["submitted_ns"]) if entry.call is not None else entry.at_ns
        took_ns = max(0, ended_ns - began_ns) if began_ns else 0
        words = [figure_text(texts.right.get(entry.row, "")), f"thread {entry.tid}"]
        if entry.call is None:
            words.append(f"only uringtrace: {WHY_OURS[entry.only_ours]}")
        bars.append(
            (
                entry,
                seconds(report, began_ns or ended_ns),
                took_ns / 1e9,
                "<br>".join(words),
                entry.call is not None,
            )
        )
    return bars


def _timeline(
    report: CompareReport, lanes: Mapping[int, int], bars: Sequence[Bar], side: str
) -> dict[str, Any]:
    height = max(_LEAST_HEIGHT, 76 + _LANE * max(1, len(lanes)))
    layout = _layout(report, y="thread", height=height)
    layout["barmode"] = "overlay"
    layout["yaxis"] |= {
        "tickmode": "array",
        "tickvals": list(lanes.values()),
        "ticktext": [str(tid) for tid in lanes],
        "range": [-0.6, max(0.6, len(lanes) - 0.4)],
        "fixedrange": True,
    }
    data = [
        _bars(lanes, [bar for bar in bars if bar[4]], "seen by both", _BOTH),
        _bars(lanes, [bar for bar in bars if not bar[4]], f"only {side}", _ALONE),
    ]
    return {"data": data, "layout": layout}


def _bars(lanes: Mapping[int, int], bars: Sequence[Bar], name: str, colour: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "base": [began for _, began, _, _, _ in bars],
        "x": [took for _, _, took, _, _ in bars],
        "y": [lanes[entry.tid] for entry, *_ in bars],
        "width": 0.7,
        "hovertext": [words for _, _, _, words, _ in bars],
        "hoverinfo": "text",
        # An edge, so that what took no time is seen.
        "marker": {"color": colour, "line": {"width": 1, "color": colour}},
    }


def words_of(report: CompareReport) -> dict[str, str]:
    """Each figure in a sentence."""
    comparison = report.comparison
    drawn = len(report.entries)
    said = {RATES: "Operations that ended, and lines that strace wrote, per second; shaded: with strace."}
    if comparison is None:
        return said
    whole = comparison.operations.happened + sum(comparison.only_theirs.values())
    part = "all" if drawn >= whole else f"the first {numbers.count(drawn)} of {numbers.count(whole)}"
    left = sum(entry.call is not None for entry in report.entries)
    right = sum(entry.row is not None for entry in report.entries)
    said[STRACE] = f"What strace shows of {part} calls and operations: {numbers.count(left)} lines."
    said[OURS] = f"What happened, of {part} calls and operations: {numbers.count(right)}."
    return said
