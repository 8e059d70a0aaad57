"""Share of fio's operations per second that is left in counting mode: cached random reads."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.launch import URINGTRACE, run

SECONDS = 60
SIZE = "256M"
"""More than the processor's caches hold, little enough to stay in the page cache."""


@dataclass(frozen=True, slots=True)
class FioRatio:
    """Medians over the rounds, of short runs that alternate."""

    untraced_iops: float
    traced_iops: float
    ratio: float
    """Median of the rounds' ratios."""


def measure_fio(folder: Path, rounds: int, progress: Callable[[str], None]) -> FioRatio | str:
    """Measure with short runs, or say why not. Raises `Failed` when a run does."""
    if shutil.which("fio") is None:
        return "fio is not installed"
    # The first run lays the file out, and reading it once all through leaves it cached.
    _iops(folder, (), "--rw=read")
    untraced, traced = [], []
    for number in range(rounds):
        progress(f"fio: round {number + 1} of {rounds}")
        timed = ("--rw=randread", "--time_based", "--runtime=500ms")
        # The order alternates, so that neither always has the machine the other has warmed.
        for with_tracer in (False, True) if number % 2 else (True, False):
            if with_tracer:
                traced.append(_iops(folder, (*URINGTRACE, "stat", "--"), *timed))
            else:
                untraced.append(_iops(folder, (), *timed))
    ratios = [with_ / without for with_, without in zip(traced, untraced, strict=True)]
    return FioRatio(statistics.median(untraced), statistics.median(traced), statistics.median(ratios))


def _iops(folder: Path, prefix: tuple[str, ...], *options: str) -> float:
    output = folder / "fio.json"
    job = (
        "--name=cached",
        f"--filename={folder / 'fio.data'}",
        "--ioengine=io_uring",
        f"--size={SIZE}",
        "--bs=4k",
        "--iodepth=32",
        "--invalidate=0",
        "--thread",
        "--output-format=json",
        f"--output={output}",
    )
    run((*prefix, "fio", *job, *options), SECONDS)
    return float(json.loads(output.read_text())["jobs"][0]["read"]["iops"])
