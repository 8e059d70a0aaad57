"""A histogram of times as the numbers a person compares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.statistics import quantile_ns, upper_bound_ns


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Nanoseconds from a beginning to an end; quantiles within `statistics.RESOLUTION`."""

    count: int
    """Of operations: those with a latency, not multishot, not silent."""
    mean_ns: float
    p50_ns: float | None
    p90_ns: float | None
    p99_ns: float | None
    p999_ns: float | None
    max_ns: int | None
    """Exact. None when only part of a capture is summed up and its maximum is not its own."""
    max_bound_ns: int | None
    """None took longer; None when the histogram's last, open bucket is used."""


def latency_summary(
    count: int, sum_ns: int, max_ns: int, histogram: NDArray[np.uint64]
) -> LatencySummary | None:
    """None for a `count` of 0. `max_ns` 0 stands for not known, unless nothing took any time."""
    if count == 0:
        return None
    bound_ns = upper_bound_ns(histogram)
    known = max_ns > 0 or bound_ns == 0
    p50_ns, p90_ns, p99_ns, p999_ns = (quantile_ns(histogram, rank, max_ns) for rank in (500, 900, 990, 999))
    return LatencySummary(
        count=count,
        mean_ns=sum_ns / count,
        p50_ns=p50_ns,
        p90_ns=p90_ns,
        p99_ns=p99_ns,
        p999_ns=p999_ns,
        max_ns=max_ns if known else None,
        max_bound_ns=max_ns if known else bound_ns,
    )
