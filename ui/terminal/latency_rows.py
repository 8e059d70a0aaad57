"""Latency histograms as few rows of bars, which they share; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.statistics import BUCKETS, SUBBUCKETS, bucket_edges
from uringtrace.ui.terminal.marks import bar
from uringtrace.ui.text import numbers

_GROUPS = (SUBBUCKETS // 4, SUBBUCKETS // 2, SUBBUCKETS, 2 * SUBBUCKETS, 4 * SUBBUCKETS)
"""Buckets in one row: from a quarter of a power of two to four powers."""


_LABEL = len("12.3µs to 24.6µs")
_BESIDE_BAR = len("  " + "  " + "  >99.9%")
"""Columns that belong to a bar besides its count."""
_SHORTEST = 6


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """Latencies from `low_ns` to below `high_ns`; None: however long."""

    low_ns: int
    high_ns: int | None
    counts: tuple[int, ...]
    """Of each histogram."""


def latency_rows(histograms: Sequence[NDArray[np.uint64]], most: int) -> Sequence[LatencyRow]:
    """From the shortest latency to the longest of all, in about `most` rows at most, empty ones between
    included."""
    filled = np.flatnonzero(np.logical_or.reduce([histogram > 0 for histogram in histograms]))
    if not filled.size:
        return []
    first, last = int(filled[0]), int(filled[-1])
    group = next((size for size in _GROUPS if last // size - first // size < most), _GROUPS[-1])
    edges = bucket_edges()
    rows = []
    for begin in range(first // group * group, last + 1, group):
        end = min(begin + group, BUCKETS)
        high = None if end == BUCKETS else int(edges[end])
        counts = tuple(int(histogram[begin:end].sum()) for histogram in histograms)
        rows.append(LatencyRow(int(edges[begin]), high, counts))
    return rows


def latency_lines(histograms: Mapping[str, NDArray[np.uint64]], most: int, width: int) -> list[str]:
    """`12.3µs to 24.6µs  ████▌  1,234  45.1%` for each row, the bars sharing what is left of `width`.

    Of several histograms, by title, the titles stand above, and one is beside the other.
    """
    rows = latency_rows(list(histograms.values()), most)
    if not rows:
        return []
    columns = list(zip(*(row.counts for row in rows), strict=True))
    sizes = [len(numbers.count(max(counts))) for counts in columns]
    space = max((width - _LABEL - sum(sizes) - len(sizes) * _BESIDE_BAR) // len(sizes), _SHORTEST)
    labels = [
        (numbers.duration(row.low_ns), "longer" if row.high_ns is None else numbers.duration(row.high_ns))
        for row in rows
    ]
    lines = [f"{low:>6} to {high:>6}" for low, high in labels]
    title = " " * _LABEL
    for name, counts, size in zip(histograms, columns, sizes, strict=True):
        title += f"  {name:<{space + size + _BESIDE_BAR - 2}}"
        whole, top = sum(counts) or 1, max(counts) or 1
        for place, count in enumerate(counts):
            share = numbers.share(count / whole)
            lines[place] += f"  {_bar(count / top, space)}  {count:>{size},}  {share:>6}"
    return [title.rstrip(), *lines] if len(columns) > 1 else lines


def shortest_width(histograms: Sequence[NDArray[np.uint64]]) -> int:
    """Columns that `latency_lines` needs for these."""
    sizes = [len(numbers.count(int(histogram.sum()))) for histogram in histograms]
    return _LABEL + sum(sizes) + len(sizes) * (_BESIDE_BAR + _SHORTEST)


def _bar(share: float, width: int) -> str:
    """What occurs at all is never blank."""
    drawn = bar(share, width)
    return "▏".ljust(width) if share > 0 and not drawn.strip() else drawn
