"""A latency histogram as few rows of bars; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.statistics import BUCKETS, SUBBUCKETS, bucket_edges
from uringtrace.ui.terminal.marks import bar
from uringtrace.ui.text import numbers

_GROUPS = (SUBBUCKETS // 4, SUBBUCKETS // 2, SUBBUCKETS, 2 * SUBBUCKETS, 4 * SUBBUCKETS)
"""Buckets in one row: from a quarter of a power of two to four powers."""


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """Latencies from `low_ns` to below `high_ns`; None: however long."""

    low_ns: int
    high_ns: int | None
    count: int


def latency_rows(histogram: NDArray[np.uint64], most: int) -> Sequence[LatencyRow]:
    """From the shortest latency to the longest, in about `most` rows at most, empty ones between included."""
    filled = np.flatnonzero(histogram)
    if not filled.size:
        return []
    first, last = int(filled[0]), int(filled[-1])
    group = next((size for size in _GROUPS if last // size - first // size < most), _GROUPS[-1])
    edges = bucket_edges()
    rows = []
    for begin in range(first // group * group, last + 1, group):
        end = min(begin + group, BUCKETS)
        high = None if end == BUCKETS else int(edges[end])
        rows.append(LatencyRow(int(edges[begin]), high, int(histogram[begin:end].sum())))
    return rows


def latency_lines(histogram: NDArray[np.uint64], most: int, width: int) -> list[str]:
    """`12.3µs to 24.6µs  ████▌  1,234  45.1%` for each row, the bars sharing what is left of `width`."""
    rows = latency_rows(histogram, most)
    whole = sum(row.count for row in rows)
    if not whole:
        return []
    top = max(row.count for row in rows)
    labels = [
        (numbers.duration(row.low_ns), "longer" if row.high_ns is None else numbers.duration(row.high_ns))
        for row in rows
    ]
    counts = [numbers.count(row.count) for row in rows]
    size = max(map(len, counts))
    space = max(width - 19 - size - 9, 4)
    return [
        f"{low:>6} to {high:>6}  {_bar(row.count / top, space)}  {count:>{size}}  "
        f"{numbers.share(row.count / whole):>6}"
        for row, (low, high), count in zip(rows, labels, counts, strict=True)
    ]


def _bar(share: float, width: int) -> str:
    """What occurs at all is never blank."""
    drawn = bar(share, width)
    return "▏".ljust(width) if share > 0 and not drawn.strip() else drawn
