"""What a demonstration shows: strace's view beside ours, and whether all counts agree. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from uringtrace.targets.catalogue import Architecture
from uringtrace.tracer.summary import SYSCALL, OperationSummary, Summary
from uringtrace.ui.text import numbers
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.summary_table import counted, latency_cells, loss_line
from uringtrace.ui.text.table import shortened, table

_LEFT_WIDTH = 25
_NAME_WIDTH = 14
_ROWS = 12
"""Of the most frequent; a server at work uses fewer."""
_ACCEPTS = ("ACCEPT", "accept4", "accept")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the capture, the load generator and the server say of the same seconds."""

    architecture: Architecture
    mode: str | None
    summary: Summary
    load: dict[str, Any]
    """As docs/load.md describes it."""
    truth: dict[str, Any]
    """The server's last line (docs/servers.md)."""

    @property
    def given_up(self) -> int:
        """Requests whose answers the client did not wait for; the server may have answered them."""
        return int(self.load["requests"]["unfinished"] + self.load["requests"]["failed"])


def report(seen: Seen, style: Style) -> list[str]:
    """Everything the command prints in the end, in 80 columns."""
    return [
        *_beside(seen.summary, style),
        "",
        *_client_lines(seen),
        loss_line(seen.summary.losses, style),
        "",
        style.heading(headline(seen)),
    ]


def headline(seen: Seen) -> str:
    """What it is all about, in one line."""
    calls = seen.summary.totals.syscall
    parts = [
        f"{counted(seen.truth['requests'], 'request')} answered",
        counted(seen.summary.totals.completions, "operation"),
        counted(calls.completions if calls else 0, "system call"),
    ]
    return ", ".join(parts)


def differences(seen: Seen) -> list[str]:
    """Where the three do not agree, one line each; empty when they do.

    With requests that the client gave up it only must not know of more than the server.
    """
    truth, load = seen.truth, seen.load
    accepted = sum(each.count - each.errors for each in seen.summary.operations if each.name in _ACCEPTS)
    opened, answered = load["connections"]["opened"], load["requests"]["answered"]
    connections, requests = truth["connections"], truth["requests"]
    found = []
    if accepted != connections:
        found.append(f"{accepted:,} accepted connections were captured, the server counted {connections:,}")
    if opened != connections and not seen.given_up:
        found.append(f"the client opened {opened:,} connections, the server counted {connections:,}")
    if not answered <= requests <= answered + seen.given_up:
        found.append(f"the client got {answered:,} answers, the server counted {requests:,}")
    return found


def _beside(summary: Summary, style: Style) -> list[str]:
    operations = [operation for operation in summary.operations if operation.count]
    left = _calls([operation for operation in operations if operation.interface == SYSCALL])
    right = _operations(operations)
    width = max(_LEFT_WIDTH, *map(len, left))
    lines = [f"{one:<{width}}   {other}".rstrip() for one, other in zip_longest(left, right, fillvalue="")]
    return [style.heading(line) for line in lines[:2]] + lines[2:]


def _calls(calls: Sequence[OperationSummary]) -> list[str]:
    """What strace would have seen, by name."""
    rows = [("SYSTEM CALL", "RATE")]
    rows += [(shortened(call.name, _NAME_WIDTH), numbers.rate(call.rate)) for call in calls[:_ROWS]]
    return ["WHAT STRACE SEES", *table(rows), *(_more(calls) if calls else ["nothing"])]


def _operations(operations: Sequence[OperationSummary]) -> list[str]:
    """What happened, with latencies."""
    rows = [("OPERATION", "COUNT", "P50", "P99", "MAX")]
    for operation in operations[:_ROWS]:
        _, p50, _, p99, _, longest = latency_cells(operation.latency)
        name = shortened(operation.name, _NAME_WIDTH)
        rows.append((name, numbers.count(operation.count), p50, p99, longest))
    return ["WHAT HAPPENS", *table(rows), *_more(operations)]


def _more(operations: Sequence[OperationSummary]) -> list[str]:
    rest = len(operations) - _ROWS
    return [f"… and {rest} more"] if rest > 0 else []


def _client_lines(seen: Seen) -> list[str]:
    load, latency = seen.load, seen.load["latency"]
    mode = f" ({seen.mode})" if seen.mode else ""
    lines = [
        f"{seen.architecture.name}{mode}: {counted(seen.truth['connections'], 'connection')}, "
        f"{counted(seen.truth['requests'], 'request')} at {numbers.rate(load['rate'])}"
    ]
    if latency is not None:
        lines.append(
            f"seen by the client: p50 {numbers.duration(latency['p50_ns'])}, "
            f"p99 {numbers.duration(latency['p99_ns'])}, max {numbers.duration(latency['max_ns'])}"
        )
    if seen.given_up:
        lines.append(f"the client gave up {counted(seen.given_up, 'request')}")
    return lines
