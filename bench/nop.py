"""Nanoseconds that each competitor adds to a NOP operation.

The program times its own loop, so attaching does not count. In every round all
competitors run once, one after the other, and each is compared with that round's
untraced run; the median over the rounds is reported. What slows the machine for a
while thus meets all of them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.competitors import REFERENCE, UNTRACED, Competitor
from bench.launch import Failed, measured, run

SECONDS = 120


@dataclass(frozen=True, slots=True)
class Row:
    """One competitor's result; times are None when it did not run, and `skipped` says why."""

    name: str
    ns_per_operation: float | None
    added_ns: float | None
    ratio: float | None
    """Added cost through the reference's added cost, when both are known."""
    goal: float | None
    skipped: str
    rounds: tuple[float, ...]
    """Nanoseconds per operation of each round."""


def measure_nop(
    program: Path,
    batch: int,
    contenders: Sequence[Competitor],
    rounds: int,
    progress: Callable[[str], None],
) -> tuple[Row, ...]:
    """Run all rounds; the first row is the untraced program. One that fails once is left out."""
    skipped = {contender.name: contender.missing for contender in contenders}
    times: dict[str, list[float]] = {contender.name: [] for contender in (UNTRACED, *contenders)}
    for number in range(rounds):
        progress(f"nop: round {number + 1} of {rounds}")
        for contender in (UNTRACED, *contenders):
            if skipped.get(contender.name):
                continue
            try:
                times[contender.name].append(_once(contender, program, batch))
            except Failed as failure:
                skipped[contender.name] = failure.reason
    untraced = times[UNTRACED.name]
    added = {
        name: statistics.median(traced - plain for traced, plain in zip(values, untraced, strict=True))
        for name, values in times.items()
        if len(values) == rounds and name != UNTRACED.name
    }
    return tuple(
        _row(contender, times[contender.name], added, skipped.get(contender.name, ""))
        for contender in (UNTRACED, *contenders)
    )


def _once(contender: Competitor, program: Path, batch: int) -> float:
    arguments = [str(program), str(contender.operations), str(batch)]
    output = run(contender.command(arguments), SECONDS).stdout
    return float(measured(output)["ns_per_operation"])


def _row(contender: Competitor, times: Sequence[float], added: dict[str, float], skipped: str) -> Row:
    reference = added.get(REFERENCE)
    own = added.get(contender.name)
    return Row(
        name=contender.name,
        ns_per_operation=statistics.median(times) if times else None,
        added_ns=own,
        ratio=own / reference if own is not None and reference else None,
        goal=contender.goal,
        skipped=skipped,
        rounds=tuple(times),
    )
