"""The story in short: what was traced, when, where, what is missing, and the headline figures.

Plain text: whoever shows it makes it harmless.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

from uringtrace.tracer.report.model import Report
from uringtrace.tracer.summary import IO_URING, SYSCALL
from uringtrace.ui.text import numbers


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure that stands out."""

    name: str
    value: str
    note: str = ""


def title(report: Report) -> str:
    return f"What {report.context.target} did"


def facts(report: Report) -> list[tuple[str, str]]:
    """What was traced, when, where, and in which state the recording is."""
    context = report.context
    began = moment(context.started_unix_ns)
    found = [
        ("target", context.target),
        ("command", shlex.join(context.command)),
        ("captured", f"{began} for {numbers.duration(report.ended_ns)}"),
        ("kernel", f"{context.kernel} {context.machine}"),
        ("recording", report.status),
        ("interfaces", _interfaces(report)),
    ]
    return [(name, text) for name, text in found if text]


def moment(unix_ns: int) -> str:
    """A time of day in UTC, whatever year it is in."""
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    try:
        began = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return f"{seconds} s since 1970"
    return f"{began:%Y-%m-%d %H:%M:%S}.{rest // 1_000_000:03d} UTC"


def _interfaces(report: Report) -> str:
    totals = report.summary.totals
    missing = [
        words
        for words, seen in (("io_uring", totals.io_uring), ("system calls", totals.syscall))
        if seen is None
    ]
    return f"{' and '.join(missing)} not captured" if missing else "io_uring and system calls"


def headlines(report: Report) -> list[Headline]:
    """Operations by interface, what strace could not have seen, throughput, latency, connections."""
    totals = report.summary.totals
    found = [Headline("operations", numbers.count(totals.completions), numbers.rate(totals.rate))]
    for name, interface in (("io_uring", totals.io_uring), ("system calls", totals.syscall)):
        if interface is not None:
            found.append(Headline(name, numbers.count(interface.completions), numbers.rate(interface.rate)))
    seen = totals.share_visible_to_strace
    if seen is not None:
        found.append(Headline("unseen by strace", numbers.share(1 - seen), "of all operations"))
    for interface_name in (IO_URING, SYSCALL):
        for operation in report.summary.of_interface(interface_name):
            if operation.latency is not None:
                found.append(
                    Headline(
                        f"{operation.name}, half within",
                        numbers.duration(operation.latency.p50_ns),
                        f"99% within {numbers.duration(operation.latency.p99_ns)}, "
                        f"at most {numbers.duration(operation.latency.max_ns)}",
                    )
                )
                break
    found.append(Headline("errors", numbers.count(totals.errors), numbers.size(totals.bytes) + " moved"))
    if report.connections.total:
        requests = f"{numbers.count(report.connections.requests)} requests answered"
        found.append(Headline("connections", numbers.count(report.connections.total), requests))
    return found


def warnings(report: Report) -> list[str]:
    """What is missing, and what a reader must know; the first line is always there."""
    losses, totals = report.summary.losses, report.summary.totals
    kinds = ", ".join(f"{kind} {numbers.count(count)}" for kind, count in losses.lost.items() if count)
    lost = f"lost {numbers.count(losses.total_lost)}" + (f" ({kinds})" if kinds else "")
    lines = [f"{lost}, untracked {numbers.count(losses.untracked)}", *report.problems]
    if totals.overflows:
        lines.append(f"{numbers.count(totals.overflows)} completions found the completion queue full")
    if totals.dropped:
        lines.append(f"the kernel dropped {numbers.count(totals.dropped)} completions")
    return lines


def is_incomplete(report: Report) -> bool:
    """Whether something of the capture is not in the recording."""
    return bool(report.summary.losses.total_lost or report.problems)
