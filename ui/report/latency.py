"""Latencies: percentiles in the manner of HDR histograms, their histogram, and a heat map over time."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from uringtrace.tracer.report.model import Latencies, Report
from uringtrace.tracer.statistics import BUCKETS, SUBBUCKETS, bucket_edges
from uringtrace.tracer.summary import IO_URING, SYSCALL
from uringtrace.ui.report.colours import SERIES, pale
from uringtrace.ui.report.harmless import figure_text
from uringtrace.ui.report.look import latency_axis, ordinary, over_time
from uringtrace.ui.text import numbers

MOST_SERIES = 8
_FEW_POINTS = 4
"""So few make no line that can be seen."""
_STRENGTH = [[0, pale(SERIES[0], 0.2)], [0.7, SERIES[0]], [1, SERIES[1]]]
"""Reads on a light and on a dark page."""
HEAT_MAPS = 10
"""Operations with a heat map of their own, beside those of each interface."""
COARSE = 4
"""Buckets of the statistics that make one of the histogram and of the heat map: 4 per power of two."""
_EDGES = bucket_edges()
_QUANTILES = (0, 50, 90, 99, 99.9, 99.99, 99.999)


def histogram_of(latencies: Latencies, places: list[int]) -> NDArray[np.int64]:
    """How many latencies of these operations are in each bucket, shape (BUCKETS,)."""
    chosen = np.isin(latencies.operation, places)
    counts = np.bincount(latencies.bucket[chosen], latencies.count[chosen].astype(np.float64), BUCKETS)
    return counts.astype(np.int64)


def timed_places(report: Report) -> list[int]:
    """Operations that have latencies, most of them first."""
    counts = np.bincount(
        report.latencies.operation,
        report.latencies.count.astype(np.float64),
        minlength=len(report.operations),
    )
    return [place for place in np.argsort(-counts, kind="stable").tolist() if counts[place]]


def percentile_figure(report: Report) -> go.Figure:
    """The latency that a share of the operations did not exceed; the axis opens up towards all of them."""
    ticks = [1 / (1 - quantile / 100) for quantile in _QUANTILES]
    figure = go.Figure(
        layout=ordinary(
            height=340,
            x="percentile",
            y="latency",
            xaxis={
                "type": "log",
                "tickmode": "array",
                "tickvals": ticks,
                "ticktext": [f"{quantile:g}%" for quantile in _QUANTILES],
            },
            yaxis=latency_axis(),
            hovermode="closest",
        )
    )
    for order, place in enumerate(timed_places(report)[:MOST_SERIES]):
        inverse, latency, text = percentile_points(histogram_of(report.latencies, [place]))
        figure.add_trace(
            go.Scatter(
                x=inverse,
                y=latency,
                name=figure_text(report.operations[place].name),
                line={"shape": "hv", "width": 1.6, "color": SERIES[order % len(SERIES)]},
                mode="lines" if len(text) > _FEW_POINTS else "lines+markers",
                text=text,
                hovertemplate="%{text}",
            )
        )
    return figure


def percentile_points(
    histogram: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Of each filled bucket: 1 / (1 - share before it), its middle in seconds, and words."""
    filled = np.flatnonzero(histogram)
    whole = int(histogram.sum())
    middle = np.maximum((_EDGES[filled] + _EDGES[filled + 1] - 1) / 2, 0.5)
    cumulated = np.cumsum(histogram[filled])
    before = cumulated - histogram[filled]
    text = [
        f"{share:.6g}% took up to {numbers.duration(float(value))}"
        for share, value in zip((100 * cumulated / whole).tolist(), middle.tolist(), strict=True)
    ]
    return whole / (whole - before), middle / 1e9, text


def histogram_figure(report: Report) -> go.Figure:
    """How many operations took how long, in buckets of a quarter of a power of two."""
    figure = go.Figure(
        layout=ordinary(
            height=320,
            x="latency",
            y="operations",
            xaxis=latency_axis(),
            yaxis={"type": "log"},
            hovermode="closest",
        )
    )
    edges = coarse_edges()
    for order, place in enumerate(timed_places(report)[:MOST_SERIES]):
        counts = coarse(histogram_of(report.latencies, [place]))
        filled = np.flatnonzero(counts)
        shown = np.arange(filled[0], filled[-1] + 1)
        text = [
            f"{count:,} took {_span(edges, each)}"
            for each, count in zip(shown.tolist(), counts[shown].tolist(), strict=True)
        ]
        figure.add_trace(
            go.Scatter(
                x=np.maximum(edges[shown], 1) / 1e9,
                y=np.where(counts[shown] > 0, counts[shown], np.nan),
                name=figure_text(report.operations[place].name),
                mode="lines+markers",
                marker={"size": 4},
                line={"shape": "hv", "width": 1.4, "color": SERIES[order % len(SERIES)]},
                text=text,
                hovertemplate="%{text}",
            )
        )
    return figure


