"""What a comparison comes to, as tables: what each side saw, what each missed and why, and the cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from textwrap import wrap

from uringtrace.tracer.compare import Comparison, OnlyOurs, OnlyTheirs
from uringtrace.tracer.compare.account import OUTSIDE, Part
from uringtrace.tracer.compare.phases import Cost, Phase
from uringtrace.tracer.compare.report import CompareReport
from uringtrace.tracer.strace.leader import Clock
from uringtrace.ui.text import numbers
from uringtrace.ui.text.compare_columns import Texts, columns
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.summary_table import counted, headed, loss_line
from uringtrace.ui.text.table import WIDTH, table

NAMES_SHOWN = 20
_NOT_CAPTURED = (OnlyTheirs.BEFORE, OnlyTheirs.AFTER)

WHY_OURS = {
    OnlyOurs.SQPOLL: "io_uring, submitted by the kernel's thread: no system call",
    OnlyOurs.WORKER: "io_uring, carried out by a worker thread of the kernel",
    OnlyOurs.IO_URING: "io_uring: a call may say that something was submitted, not what",
    OnlyOurs.THREAD: "of threads that strace did not follow",
    OnlyOurs.NAME: "calls of which the log has none: strace left them out",
    OnlyOurs.FOREIGN: "calls of another architecture's table",
    OnlyOurs.UNEXPLAINED: "unexplained",
    OnlyOurs.BEFORE: "begun before strace was there",
    OnlyOurs.AFTER: "begun after strace had gone",
}
"""In the order in which they are shown."""

WHY_THEIRS = {
    OnlyTheirs.BEFORE: "before the capture began",
    OnlyTheirs.AFTER: "after the capture ended",
    OnlyTheirs.THREAD: "of threads that are not the capture's",
    OnlyTheirs.CLASS: "the capture was of io_uring alone",
    OnlyTheirs.KILLED: "of threads killed as they began: the call never happened",
    OnlyTheirs.INJECTED: "answered by strace itself (-e inject): the call never happened",
    OnlyTheirs.UNKNOWN_NAME: "calls without a known number on this architecture",
    OnlyTheirs.LOST: "maybe among the records that the capture lost",
    OnlyTheirs.UNEXPLAINED: "unexplained",
}


def compare_lines(report: CompareReport, texts: Texts, style: Style, width: int = WIDTH) -> list[str]:
    """All of the text view; the two columns take `width`, the rest 80 columns at most."""
    comparison = report.comparison
    lines: list[str] = []
    if comparison is not None:
        shown = columns(report.entries, texts, comparison.window_ns[0], width, style)
        lines += [*shown, ""] if shown else []
        lines += [*account_lines(comparison, style), ""]
        lines += [*missed_lines(comparison, style), ""]
        lines += [*name_lines(comparison, style), ""]
    else:
        lines += [*wrap(f"no comparison: {report.why_not}", WIDTH), ""]
    if report.phases:
        lines += [*phase_lines(report.phases, style), ""]
    if report.costs:
        lines += [*cost_lines(report.costs, style), ""]
    if comparison is not None:
        lines += wrap(clock_line(comparison), WIDTH, subsequent_indent="  ")
        lines += wrap(log_line(report), WIDTH, subsequent_indent="  ")
    return [*lines, loss_line(report.losses, style)]


def account_lines(comparison: Comparison, style: Style) -> list[str]:
    """What happened while strace was there, and how much of it strace saw."""
    seconds = (comparison.window_ns[1] - comparison.window_ns[0]) / 1e9
    rows = [(f"IN {seconds:.3f} S WITH STRACE", "HAPPENED", "STRACE", "COVERAGE")]
    rows += [
        _account("operations", comparison.operations, numbers.count),
        _account("  of them system calls", comparison.calls, numbers.count),
        _account("bytes moved", comparison.bytes, numbers.size),
        _account("connections", comparison.connections, numbers.count),
    ]
    return headed(table(rows), style)


def _account(what: str, part: Part, shown: Callable[[int], str]) -> tuple[str, str, str, str]:
    return what, shown(part.happened), shown(part.seen), numbers.share(part.coverage)


def missed_lines(comparison: Comparison, style: Style) -> list[str]:
    """What only one side has, by reason; both sides are always said."""
    ours, theirs = missed_by_strace(comparison), missed_by_us(comparison)
    lines = [*_reasons("ONLY URINGTRACE", ours, style), "", *_reasons("ONLY STRACE", theirs, style)]
    outside = outside_line(comparison)
    return [*lines, "", *wrap(outside, WIDTH, subsequent_indent="  ")] if outside else lines


def missed_by_strace(comparison: Comparison) -> list[tuple[str, int]]:
    """What only the capture has of the time in which strace was there: reason in words, count."""
    found = ((words, why, comparison.only_ours.get(why, 0)) for why, words in WHY_OURS.items())
    return [(words, count) for words, why, count in found if why not in OUTSIDE]


def missed_by_us(comparison: Comparison) -> list[tuple[str, int]]:
    """What only strace has of the time in which the capture ran, likewise."""
    found = ((words, why, comparison.only_theirs.get(why, 0)) for why, words in WHY_THEIRS.items())
    return [(words, count) for words, why, count in found if why not in _NOT_CAPTURED]


def outside_line(comparison: Comparison) -> str:
    """What was not compared, as only one side was there; empty where both were all the time."""
    ours, theirs = comparison.only_ours, comparison.only_theirs
    parts = [
        (ours.get(OnlyOurs.BEFORE, 0), "operation", "before strace was there"),
        (ours.get(OnlyOurs.AFTER, 0), "operation", "after it had gone"),
        (theirs.get(OnlyTheirs.BEFORE, 0), "line", "before the capture began"),
        (theirs.get(OnlyTheirs.AFTER, 0), "line", "after it had ended"),
    ]
    said = ", ".join(f"{counted(count, what)} {when}" for count, what, when in parts if count)
    return f"not compared: {said}" if said else ""


def _reasons(heading: str, counts: Iterable[tuple[str, int]], style: Style) -> list[str]:
    rows = [(words, numbers.count(count)) for words, count in counts if count]
    return headed(table([(heading, "COUNT"), *(rows or [("nothing", numbers.count(0))])]), style)


def name_lines(comparison: Comparison, style: Style) -> list[str]:
    """Operations and calls by name, the most frequent ones."""
    shown = comparison.names[:NAMES_SHOWN]
    rows = [("OPERATION", "HAPPENED", "STRACE", "BOTH")]
    rows += [
        (each.name, numbers.count(each.happened), numbers.count(each.strace), numbers.count(each.both))
        for each in shown
    ]
    rest = len(comparison.names) - len(shown)
    return [*headed(table(rows), style), *([f"… and {counted(rest, 'more name')}"] if rest else [])]


def phase_lines(phases: Iterable[Phase], style: Style) -> list[str]:
    """One line for each phase."""
    rows = [("OBSERVED BY", "SECONDS", "OPERATIONS", "REQUESTS", "P50", "P99", "CPU", "OBSERVER")]
    for phase in phases:
        latency = phase.latency
        observer = phase.observer_cpu_s
        rows.append(
            (
                phase.observers,
                f"{phase.seconds:.1f}",
                numbers.rate(phase.operations_rate),
                numbers.rate(phase.requests_rate),
                numbers.duration(latency.p50_ns if latency else None),
                numbers.duration(latency.p99_ns if latency else None),
                numbers.share(phase.cpu_share),
                numbers.share(None if observer is None or phase.seconds <= 0 else observer / phase.seconds),
            )
        )
    return headed(table(rows), style)


def cost_lines(costs: Iterable[Cost], style: Style) -> list[str]:
    """What each observer told of, and what it did to the target, in factors."""
    rows = [("OBSERVER", "TOLD OF", "HAPPENED", "SLOWDOWN", "BY RATE OF", "MEDIAN LATENCY", "CPU FOR EACH")]
    rows += [
        (
            cost.observer,
            numbers.count(cost.told),
            numbers.count(cost.happened),
            factor(cost.slowdown),
            "requests" if cost.of_requests else "operations",
            factor(cost.latency_factor),
            factor(cost.cpu_factor),
        )
        for cost in costs
    ]
    return headed(table(rows), style)


def factor(value: float | None) -> str:
    """`12.3×`"""
    return numbers.UNKNOWN if value is None else f"{value:.2f}×" if value < 9.995 else f"{value:,.1f}×"


def clock_line(comparison: Comparison) -> str:
    """How the pairs were found, and how sure the times are."""
    alignment = comparison.alignment
    if not comparison.strace_calls:
        return "strace wrote of no call: there was nothing to pair"
    if not alignment.by_time:
        why = "no times" if alignment.clock is Clock.NONE else "no exact times of the day"
        return f"paired by order in each thread: the log has {why} (strace -ttt)"
    if alignment.uncertainty_ns is None:
        return "paired by time; how far the clocks are apart is not certain"
    offset = numbers.duration(abs(alignment.residual_ns or 0))
    sign = "-" if (alignment.residual_ns or 0) < 0 else "+"
    return (
        f"paired by time: strace's clock {sign}{offset} after conversion, "
        f"± {numbers.duration(alignment.uncertainty_ns)}"
    )


def log_line(report: CompareReport) -> str:
    strace, comparison = report.strace, report.comparison
    assert strace is not None
    assert comparison is not None
    version = f" {strace.version}" if strace.version else ""
    found = f"strace{version} {' '.join(strace.options)}: {counted(strace.lines, 'line')}"
    found += f", {counted(comparison.strace_calls, 'call')}, {strace.unparsed_lines:,} not understood"
    if comparison.different_results:
        found += f"; {counted(comparison.different_results, 'pair')} with different results"
    return found
