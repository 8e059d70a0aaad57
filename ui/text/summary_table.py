"""A `Summary` as text: the tables of `stat`, of the live screen and of every end report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

from uringtrace.tracer.latency import LatencySummary
from uringtrace.tracer.source import Losses
from uringtrace.tracer.summary import IO_URING, SYSCALL, OperationSummary, RingSummary, Summary, Totals
from uringtrace.ui.text import numbers
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.table import WIDTH, shortened, table

CALLS_SHOWN = 20
"""System calls with a line of their own, the most frequent; a process uses many just a few times."""


def summary_lines(
    summary: Summary, style: Style, *, rings: bool = True, every_call: bool = False
) -> list[str]:
    """The whole report, without line ends; `rings=False` for an interval of a capture."""
    if not summary.operations:
        lines = [nothing_seen(summary)]
    else:
        lines = []
        for table_lines in (
            *_io_uring_tables(summary.of_interface(IO_URING), style),
            *call_tables(summary.of_interface(SYSCALL), style, every_call=every_call),
        ):
            lines += [*table_lines, ""]
        lines += wrap(total_line(summary), WIDTH, subsequent_indent="  ")
        lines += wrap(strace_line(summary), WIDTH, subsequent_indent="  ")
    if rings and summary.rings:
        lines += ["", *ring_lines(summary.rings, style)]
    return [*lines, *remark_lines(summary), loss_line(summary.losses, style)]


def nothing_seen(summary: Summary) -> str:
    """What there is to say when no operation was seen."""
    time = numbers.seconds(summary.duration_s)
    target = shortened(summary.target, WIDTH // 2)
    totals = summary.totals
    if totals.syscall is None:
        if not summary.rings:
            return f"{target}: no io_uring ring was used in {time}"
        return f"{target}: {counted(len(summary.rings), 'ring')}, but no operation in {time}"
    what = "system call" if totals.io_uring is None else "operation"
    return f"{target}: no {what} in {time}"


def _io_uring_tables(operations: Sequence[OperationSummary], style: Style) -> list[list[str]]:
    if not operations:
        return []
    return [operation_lines(operations, style), latency_lines(operations, style)]


def call_tables(
    calls: Sequence[OperationSummary], style: Style, *, every_call: bool = False
) -> list[list[str]]:
    """The counts and the latencies of system calls; of the rarer ones a sum unless `every_call`."""
    if not calls:
        return []
    shown = calls if every_call else calls[:CALLS_SHOWN]
    counts = call_lines(shown, style)
    rest = calls[len(shown) :]
    if rest:
        times = counted(sum(call.count for call in rest), "time")
        counts.append(f"… and {counted(len(rest), 'more call')}, {times} (-v shows all)")
    return [counts, latency_lines(shown, style)]


def call_lines(calls: Iterable[OperationSummary], style: Style) -> list[str]:
    """Counts of system calls, one line per call under a heading."""
    rows = [("SYSTEM CALL", "COUNT", "RATE", "ERRORS", "BYTES", "SLEPT")]
    rows += [
        (
            call.name,
            numbers.count(call.count),
            numbers.rate(call.rate),
            numbers.count(call.errors),
            numbers.size(call.bytes),
            numbers.share(None if call.slept is None or not call.count else call.slept / call.count),
        )
        for call in calls
    ]
    return headed(table(rows), style)


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`"""
    return f"{numbers.count(number)} {noun}{'' if number == 1 else 's'}"


def operation_lines(operations: Iterable[OperationSummary], style: Style) -> list[str]:
    """Counts and paths, one line per operation under a heading."""
    rows = [("OPERATION", "COUNT", "RATE", "ERRORS", "BYTES", "INLINE", "POLL", "IO-WQ")]
    rows += [
        (
            operation.name,
            numbers.count(operation.count),
            numbers.rate(operation.rate),
            numbers.count(operation.errors),
            numbers.size(operation.bytes),
            numbers.share(operation.share(operation.inline)),
            numbers.share(operation.share(operation.poll)),
            numbers.share(operation.share(operation.io_wq)),
        )
        for operation in operations
    ]
    return headed(table(rows), style)


def latency_lines(operations: Iterable[OperationSummary], style: Style) -> list[str]:
    """Latencies, one line per operation; a dash where it has none, as multishot."""
    rows = [("LATENCY", "MEAN", "P50", "P90", "P99", "P99.9", "MAX")]
    rows += [(operation.name, *latency_cells(operation.latency)) for operation in operations]
    return headed(table(rows), style)


def latency_cells(latency: LatencySummary | None) -> tuple[str, str, str, str, str, str]:
    """Mean, four quantiles and the maximum."""
    if latency is None:
        unknown = numbers.UNKNOWN
        return (unknown, unknown, unknown, unknown, unknown, unknown)
    return (
        numbers.duration(latency.mean_ns),
        numbers.duration(latency.p50_ns),
        numbers.duration(latency.p90_ns),
        numbers.duration(latency.p99_ns),
        numbers.duration(latency.p999_ns),
        maximum(latency),
    )