def _span(edges: NDArray[np.int64], place: int) -> str:
    low, high = float(edges[place]), float(edges[place + 1])
    return f"{numbers.duration(low)} to {numbers.duration(high)}"


def coarse(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums of COARSE buckets, along the last axis."""
    sums: NDArray[np.int64] = counts.reshape(*counts.shape[:-1], BUCKETS // COARSE, COARSE).sum(axis=-1)
    return sums


def coarse_edges() -> NDArray[np.int64]:
    """Their smallest values in nanoseconds and, last, the first value beyond; shape (n + 1,)."""
    edges: NDArray[np.int64] = _EDGES[::COARSE]
    return edges


def latency_words(report: Report) -> str:
    """The same in a sentence for each of the most frequent operations."""
    known = {operation.opcode: operation.latency for operation in report.summary.operations}
    parts = []
    for place in timed_places(report)[:MOST_SERIES]:
        operation = report.operations[place]
        latency = known[operation.code]
        if latency is not None:
            parts.append(
                f"{operation.name}: half took up to {numbers.duration(latency.p50_ns)}, 99% up to "
                f"{numbers.duration(latency.p99_ns)}, the slowest of {numbers.count(latency.count)} "
                f"{numbers.duration(latency.max_ns)}"
            )
    return "; ".join(parts) + "." if parts else "No operation has a latency."


def heat_choices(report: Report) -> list[tuple[str, list[int]]]:
    """What a heat map can be of, and the operations it then counts."""
    timed = timed_places(report)
    choices = []
    for interface, words in ((IO_URING, "all of io_uring"), (SYSCALL, "all system calls")):
        places = [place for place in timed if report.operations[place].interface == interface]
        if places:
            choices.append((words, places))
    return choices + [(report.operations[place].name, [place]) for place in timed[:HEAT_MAPS]]


def heat_map_figure(report: Report) -> go.Figure:
    """How many operations took how long, when; one trace for each of `heat_choices`, the first visible."""
    latencies = report.latencies
    figure = go.Figure(
        layout=over_time(
            report,
            y="latency",
            height=340,
            yaxis=latency_axis(),
        )
    )
    figure.update_layout(hovermode="closest")
    bucket = latencies.bucket // COARSE
    used = np.unique(bucket)
    if not len(used):
        return figure
    low, high = int(used[0]), int(used[-1]) + 1
    edges = np.maximum(coarse_edges()[low : high + 1], 1) / 1e9
    step_s = latencies.step_ns / 1e9
    for order, (name, places) in enumerate(heat_choices(report)):
        chosen = np.isin(latencies.operation, places)
        counts = np.zeros((high - low, latencies.steps), np.int64)
        np.add.at(counts, (bucket[chosen] - low, latencies.step[chosen]), latencies.count[chosen])
        figure.add_trace(
            go.Heatmap(
                z=np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan).astype(np.float32),
                customdata=counts.astype(np.uint32),
                x0=latencies.first_ns / 1e9 + step_s / 2,
                dx=step_s,
                y=edges,
                colorscale=_STRENGTH,
                hoverongaps=False,
                hovertemplate="%{customdata:,} took about %{y:.3s}s at %{x:.4f} s<extra></extra>",
                name=figure_text(name),
                visible=order == 0,
                showscale=False,
            )
        )
    return figure


def heat_map_words(report: Report) -> str:
    """What a cell is, and the slowest of all."""
    if not report.slowest:
        return "No operation has a latency."
    slowest = report.slowest[0]
    return (
        f"Each cell counts the operations that ended in {numbers.duration(report.latencies.step_ns)} and "
        f"took about as long, in steps of {COARSE / SUBBUCKETS:g} of a power of two; the stronger the more, "
        f"on a logarithmic scale. The slowest of all, {slowest.operation}, took "
        f"{numbers.duration(slowest.took_ns)} and ended at {slowest.completed_ns / 1e9:.3f} s."
    )


def histogram_words(report: Report) -> str:
    """The fullest bucket of each of the most frequent operations."""
    edges = coarse_edges()
    parts = []
    for place in timed_places(report)[:MOST_SERIES]:
        counts = coarse(histogram_of(report.latencies, [place]))
        most = int(counts.argmax())
        parts.append(
            f"{report.operations[place].name}: {counts[most]:,} of {counts.sum():,} took {_span(edges, most)}"
        )
    return "Most took: " + "; ".join(parts) + "." if parts else "No operation has a latency."
