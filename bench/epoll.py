"""Share of an epoll server's requests per second that is left while it is traced.

The server has one thread and answers wrk over connections that are kept alive: about two and
a half system calls per request. wrk takes the second processor, and tracers that hand
records over want some of it, too, as they would on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.attachers import of_the_target
from bench.http import serving
from bench.launch import Failed
from bench.processes import Attacher, attached, missing
from bench.shares import UNTRACED, Share, measure_shares

SECONDS = 2
"""Of load per measurement."""


def measure_epoll(
    program: Path, rounds: int, folder: Path, progress: Callable[[str], None]
) -> tuple[Share, ...]:
    """One row per tracer. Raises `Failed`."""
    if missing("wrk"):
        raise Failed(missing("wrk"))

    def rate(tracer: Attacher) -> float:
        progress(f"epoll: {tracer.name}")
        with serving(program) as server:
            if tracer is UNTRACED:
                return server.requests_per_second(SECONDS)
            with attached(tracer, server.pid):
                return server.requests_per_second(SECONDS)

    return measure_shares(of_the_target(folder), rounds, rate)
