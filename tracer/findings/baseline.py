"""`regression`: what a capture costs more than an earlier one, beyond what chance explains.

Counts for each request are compared as rates of independent events (the variance of a count is
the count), shares as proportions, quantiles by the ranks between which the true one lies. A
difference is reported where it is larger than `LEAST` and than `SIGMAS` standard deviations.
Invariant: two captures of one thing at one load differ by chance alone; where the load differs,
costs for each request may, so that both counts of requests are said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.findings.finding import (
    Confidence,
    Evidence,
    Finding,
    Severity,
    Subject,
    Verdict,
    found,
    not_applicable,
)
from uringtrace.tracer.findings.measured import Measured
from uringtrace.tracer.statistics import bucket_edges

TAG = "regression"
FEWEST = 100
"""Requests in each of the two."""
LEAST = 0.10
"""Of the earlier value."""
LEAST_SHARE = 0.05
"""By which a share has to grow."""
SIGMAS = 4.0
"""One false alarm in ten thousand comparisons and more."""
_QUANTILES = ((0.5, "p50"), (0.99, "p99"))


@dataclass(frozen=True, slots=True)
class _Worse:
    name: str
    before: float
    now: float
    text: str


def compare(before: Measured, now: Measured) -> Verdict:
    """The verdict of the one rule that needs two captures."""
    if min(before.requests, now.requests) < FEWEST:
        return not_applicable(TAG, f"{FEWEST} answered requests in this capture and in the baseline")
    worse = [
        *_rate("system calls", before.calls, before.requests, now.calls, now.requests),
        *_rate("io_uring operations", before.operations, before.requests, now.operations, now.requests),
        *_share(before, now),
        *_quantiles(before.histogram, now.histogram),
    ]
    return found(TAG, [_finding(each, before, now) for each in worse])


def _rate(what: str, count: int, requests: int, now: int, requests_now: int) -> list[_Worse]:
    rate, rate_now = count / requests, now / requests_now
    deviation = math.sqrt(max(count, 1) / requests**2 + max(now, 1) / requests_now**2)
    if rate_now - rate <= max(LEAST * rate, SIGMAS * deviation):
        return []
    text = f"{rate_now:.2f} {what} for each request, {rate:.2f} in the baseline"
    return [_Worse(f"{what} per request", rate, rate_now, text)]


def _share(before: Measured, now: Measured) -> list[_Worse]:
    if not before.operations or not now.operations:
        return []
    share, share_now = before.on_workers / before.operations, now.on_workers / now.operations
    pooled = (before.on_workers + now.on_workers) / (before.operations + now.operations)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / before.operations + 1 / now.operations))
    if share_now - share <= max(LEAST_SHARE, SIGMAS * deviation):
        return []
    text = f"{share_now:.0%} of the operations on worker threads, {share:.0%} in the baseline"
    return [_Worse("share of io-wq", share, share_now, text)]


def _quantiles(before: NDArray[np.uint64], now: NDArray[np.uint64]) -> list[_Worse]:
    worse = []
    for quantile, name in _QUANTILES:
        _, middle, high = _between(before, quantile)
        low, middle_now, _ = _between(now, quantile)
        if low > high and middle_now > (1 + LEAST) * middle:
            text = f"{name} of the time to the first byte {middle_now / 1e6:.2f} ms"
            text += f", {middle / 1e6:.2f} ms in the baseline"
            worse.append(_Worse(f"{name} of requests", middle, middle_now, text))
    return worse


def _between(histogram: NDArray[np.uint64], quantile: float) -> tuple[float, float, float]:
    """A quantile, and bounds of the true one, by the ranks that a binomial leaves it."""
    total = int(histogram.sum())
    ranks = np.cumsum(histogram)
    spread = SIGMAS * math.sqrt(quantile * (1 - quantile) * total)
    edges = bucket_edges()

    def at(rank: float, side: int) -> float:
        place = int(np.searchsorted(ranks, min(max(math.ceil(rank), 1), total)))
        return float(edges[place + side])

    middle = quantile * total
    high = at(middle + spread, 1) if middle + spread <= total else math.inf
    return at(middle - spread, 0), at(middle, 0), high


def _finding(worse: _Worse, before: Measured, now: Measured) -> Finding:
    return Finding(
        TAG,
        Severity.WARNING,
        Confidence.HIGH,
        f"more than in the baseline: {worse.name}",
        Subject(),
        (
            Evidence(worse.text, {"measure": worse.name, "before": worse.before, "now": worse.now}),
            Evidence(
                f"of {now.requests:,} requests, {before.requests:,} in the baseline",
                {"requests": now.requests, "requests_before": before.requests},
            ),
        ),
        "The difference is larger than chance explains, and than a tenth.",
        "Compare the two captures: uringtrace stat on each, uringtrace log for what is new.",
    )
