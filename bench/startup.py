"""How long the tool takes to start: to its help, and to the traced command's first instruction."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.launch import URINGTRACE, Failed, run

SECONDS = 30


@dataclass(frozen=True, slots=True)
class Startup:
    """Medians over the rounds."""

    attached_seconds: float | None
    """From the start of `uringtrace stat` to that of its command, which runs only once all
    probes are attached; date(1)'s own start, about a millisecond, is included."""
    skipped: str
    """Why attaching could not be measured; empty when it was."""
    help_seconds: float


def measure_startup(rounds: int, progress: Callable[[str], None]) -> Startup:
    """Start everything `rounds` times. Raises `Failed` when not even the help can be shown."""
    progress(f"start-up: {rounds} rounds")
    help_seconds = statistics.median(_help_seconds() for _ in range(rounds))
    try:
        attached = statistics.median(_attached_seconds() for _ in range(rounds))
    except Failed as failure:
        return Startup(None, failure.reason, help_seconds)
    return Startup(attached, "", help_seconds)


def _help_seconds() -> float:
    started = time.monotonic()
    run((*URINGTRACE, "--help"), SECONDS)
    return time.monotonic() - started


def _attached_seconds() -> float:
    started_ns = time.time_ns()
    output = run((*URINGTRACE, "stat", "--", "date", "+first instruction %s%N"), SECONDS).stdout
    for line in output.splitlines():
        if line.startswith("first instruction "):
            return (int(line.split()[-1]) - started_ns) / 1e9
    raise Failed("the traced command printed nothing")
