"""What a report of ten million operations costs: time, memory and the size of its file.

The recording is generated, see `bench.generated`; making it is not part of the time.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench.browsing import open_and_drag
from bench.generated import write_generated
from bench.launch import REPOSITORY, URINGTRACE, Failed, limited, reason_of

OPERATIONS = 10_000_000
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class ReportCost:
    """One run of `uringtrace report`."""

    operations: int
    seconds: float
    """From the start of the command to its end."""
    peak_bytes: int
    """Resident memory at most, DuckDB's included."""
    file_bytes: int
    recording_bytes: int
    open_seconds: float | None = None
    """Until the page can be read in Chromium."""
    frame_ms: float | None = None
    """From frame to frame while the timeline is dragged, 95th percentile."""
    browser_skipped: str = ""


def measure_report(folder: Path, progress: Callable[[str], None], operations: int = OPERATIONS) -> ReportCost:
    """Generate a recording and report it; raises Failed."""
    progress(f"report: generating {operations:,} operations")
    recording = write_generated(folder / "generated", operations)
    page = folder / "report.html"
    progress("report: reporting them")
    command = [*URINGTRACE, "report", str(recording), "-o", str(page), "--force"]
    started = time.monotonic()
    process = subprocess.Popen(
        limited(command, _SECONDS), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=REPOSITORY
    )
    # wait4(2) tells the peak of this one child, and of its own.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    said = process.stderr.read().decode(errors="replace") if process.stderr else ""
    if process.returncode != 0:
        raise Failed(reason_of(process.returncode, said))
    cost = ReportCost(
        operations=operations,
        seconds=seconds,
        peak_bytes=usage.ru_maxrss * 1024,
        file_bytes=page.stat().st_size,
        recording_bytes=sum(each.stat().st_size for each in recording.iterdir()),
    )
    progress("report: opening the page")
    try:
        open_seconds, frame_ms = open_and_drag(page)
    except Failed as failure:
        return replace(cost, browser_skipped=failure.reason)
    return replace(cost, open_seconds=open_seconds, frame_ms=frame_ms)
