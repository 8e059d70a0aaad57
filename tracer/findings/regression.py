"""Whether a capture is worse than an earlier one of the same program under the same load.

Each measure is one number of a whole capture: a ratio of sums, or a quantile. How sure a difference is
comes from the moving block bootstrap (Künsch 1989): slices of time are drawn with replacement, in blocks
of neighbours since what happens in one second depends on the second before, and the measure is worked out
again. A bootstrap, and not a rank test over slices, because it asks about the very number that is shown,
whatever its distribution. Worse is what is worse by more than TOLERATED in all but half a percent of
the draws. Invariant: with too few slices or requests, or with lost records, there is no verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

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
from uringtrace.tracer.findings.regression_samples import Samples
from uringtrace.tracer.statistics import bucket_edges

DRAWS = 2_000
INTERVAL = (0.5, 99.5)
"""Percentiles of the draws between which the difference lies."""


class Unit(StrEnum):
    """What a measure counts in."""

    PER_REQUEST = "per request"
    NANOSECONDS = "ns"
    SHARE = "share"


TOLERATED = {Unit.PER_REQUEST: 1.05, Unit.NANOSECONDS: 1.1, Unit.SHARE: 0.02}
"""What a difference has to be beyond: ratios, of shares the difference itself. Times have buckets that are
1/16 wide, so that equal ones may seem to differ by as much."""
FEWEST_SLICES = 12
FEWEST_REQUESTS = 100
FEWEST_BEYOND = 20
"""Requests that must lie beyond a quantile."""
_SEED = 20_071_212
_MIDDLES = (bucket_edges()[:-1] + bucket_edges()[1:]) / 2

Measure = Callable[[Samples, NDArray[np.int64]], NDArray[np.float64]]
"""The measure of each draw. `weights` say how often each slice was drawn, shape (draws, slices)."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure of two captures."""

    tag: str
    """Of the finding, where it is worse."""
    name: str
    unit: Unit
    before: float | None = None
    now: float | None = None
    low: float | None = None
    """The difference lies between `low` and `high`: now / before, of shares now - before."""
    high: float | None = None
    is_worse: bool = False
    missing: str | None = None
    """Why there is no verdict."""


@dataclass(frozen=True, slots=True)
class _Kind:
    tag: str
    name: str
    unit: Unit
    measure: Measure
    lacks: Callable[[Samples], str | None]
    why: str
    advice: str


def compare(before: Samples, now: Samples) -> tuple[Compared, ...]:
    """Every measure; the same captures give the same answer."""
    return tuple(_compared(kind, before, now) for kind in _KINDS)


def verdicts(compared: tuple[Compared, ...]) -> tuple[Verdict, ...]:
    """One for each measure, as of a rule."""
    return tuple(_verdict(each, kind) for each, kind in zip(compared, _KINDS, strict=True))


def _compared(kind: _Kind, before: Samples, now: Samples) -> Compared:
    for which, samples in (("the baseline", before), ("this capture", now)):
        lacking = _lacks(samples) or kind.lacks(samples)
        if lacking is not None:
            return Compared(kind.tag, kind.name, kind.unit, missing=f"{lacking} in {which}")
    random = np.random.default_rng(_SEED)
    old, new = (_drawn(kind.measure, samples, random) for samples in (before, now))
    difference = new[1:] - old[1:] if kind.unit is Unit.SHARE else _ratio(new[1:], old[1:])
    low, high = np.percentile(difference, INTERVAL).tolist()
    return Compared(
        kind.tag,
        kind.name,
        kind.unit,
        float(old[0]),
        float(new[0]),
        low,
        high,
        is_worse=low > TOLERATED[kind.unit],
    )


