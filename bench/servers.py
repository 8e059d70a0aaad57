"""Requests per second of every reference server under the same load, and what a request costs it.

Two kinds of runs: untraced ones for the rate, in interleaved rounds, and one under
`uringtrace stat`, which counts system calls and operations. Servers that bind a worker to a
connection get as many workers as there are connections; `iterative` has one, so there each
request comes on a connection of its own.
"""

from __future__ import annotations

import json
import signal
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.http import CONNECTIONS
from bench.launch import URINGTRACE, Failed, run
from bench.processes import Attacher, Running, attached, running
from uringtrace.targets.catalogue import ARCHITECTURES, Architecture
from uringtrace.targets.support import support

SECONDS = 1
"""Of load per measurement of a rate."""
COUNTED_REQUESTS = 5000
"""Of the run that is counted: as many for all, since connections cost something, too."""
_LONGEST_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request cost, counted over one run."""

    calls: float
    """System calls."""
    operations: float
    """Of io_uring."""


@dataclass(frozen=True, slots=True)
class ServerRow:
    """One server; numbers are None where it did not run, and `skipped` says why."""

    name: str
    per_second: float | None
    """Median of the rounds."""
    cost: Cost | None
    skipped: str
    rounds: tuple[float, ...]


def measure_servers(rounds: int, folder: Path, progress: Callable[[str], None]) -> tuple[ServerRow, ...]:
    """One row for each server of the catalogue, in its order."""

    def rate(architecture: Architecture) -> float:
        progress(f"servers: {architecture.name}")
        with serving(architecture) as server:
            return float(load_on(architecture, server, "-d", str(SECONDS))["rate"])

    def cost(architecture: Architecture) -> Cost:
        progress(f"servers: {architecture.name}, counting")
        return _counted(architecture, folder / f"{architecture.name}.json")

    return rows_of(tuple(ARCHITECTURES.values()), rounds, rate, cost)


def rows_of(
    architectures: Sequence[Architecture],
    rounds: int,
    rate: Callable[[Architecture], float],
    cost: Callable[[Architecture], Cost],
) -> tuple[ServerRow, ...]:
    """All rounds, then the counting runs; who fails once is left out.

    `rate` and `cost` measure one server each, or raise `Failed`.
    """
    skipped = {each.name: support(each).lacks for each in architectures}
    rates: dict[str, list[float]] = {each.name: [] for each in architectures}
    costs: dict[str, Cost] = {}
    for number in range(rounds):
        # The order alternates, so that none always has the machine another has warmed.
        for each in architectures if number % 2 == 0 else reversed(architectures):
            if not skipped[each.name]:
                try:
                    rates[each.name].append(rate(each))
                except Failed as failure:
                    skipped[each.name] = failure.reason
    for each in architectures:
        if not skipped[each.name]:
            try:
                costs[each.name] = cost(each)
            except Failed as failure:
                skipped[each.name] = failure.reason
    return tuple(
        ServerRow(
            name,
            None if skipped[name] else statistics.median(measured),
            costs.get(name),
            skipped[name],
            tuple(measured),
        )
        for name, measured in rates.items()
    )


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    process: Running
    address: str

    @property
    def pids(self) -> str:
        """Of the server and of the workers that it has forked, as `-p` takes them."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return ",".join([str(pid), *children])


@contextmanager
def serving(architecture: Architecture) -> Iterator[Server]:
    """The server for a while. Raises `Failed` when it does not start, or does not end well."""
    workers = ("--workers", str(CONNECTIONS)) if architecture.binds_workers else ()
    with running([*URINGTRACE, "serve", architecture.name, *workers]) as process:
        process.wait_for("\n")
        yield Server(process, json.loads(process.text().splitlines()[0])["listening"])
        process.end(signal.SIGTERM)


def load_on(architecture: Architecture, server: Server, *amount: str) -> dict[str, Any]:
    """What the load generator says; wrk makes the load where it can. Raises `Failed`."""
    url = f"{'https' if architecture.tls else 'http'}://{server.address}/"
    one_each = ("--new-connections",) if architecture.binds_workers and not architecture.workers else ()
    options = ("--connections", str(CONNECTIONS), *amount, *one_each, "--engine", "auto", "--json")
    result: dict[str, Any] = json.loads(run((*URINGTRACE, "load", url, *options), _LONGEST_SECONDS).stdout)
    failed = sum(number for number in result["errors"].values() if number)
    if failed:
        raise Failed(f"{failed} requests failed")
    return result


def _counted(architecture: Architecture, output: Path) -> Cost:
    with serving(architecture) as server:
        command = (*URINGTRACE, "stat", "-f", "-p", server.pids, f"--json={output}")
        with attached(Attacher("stat", lambda pid: command, ready="Ctrl-C to end"), server.process.pid):
            amount = ("--requests", str(COUNTED_REQUESTS))
            requests = load_on(architecture, server, *amount)["requests"]["answered"]
    totals = json.loads(output.read_text())["totals"]
    return Cost(*(totals[interface]["completions"] / requests for interface in ("syscall", "io_uring")))
