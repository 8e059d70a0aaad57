"""Who is compared on NOP operations, and how each is started around the program."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.launch import URINGTRACE

FAST = 5_000_000
SLOW = 500_000
REFERENCE = "bpftrace histogram"
"""Whose added cost is 1.0."""


@dataclass(frozen=True, slots=True)
class Competitor:
    """One row: `prefix` is put before the program's command line."""

    name: str
    prefix: tuple[str, ...]
    operations: int = FAST
    """How many operations a run takes; fewer for the slow ones."""
    joined: bool = False
    """The program's command line is one argument (`bpftrace -c`)."""
    missing: str = ""
    """Why it cannot run here; empty when it can."""
    goal: float | None = None
    """Largest ratio to the reference that the project aims at."""

    def command(self, program: Sequence[str]) -> list[str]:
        return [*self.prefix, " ".join(program) if self.joined else "--", *(() if self.joined else program)]


UNTRACED = Competitor("untraced", ("env",))
"""env(1) takes `--` and then becomes the program."""


def competitors(folder: Path) -> tuple[Competitor, ...]:
    """All rows but the untraced one; output they insist on goes into `folder`."""
    record = ("record", "--force", "-o", str(folder / "recording"))
    perf_events = ("perf", "record", "-q", "-e", "io_uring:*", "-o", str(folder / "perf.data"))
    return (
        Competitor("uringtrace floor", (sys.executable, "-m", "bench.floor")),
        Competitor("uringtrace stat", (*URINGTRACE, "stat"), goal=0.45),
        Competitor("uringtrace record", (*URINGTRACE, *record), goal=0.75),
        _bpftrace(folder),
        _peer("perf record io_uring:*", perf_events, SLOW),
        _peer("perf trace", ("perf", "trace", "-o", str(folder / "perf.txt")), SLOW),
        _peer("strace -f", ("strace", "-f", "-o", "/dev/null"), SLOW),
    )


def _peer(name: str, prefix: tuple[str, ...], operations: int) -> Competitor:
    return Competitor(name, prefix, operations, missing=_missing(prefix[0]))


def _missing(program: str) -> str:
    return "" if shutil.which(program) else f"{program} is not installed"


def _bpftrace(folder: Path) -> Competitor:
    """A latency histogram with two probes: raw tracepoints where bpftrace has them (0.19)."""
    missing = _missing("bpftrace")
    if missing:
        return Competitor(REFERENCE, ("bpftrace",), missing=missing)
    if "rawtracepoint:" in _listed("rawtracepoint:io_uring_*"):
        kind, submitted, completed = "rawtracepoint", "arg0", "arg1"
    else:
        kind, submitted, completed = "tracepoint:io_uring", "args->req", "args->req"
    # Until Linux 6.2 the tracepoint had another name.
    submit = "req" if "io_uring_submit_req" in _listed("tracepoint:io_uring:*") else "sqe"
    script = folder / "histogram.bt"
    script.write_text(
        f"{kind}:io_uring_submit_{submit} {{ @started[{submitted}] = nsecs; }}\n"
        f"{kind}:io_uring_complete /@started[{completed}]/ {{\n"
        f"    @latency = hist(nsecs - @started[{completed}]);\n"
        f"    delete(@started[{completed}]);\n"
        "}\n"
    )
    return Competitor(REFERENCE, ("bpftrace", str(script), "-c"), joined=True)


def _listed(pattern: str) -> str:
    command = ["timeout", "-k", "1", "20", "bpftrace", "-l", pattern]
    return subprocess.run(command, capture_output=True, text=True).stdout