def _drawn(measure: Measure, samples: Samples, random: np.random.Generator) -> NDArray[np.float64]:
    """The measure of the whole capture, then of each draw; shape (1 + DRAWS,)."""
    slices = len(samples.requests)
    block = max(1, round(slices ** (1 / 3)))
    starts = random.integers(0, slices, (DRAWS, -(-slices // block)))
    chosen = ((starts[:, :, None] + np.arange(block)) % slices).reshape(DRAWS, -1)[:, :slices]
    rows = np.repeat(np.arange(DRAWS), slices)
    weights = np.zeros((1 + DRAWS, slices), np.int64)
    np.add.at(weights, (1 + rows, chosen.ravel()), 1)
    weights[0] = 1
    return measure(samples, weights)


def _ratio(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where both are 0: nothing has changed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = over / under
    ratio[(over == 0) & (under == 0)] = 1.0
    known: NDArray[np.float64] = np.nan_to_num(ratio, nan=1.0, posinf=np.finfo(float).max)
    return known


def _per_request(name: str) -> Measure:
    def measure(samples: Samples, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        return _ratio(
            (weights @ getattr(samples, name)).astype(float), (weights @ samples.requests).astype(float)
        )

    return measure


def _share_of_operations(name: str) -> Measure:
    def measure(samples: Samples, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        total = np.maximum(weights @ samples.operations, 1)
        share: NDArray[np.float64] = (weights @ getattr(samples, name)) / total
        return share

    return measure


def _quantile(per_mille: int) -> Measure:
    def measure(samples: Samples, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        used = np.flatnonzero(samples.times.any(axis=0))
        # As floats: numpy multiplies matrices of integers without BLAS.
        counts = np.cumsum(weights.astype(float) @ samples.times[:, used].astype(float), axis=1)
        rank = np.ceil(counts[:, -1:] * per_mille / 1000)
        middle: NDArray[np.float64] = _MIDDLES[used[(counts < rank).sum(axis=1)]]
        return middle

    return measure


def _lacks(samples: Samples) -> str | None:
    if samples.lost:
        return f"all records: {samples.lost:,} were lost"
    if len(samples.requests) < FEWEST_SLICES:
        return f"{FEWEST_SLICES} slices of {samples.slice_ns / 1e9:g} s"
    return None


def _lacks_requests(samples: Samples) -> str | None:
    return None if samples.requests.sum() >= FEWEST_REQUESTS else f"{FEWEST_REQUESTS} requests"


def _lacks_operations(samples: Samples) -> str | None:
    if not samples.sees_operations:
        return "operations of io_uring"
    return _lacks_requests(samples)


def _lacks_calls(samples: Samples) -> str | None:
    return _lacks_requests(samples) if samples.sees_calls else "system calls"


def _lacks_completions(samples: Samples) -> str | None:
    few = samples.operations.sum() < FEWEST_REQUESTS
    return f"{FEWEST_REQUESTS} completions of io_uring" if few else None


def _lacks_beyond(per_mille: int) -> Callable[[Samples], str | None]:
    least = max(FEWEST_REQUESTS, FEWEST_BEYOND * 1000 // (1000 - per_mille))
    return lambda samples: None if samples.requests.sum() >= least else f"{least:,} requests"


_MORE = "Each costs processor time and, of calls, a switch into the kernel: the same load needs more of it."
_LOOK = (
    "Compare `uringtrace stat` of both recordings: the operations whose counts grew with the requests are "
    "those that were added."
)
_SLOWER = "Whoever asks waits longer."
_LOOK_TIME = "Compare the slowest operations in `uringtrace report` of both recordings, on the same load."
_KINDS = (
    _Kind(
        "more-operations-per-request",
        "io_uring operations per request",
        Unit.PER_REQUEST,
        _per_request("operations"),
        _lacks_operations,
        _MORE,
        _LOOK,
    ),
    _Kind(
        "more-calls-per-request",
        "system calls per request",
        Unit.PER_REQUEST,
        _per_request("calls"),
        _lacks_calls,
        _MORE,
        _LOOK,
    ),
    _Kind(
        "slower-requests",
        "time to the first byte, half of the requests within",
        Unit.NANOSECONDS,
        _quantile(500),
        _lacks_beyond(500),
        _SLOWER,
        _LOOK_TIME,
    ),
    _Kind(
        "slower-requests-p99",
        "time to the first byte, 99% of the requests within",
        Unit.NANOSECONDS,
        _quantile(990),
        _lacks_beyond(990),
        _SLOWER,
        _LOOK_TIME,
    ),
    _Kind(
        "more-io-wq",
        "share of completions that worker threads brought",
        Unit.SHARE,
        _share_of_operations("punted"),
        _lacks_completions,
        "A worker costs two switches of threads for each operation, and one thread for each that blocks.",
        "See io-wq-punts in docs/findings.md.",
    ),
    _Kind(
        "more-poll",
        "share of completions that had to wait for readiness",
        Unit.SHARE,
        _share_of_operations("polled"),
        _lacks_completions,
        "More operations find their socket not ready and are tried twice. With less load that is to be "
        "expected.",
        "Compare the load of both captures first.",
    ),
)
_HARMLESS = frozenset({"more-poll"})
"""May as well come of the load: worth knowing, and no more."""


def _verdict(compared: Compared, kind: _Kind) -> Verdict:
    if compared.missing is not None:
        return not_applicable(kind.tag, compared.missing)
    if not compared.is_worse:
        return found(kind.tag, [])
    finding = Finding(
        kind.tag,
        Severity.INFO if kind.tag in _HARMLESS else Severity.WARNING,
        Confidence.HIGH,
        f"more than in the baseline: {kind.name}",
        Subject(),
        (
            Evidence(
                f"{in_words(compared.now, kind.unit)} now, {in_words(compared.before, kind.unit)} before",
                {"now": compared.now, "before": compared.before},
            ),
            Evidence(
                f"the difference is {difference_words(compared)}, with 99% confidence",
                {"low": compared.low, "high": compared.high},
            ),
        ),
        kind.why,
        kind.advice,
    )
    return found(kind.tag, [finding])


def in_words(value: float | None, unit: Unit) -> str:
    """A value with its unit."""
    if value is None:
        return "–"
    if unit is Unit.SHARE:
        return f"{value:.1%}"
    return f"{value / 1e6:,.3f} ms" if unit is Unit.NANOSECONDS else f"{value:,.2f}"


def difference_words(compared: Compared) -> str:
    """`+10.0% to +14.2%`; of shares in points."""
    if compared.low is None or compared.high is None:
        return "–"
    if compared.unit is Unit.SHARE:
        return f"{100 * compared.low:+.1f} to {100 * compared.high:+.1f} points"
    low, high = (
        f"{each - 1:+.1%}" if each < 1000 else "from nothing" for each in (compared.low, compared.high)
    )
    return f"{low} to {high}"
