"""Share of its speed that a process keeps while another, idle process is traced.

Tracepoints of system calls are hit by every process of the machine, and the filter is what
those pay who are not the target. How much that is depends on how little the call itself does,
so it is shown for several: from one that does nothing to a server that answers requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bench.attachers import of_another
from bench.http import serving
from bench.launch import measured, run
from bench.processes import Attacher, attached, missing, running
from bench.shares import UNTRACED, Share, measure_shares

KINDS = ("getppid", "pread", "pipe", "tcp")
"""Of `calls`, from the shortest call to the longest."""
SERVER = "server"
SECONDS = 0.5
_SERVER_SECONDS = 1


def measure_bystander(
    calls: Path, server: Path, rounds: int, folder: Path, progress: Callable[[str], None]
) -> Mapping[str, tuple[Share, ...]]:
    """For each kind of bystander, one row per tracer of the idle process. Raises `Failed`."""
    kinds = KINDS if missing("wrk") else (*KINDS, SERVER)

    def measure(kind: str) -> tuple[Share, ...]:
        def rate(tracer: Attacher) -> float:
            progress(f"bystander: {kind} beside {tracer.name}")
            with running(["sleep", "600"]) as idle:
                if tracer is UNTRACED:
                    return _rate(kind, calls, server)
                with attached(tracer, idle.pid):
                    return _rate(kind, calls, server)

        return measure_shares(of_another(folder), rounds, rate)

    return {kind: measure(kind) for kind in kinds}


def _rate(kind: str, calls: Path, server: Path) -> float:
    if kind == SERVER:
        with serving(server) as listening:
            return listening.requests_per_second(_SERVER_SECONDS)
    output = run([str(calls), kind, str(SECONDS)], 30).stdout
    return float(measured(output, "kind")["calls_per_second"])
