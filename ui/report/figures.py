"""All figures of a report: what each is called, drawn by, and what it says in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import plotly.graph_objects as go

from uringtrace.tracer.report.model import Report
from uringtrace.ui.report.latency import (
    heat_map_figure,
    heat_map_words,
    histogram_figure,
    histogram_words,
    latency_words,
    percentile_figure,
)
from uringtrace.ui.report.shares import paths_figure, paths_words, threads_figure, threads_words
from uringtrace.ui.report.throughput import (
    in_flight_figure,
    in_flight_words,
    throughput_figure,
    throughput_words,
)
from uringtrace.ui.report.timeline import timeline_figure
from uringtrace.ui.report.timeline_words import timeline_words
from uringtrace.ui.report.waterfall import waterfall_figure, waterfall_words


@dataclass(frozen=True, slots=True)
class FigureKind:
    """One figure of every report."""

    title: str
    draw: Callable[[Report], go.Figure]
    words: Callable[[Report], str]
    """The text alternative, plain text: not made harmless."""
    over_time: bool
    """Its x axis is the time of the capture, and it is zoomed together with the others."""


def _timeline(report: Report) -> go.Figure:
    return timeline_figure(report.lanes)


FIGURES: Mapping[str, FigureKind] = {
    "throughput": FigureKind("Throughput", throughput_figure, throughput_words, True),
    "timeline": FigureKind("Timeline", _timeline, timeline_words, True),
    "in-flight": FigureKind("In flight", in_flight_figure, in_flight_words, True),
    "heat-map": FigureKind("Latency over time", heat_map_figure, heat_map_words, True),
    "percentiles": FigureKind("Latency percentiles", percentile_figure, latency_words, False),
    "histogram": FigureKind("Latency histogram", histogram_figure, histogram_words, False),
    "paths": FigureKind("Paths", paths_figure, paths_words, False),
    "connections": FigureKind("Connections", waterfall_figure, waterfall_words, True),
    "threads": FigureKind("Threads", threads_figure, threads_words, False),
}
"""In the order of the page."""
