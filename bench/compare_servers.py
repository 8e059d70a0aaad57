"""`python -m bench.compare_servers`: strace and uringtrace on every reference server, for docs/compare.md.

Of each server the rate under the same load without anybody, with `strace -f` and with `uringtrace stat
--connections`, which streams every operation; and a run under `uringtrace compare`, with an exact
number of requests, for what each side sees. The table in the document is written anew.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.attachers import ATTACHED
from bench.launch import REPOSITORY, URINGTRACE, Failed
from bench.processes import Attacher, attached, running
from bench.servers import Server, load_on, serving
from uringtrace.targets.catalogue import ARCHITECTURES, Architecture
from uringtrace.targets.support import support

DOCUMENT = REPOSITORY / "docs" / "compare.md"
BEGIN, END = "<!-- begin: make compare-servers -->", "<!-- end: make compare-servers -->"
REQUESTS = 1000
"""Of the run that is compared call by call."""
SECONDS = 2
"""Of load per measurement of a rate."""
ROUNDS = 3
_COMPARING = "with strace, which is attached"


@dataclass(frozen=True, slots=True)
class Seen:
    """What both sides saw of an exact load."""

    strace_calls: int
    operations: int
    by_count: float | None
    """Part of the operations that strace saw, 0 to 1."""
    by_bytes: float | None
    by_connections: float | None
    unexplained: int
    """Lines and operations that only one side has for no known reason."""
    lost: int


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One server; None is what was not measured, and `skipped` says why."""

    name: str
    seen: Seen | None
    strace_slowdown: float | None
    uringtrace_slowdown: float | None
    skipped: str = ""


def compared(architecture: Architecture, requests: int = REQUESTS) -> Seen:
    """The server under `uringtrace compare --once`, while exactly so many requests are answered."""
    with serving(architecture) as server:
        words = ("compare", "--once", "--yes", "--json", "-d", "100", "-p", server.pids)
        with running([*URINGTRACE, *words]) as comparing:
            comparing.wait_for(_COMPARING)
            answered = load_on(architecture, server, "--requests", str(requests))["requests"]["answered"]
            if answered != requests:
                raise Failed(f"{answered} of {requests} requests were answered")
            comparing.end(signal.SIGINT)
            return seen_of(_object(comparing.text()))


def _object(text: str) -> dict[str, Any]:
    for line in text.splitlines():
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    raise Failed("the comparison printed nothing")


def seen_of(report: dict[str, Any]) -> Seen:
    """From the object of `compare --json`. Raises `Failed` where strace was not attached."""
    comparison = report["comparison"]
    if comparison is None:
        raise Failed(report["why_not"])
    alone = (comparison["only_uringtrace"], comparison["only_strace"])
    return Seen(
        comparison["strace_calls"],
        comparison["operations"]["happened"],
        comparison["operations"]["coverage"],
        comparison["bytes"]["coverage"],
        comparison["connections"]["coverage"],
        sum(each.get("unexplained", 0) for each in alone),
        report["lost_total"],
    )


def rates(architecture: Architecture, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Requests per second without anybody, under strace and under uringtrace, in interleaved rounds."""
    found: tuple[list[float], list[float], list[float]] = ([], [], [])
    with serving(architecture) as server:
        # Before any load: later there may be children that have ended already.
        pids = server.pids
        for _ in range(rounds):
            found[0].append(_rate(architecture, server))
            for place, tracer in ((1, strace), (2, uringtrace)):
                with attached(tracer(pids), server.process.pid):
                    found[place].append(_rate(architecture, server))
    return found


def _rate(architecture: Architecture, server: Server) -> float:
    return float(load_on(architecture, server, "-d", str(SECONDS))["rate"])


def slowdown(alone: Sequence[float], observed: Sequence[float]) -> float | None:
    """Of the medians; None where the rounds of both overlap, so that they do not tell."""
    if min(alone) <= max(observed) and min(observed) <= max(alone):
        return None
    return statistics.median(alone) / statistics.median(observed)


def strace(pids: str) -> Attacher:
    targets = [word for pid in pids.split(",") for word in ("-p", pid)]
    command = ("strace", "-f", "-o", "/dev/null", *targets)
    return Attacher("strace -f", lambda pid: command, " attached")


def uringtrace(pids: str) -> Attacher:
    command = (*URINGTRACE, "stat", "--connections", "-f", "-p", pids)
    return Attacher("uringtrace stat --connections", lambda pid: command, ATTACHED)


def measured(architecture: Architecture, rounds: int = ROUNDS) -> ComparedRow:
    """All runs of one server; interleaved, and of each the median."""
    if lacks := support(architecture).lacks:
        return ComparedRow(architecture.name, None, None, None, lacks)
    try:
        alone, traced, streamed = rates(architecture, rounds)
        seen = compared(architecture)
    except Failed as failure:
        return ComparedRow(architecture.name, None, None, None, failure.reason)
    return ComparedRow(architecture.name, seen, slowdown(alone, traced), slowdown(alone, streamed))


def table_lines(rows: Sequence[ComparedRow]) -> Iterator[str]:
    """The table in Markdown."""
    yield (
        "| server | calls strace saw | operations | coverage: count | bytes | connections "
        "| slowdown: strace | uringtrace |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in rows:
        if row.seen is None:
            yield f"| `{row.name}` | – | – | – | – | – | – | {row.skipped} |"
            continue
        seen = row.seen
        cells = (
            f"{seen.strace_calls:,}",
            f"{seen.operations:,}",
            *(_share(part) for part in (seen.by_count, seen.by_bytes, seen.by_connections)),
            _factor(row.strace_slowdown),
            _factor(row.uringtrace_slowdown),
        )
        yield f"| `{row.name}` | {' | '.join(cells)} |"


def _share(part: float | None) -> str:
    """Rounded so that neither none nor all is claimed where it is not so."""
    if part is None:
        return "–"
    return f"{part:.0%}" if part in (0, 1) else f"{min(0.999, max(0.001, part)):.1%}"


def _factor(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×" if value < 9.995 else f"{value:.1f}×"


def section(rows: Sequence[ComparedRow], version: str | None, rounds: int) -> str:
    """What stands between the marks in the document."""
    unexplained = sum(row.seen.unexplained for row in rows if row.seen)
    lost = sum(row.seen.lost for row in rows if row.seen)
    return "\n".join(
        [
            BEGIN,
            f"{REQUESTS:,} requests each; Linux {os.uname().release}, {os.cpu_count()} processors, "
            f"strace {version or 'unknown'}; rates are",
            f"medians of {rounds} rounds of {SECONDS} s. Only one side has, for no known reason: "
            f"{unexplained:,}. Records lost: {lost:,}.",
            "",
            *table_lines(rows),
            END,
        ]
    )


def with_section(document: str, new: str) -> str:
    """The document with the section in place of the one it has."""
    before, _, rest = document.partition(BEGIN)
    return before + new + rest.partition(END)[2]


def main(names: Sequence[str]) -> int:
    """Measure all servers, or the named ones without writing the document."""
    from uringtrace.tracer.compare.strace_process import version

    chosen = [ARCHITECTURES[name] for name in names] or list(ARCHITECTURES.values())
    rows = []
    for architecture in chosen:
        print(f"compare: {architecture.name}", file=sys.stderr, flush=True)
        rows.append(measured(architecture))
    new = section(rows, version(), ROUNDS)
    if not names:
        DOCUMENT.write_text(with_section(DOCUMENT.read_text(), new))
    print(new)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