def maximum(latency: LatencySummary) -> str:
    """The exact maximum, or `≤` the bound that is known for a part of a capture."""
    if latency.max_ns is not None:
        return numbers.duration(latency.max_ns)
    if latency.max_bound_ns is not None:
        return f"≤{numbers.duration(latency.max_bound_ns)}"
    return numbers.UNKNOWN


def total_line(summary: Summary) -> str:
    """Totals in one sentence."""
    totals = summary.totals
    noun = "operation" if summary.of_interface(SYSCALL) else "completion"
    parts = [
        f"{counted(totals.completions, noun)} in {numbers.seconds(summary.duration_s)}",
        numbers.rate(totals.rate),
        counted(totals.errors, "error"),
        numbers.size(totals.bytes),
    ]
    if totals.in_flight:
        parts.append(f"{numbers.count(totals.in_flight)} in flight")
    return f"total: {', '.join(parts)}"


def strace_line(summary: Summary) -> str:
    """How much of it all strace could have shown; empty where that is not known."""
    totals = summary.totals
    if totals.share_visible_to_strace is None or totals.io_uring is None or totals.syscall is None:
        return ""
    share = numbers.share(totals.share_visible_to_strace)
    interfaces = (
        f"{counted(totals.syscall.completions, 'system call')} at {numbers.rate(totals.syscall.rate)}, "
        f"{numbers.count(totals.io_uring.completions)} io_uring at {numbers.rate(totals.io_uring.rate)}"
    )
    return f"strace could have seen {share} of {counted(totals.completions, 'operation')} ({interfaces})"


def ring_lines(rings: Sequence[RingSummary], style: Style) -> list[str]:
    """One line per ring under a heading, and below it what is no number."""
    heading = (
        "RING",
        "PID",
        "FD",
        "SQ",
        "CQ",
        "FILES",
        "BUFFERS",
        "OPS/BATCH",
        "INFLIGHT",
        "MOST",
        "OVERFLOW",
    )
    rows = [heading, *(_ring_cells(ring) for ring in rings)]
    first, *rest = table(rows)
    lines = headed([first], style)
    for ring, line in zip(rings, rest, strict=True):
        lines += [line, *wrapped(_ring_words(ring))]
    return lines


def _ring_cells(ring: RingSummary) -> tuple[str, ...]:
    def plain(value: int | None) -> str:
        return numbers.UNKNOWN if value is None else str(value)

    return (
        plain(ring.ring or None),
        str(ring.tgid),
        plain(ring.fd),
        plain(ring.sq_entries),
        plain(ring.cq_entries),
        plain(ring.registered_files),
        plain(ring.registered_buffers),
        numbers.average(ring.batching),
        plain(ring.in_flight),
        plain(ring.in_flight_max),
        plain(ring.overflows),
    )


def _ring_words(ring: RingSummary) -> list[str]:
    if ring.setup_flags is None:
        words = [f"flags {numbers.UNKNOWN}"]
    else:
        words = ["flags", *ring.setup_flags] if ring.setup_flags else ["no flags"]
    if ring.sq_thread is not None:
        words += ["·", f"SQPOLL thread {ring.sq_thread}"]
    for number, what in ((ring.messages, "message"), (ring.dropped, "dropped CQE")):
        if number:
            words += ["·", counted(number, what)]
    return words


def wrapped(words: Sequence[str], indent: str = "      ") -> list[str]:
    """Words in indented lines of at most WIDTH, where they are not longer themselves."""
    lines = [indent + words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) > WIDTH:
            lines.append(indent + word)
        else:
            lines[-1] += f" {word}"
    return lines


def remark_lines(summary: Summary) -> list[str]:
    """What the tables leave out, one line each; nothing in the ordinary case."""
    totals: Totals = summary.totals
    remarks = (
        (totals.silent, "operation", "ended or still open without a completion (CQE_SKIP_SUCCESS)"),
        (totals.notifications, "zero-copy notification", "not counted as completion"),
        (totals.messages, "completion", "posted by MSG_RING from another ring"),
        (totals.overflows, "completion", "that found the completion queue full"),
        (totals.dropped, "completion", "dropped by the kernel"),
    )
    return [f"{counted(number, noun)} {what}" for number, noun, what in remarks if number]


def loss_line(losses: Losses, style: Style) -> str:
    """What the capture cannot account for; printed always, so that 0 is a statement."""
    kinds = ", ".join(f"{kind} {numbers.count(number)}" for kind, number in losses.lost.items() if number)
    lost = f"lost {numbers.count(losses.total_lost)}" + (f" ({kinds})" if kinds else "")
    lost = style.alarm(lost) if losses.total_lost else lost
    return f"{lost}, untracked {numbers.count(losses.untracked)}"


def headed(lines: list[str], style: Style) -> list[str]:
    """A table with its heading marked."""
    return [style.heading(lines[0]), *lines[1:]]
