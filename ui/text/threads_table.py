"""Threads as text: what each did in numbers, below it what it waited on and is in now."""

from __future__ import annotations

from collections.abc import Sequence

from uringtrace.tracer.threads import CurrentCall, Partner, ThreadActivity
from uringtrace.ui.text import numbers
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.summary_table import headed, wrapped
from uringtrace.ui.text.table import WIDTH, shortened, table

ROWS_SHOWN = 40
_HEADING = ("THREAD", "NAME", "PID", "CALLS", "IO_URING", "ERRORS", "SLEPT", "AWAKE")
_NAME_WIDTH = 15
_WAITS_SHOWN = 3


def threads_lines(threads: Sequence[ThreadActivity], style: Style) -> list[str]:
    """The busiest first. SLEPT and AWAKE are times in system calls with and without waiting."""
    if not threads:
        return ["no thread was seen to do anything"]
    ordered = sorted(threads, key=lambda thread: (-thread.system_calls - thread.operations, thread.tid))
    shown = ordered[:ROWS_SHOWN]
    heading, *rows = table([_HEADING, *(_cells(thread) for thread in shown)])
    lines = headed([heading], style)
    for thread, row in zip(shown, rows, strict=True):
        lines.append(row)
        words = _words(thread)
        if words:
            lines += wrapped(words)
    if len(ordered) > len(shown):
        lines.append(f"… and {numbers.count(len(ordered) - len(shown))} more")
    return lines


def _cells(thread: ThreadActivity) -> tuple[str, ...]:
    return (
        str(thread.tid),
        shortened(thread.name, _NAME_WIDTH) if thread.name else numbers.UNKNOWN,
        str(thread.tgid),
        numbers.count(thread.system_calls),
        numbers.count(thread.operations),
        numbers.count(thread.errors),
        numbers.duration(thread.slept_ns),
        numbers.duration(thread.running_ns),
    )


def _words(thread: ThreadActivity) -> list[str]:
    parts = []
    if thread.waits:
        waits = [
            f"{wait.call} {numbers.duration(wait.total_ns)} ({numbers.count(wait.count)}×)"
            for wait in thread.waits[:_WAITS_SHOWN]
        ]
        parts.append(f"waited in {', '.join(waits)}")
    woken = [
        f"{what} {numbers.count(count)}×"
        for what, count in (
            ("network", thread.woken_by_network),
            ("timer", thread.woken_by_timer),
            ("interrupt", thread.woken_by_interrupt),
        )
        if count
    ]
    woken += _partners(thread.woken_by)
    if woken:
        parts.append(f"woken by {', '.join(woken)}")
    if thread.woke:
        parts.append(f"woke {', '.join(_partners(thread.woke))}")
    if thread.current is not None:
        parts.append(_current(thread.current))
    return " · ".join(parts).split(" ") if parts else []


def _partners(partners: Sequence[Partner]) -> list[str]:
    shown = [f"thread {partner.tid} {numbers.count(partner.count)}×" for partner in partners[:_WAITS_SHOWN]]
    rest = len(partners) - len(shown)
    return [*shown, f"{numbers.count(rest)} more"] if rest else shown


def _current(current: CurrentCall) -> str:
    file = f" <{shortened(current.file, WIDTH // 2)}>" if current.file else ""
    whole = ", the whole capture" if current.since_ns is None else ""
    return f"in {current.call}{file} for {numbers.duration(current.age_ns)}{whole}"
