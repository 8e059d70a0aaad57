"""One ring in words and bars: what its row is too narrow for."""

from __future__ import annotations

from uringtrace.tracer.live.picture import RingNow
from uringtrace.ui.terminal.marks import level
from uringtrace.ui.text import numbers
from uringtrace.ui.text.summary_table import counted

IDLE_SHARE = 0.01
"""An SQ thread that used less of a processor is called idle."""
_BAR_WIDTH = 24


def name(ring: RingNow) -> str:
    """`ring 5`; 0 stands for those that only /proc knows."""
    return f"ring {ring.summary.ring}" if ring.summary.ring else "ring, silent so far"


def sq_thread_words(ring: RingNow) -> str:
    """`busy 93.1%`, `idle <0.1%`; a dash where its use of the processor is not known; none: empty."""
    if ring.summary.sq_thread is None:
        return ""
    busy = ring.sq_thread_busy
    if busy is None:
        return numbers.UNKNOWN
    return f"{'busy' if busy >= IDLE_SHARE else 'idle'} {numbers.share(min(busy, 1.0))}"


def trouble_words(ring: RingNow) -> str:
    """What went wrong with completions, in words; `none` when nothing did."""
    summary = ring.summary
    parts = [
        f"{numbers.count(count)} {word}"
        for count, word in (
            (summary.overflows, "overflowed"),
            (summary.dropped, "dropped"),
            (summary.untracked, "untracked"),
        )
        if count
    ]
    return ", ".join(parts) or "none"


def fill_words(fill: int | None, size: int | None) -> str:
    """`37 of 128`"""
    return f"{numbers.count(fill)} of {numbers.count(size)}"


def fill_share(fill: int | None, size: int | None) -> float | None:
    return fill / size if fill is not None and size else None


def ring_lines(ring: RingNow) -> list[str]:
    """Everything that is known of it; the first line has what went wrong."""
    summary = ring.summary
    flags = numbers.UNKNOWN if summary.setup_flags is None else " ".join(summary.setup_flags) or "none"
    sq = level(ring.sq_fill, summary.sq_entries, _BAR_WIDTH)
    cq = level(ring.cq_fill, summary.cq_entries, _BAR_WIDTH)
    return [
        f"trouble: {trouble_words(ring)} · flags: {flags}",
        f"SQ {sq} {fill_words(ring.sq_fill, summary.sq_entries)} not yet taken by the kernel",
        f"CQ {cq} {fill_words(ring.cq_fill, summary.cq_entries)} not yet taken by the program",
        f"{numbers.rate(ring.rate_now)} now · batches of {numbers.average(ring.batching_now)} now, "
        f"{numbers.average(summary.batching)} in all · in flight {numbers.count(summary.in_flight)}, "
        f"at most {numbers.count(summary.in_flight_max)}",
        f"SQ thread: {_sq_thread(ring)} · io-wq: {_workers(ring)}",
        f"{numbers.count(summary.completions)} completions of {numbers.count(summary.submitted)} submitted · "
        f"{numbers.count(summary.messages)} messages",
        f"registered: {numbers.count(summary.registered_files)} files, "
        f"{numbers.count(summary.registered_buffers)} buffers",
    ]


def _workers(ring: RingNow) -> str:
    return numbers.UNKNOWN if ring.workers is None else counted(ring.workers, "worker thread")


def _sq_thread(ring: RingNow) -> str:
    flags = ring.summary.setup_flags
    if ring.summary.sq_thread is None:
        return numbers.UNKNOWN if flags is None or "SQPOLL" in flags else "none, the program submits"
    busy = "use of the processor not known" if ring.sq_thread_busy is None else sq_thread_words(ring)
    return f"{ring.summary.sq_thread}, {busy}"
