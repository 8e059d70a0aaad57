"""Streaming to a recording at full speed: what was lost, and how much memory it took."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.launch import REPOSITORY, URINGTRACE, Failed, limited, measured, reason_of, run

SECONDS = 300
_POLL_SECONDS = 0.2
"""Reading a process's memory takes its lock: seldom enough not to slow it."""


@dataclass(frozen=True, slots=True)
class Streaming:
    """One recording of the NOP program."""

    operations: int
    """What the program says it did."""
    rows: int
    """What the recording holds."""
    lost: int
    ns_per_operation: float
    seconds: float
    """From start to a finished recording."""
    private_bytes: int
    """Largest sum of the tracer's processes' private memory (USS) while the program ran."""
    finishing_private_bytes: int
    """The same after the program's end, while the recording was finished."""


def measure_streaming(
    program: Path, operations: int, batch: int, folder: Path, progress: Callable[[str], None]
) -> Streaming:
    """Record one run. Raises `Failed`."""
    progress(f"streaming: {operations:,} operations")
    recording = folder / "streamed"
    command = (*URINGTRACE, "record", "-o", str(recording), "--")
    target = (str(program), str(operations), str(batch))
    log = folder / "streaming.log"
    started = time.monotonic()
    with (
        log.open("w") as errors,
        subprocess.Popen(
            limited((*command, *target), SECONDS),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=REPOSITORY,
        ) as process,
    ):
        assert process.stdout is not None
        private_bytes = finishing_private_bytes = 0
        while process.poll() is None:
            now, running = _private_bytes(process.pid, program)
            if running:
                private_bytes = max(private_bytes, now)
            elif private_bytes:
                finishing_private_bytes = max(finishing_private_bytes, now)
            time.sleep(_POLL_SECONDS)
        output = process.stdout.read()
    if process.returncode != 0:
        raise Failed(reason_of(process.returncode, log.read_text()))
    did = measured(output)
    meta = json.loads((recording / "meta.json").read_text())
    return Streaming(
        operations=int(did["operations"]),
        rows=_rows(recording),
        lost=sum(meta["lost"].values()),
        ns_per_operation=float(did["ns_per_operation"]),
        seconds=time.monotonic() - started,
        private_bytes=private_bytes,
        finishing_private_bytes=finishing_private_bytes,
    )


def _rows(recording: Path) -> int:
    sql = "SELECT count(*) AS rows FROM operations"
    return int(json.loads(run((*URINGTRACE, "query", str(recording), sql, "--json"), 60).stdout)["rows"])


def _private_bytes(pid: int, program: Path) -> tuple[int, bool]:
    """Private memory of the tracer's processes, and whether the traced program runs."""
    total, running = 0, False
    try:
        processes = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return total, running
    for process in processes:
        try:
            if process.exe() == str(program):
                running = True
            else:
                total += process.memory_full_info().uss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total, running
