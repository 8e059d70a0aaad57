"""Rates beside tracers as shares of the untraced rate.

In every round all run once, one after the other, and each is compared with that round's
untraced run; the median over the rounds is reported.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.launch import Failed
from bench.processes import Attacher

UNTRACED = Attacher("untraced", lambda pid: ())


@dataclass(frozen=True, slots=True)
class Share:
    """One row; rates are None when it did not run, and `skipped` says why."""

    name: str
    per_second: float | None
    share: float | None
    """Median of the rounds' ratios to untraced; None for untraced itself."""
    goal: float | None
    skipped: str
    rounds: tuple[float, ...]
    """Rate of each round."""


def measure_shares(
    tracers: Sequence[Attacher], rounds: int, rate: Callable[[Attacher], float]
) -> tuple[Share, ...]:
    """Run all rounds; the first row is `UNTRACED`. One that fails once is left out.

    `rate` measures one: a rate per second, or raises `Failed`. Raises `Failed` itself when
    the untraced rate cannot be had.
    """
    rows = (UNTRACED, *tracers)
    skipped = {tracer.name: tracer.missing for tracer in rows}
    rates: dict[str, list[float]] = {tracer.name: [] for tracer in rows}
    for number in range(rounds):
        # The order alternates, so that none always has the machine another has warmed.
        for tracer in rows if number % 2 == 0 else reversed(rows):
            if skipped[tracer.name]:
                continue
            try:
                rates[tracer.name].append(rate(tracer))
            except Failed as failure:
                if tracer is UNTRACED:
                    raise
                skipped[tracer.name] = failure.reason
    return tuple(
        _share(tracer, rates[tracer.name], rates[UNTRACED.name], skipped[tracer.name]) for tracer in rows
    )


def _share(tracer: Attacher, rates: Sequence[float], untraced: Sequence[float], skipped: str) -> Share:
    if skipped or not rates:
        return Share(tracer.name, None, None, tracer.goal, skipped, tuple(rates))
    share = None
    if tracer is not UNTRACED:
        share = statistics.median(with_ / without for with_, without in zip(rates, untraced, strict=True))
    return Share(tracer.name, statistics.median(rates), share, tracer.goal, "", tuple(rates))
