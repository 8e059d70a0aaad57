"""One consistent moment of a capture: everything that a screen can show of it.

Frozen, built by the model in the thread that reads the capture, shown by widgets in
another. None means not observed or not applicable, never 0. `…_now` values are those of the
last whole second before `at_ns`; all others count from the start.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.live.findings_now import Judged
from uringtrace.tracer.live.recent import Recent
from uringtrace.tracer.live.under_way import UnderWay
from uringtrace.tracer.source import Context, Losses
from uringtrace.tracer.summary import OperationSummary, RingSummary, Summary
from uringtrace.tracer.threads import ThreadActivity

HISTORY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class OperationNow:
    """All operations of one kind."""

    summary: OperationSummary
    """Since the start."""
    rate_now: float | None
    """Results per second."""
    errors_now: int | None
    p50_now_ns: float | None
    p99_now_ns: float | None
    max_now_ns: float | None
    """Of those that ended in the last second: quantiles as in the total, within `statistics.RESOLUTION`;
    the maximum exact where it is the largest of all, else the upper edge of its bucket."""
    in_flight: int | None
    """Begun and not ended; None where the source cannot tell."""
    history: tuple[float, ...]
    """Results per second, HISTORY_SECONDS of them at most, oldest first."""
    histogram: NDArray[np.uint64] = field(compare=False, repr=False)
    """Latencies since the start, shape (statistics.BUCKETS,): as many as `summary.latency` counts."""


@dataclass(frozen=True, slots=True)
class ThreadNow:
    """One thread."""

    activity: ThreadActivity
    """Since the start."""
    call: str | None
    """The system call that it is in; None when it is in none or that is not known."""
    waits_for: str | None
    """What the call is about: its file, or for a lock its address."""
    in_call_ns: int | None
    """How long already; where the beginning was not seen, at least so long."""
    state: str
    """`running`, `waiting` (in a call that slept), `blocked` (uninterruptible), `ended`, `unknown`."""
    wakes_now: float | None
    """Times per second that it was woken."""
    running_now: float | None
    """Shares of the last second, 0 to 1: on or ready for a processor. None on a recording."""
    waiting_now: float | None
    """Neither; on a recording asleep in a call. What is blocked counts too where it is not told apart."""
    blocked_now: float | None
    """None where the kernel does not tell it over time."""


@dataclass(frozen=True, slots=True)
class RingNow:
    """One ring."""

    summary: RingSummary
    """Since the start."""
    rate_now: float | None
    """Completions per second."""
    batching_now: float | None
    sq_fill: int | None
    """SQEs written and not yet taken by the kernel."""
    cq_fill: int | None
    """CQEs written and not yet taken by the application."""
    sq_thread_busy: float | None
    """Share of a processor that the SQ thread used in the last second; None without one."""
    workers: int | None
    """io-wq worker threads of the ring's process."""


@dataclass(frozen=True, slots=True)
class Playback:
    """Where a recording is being shown."""

    position_ns: int
    start_ns: int
    end_ns: int
    playing: bool
    speed: float
    """Recorded seconds per second."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The moment `at_ns`."""

    context: Context
    at_ns: int
    """CLOCK_MONOTONIC."""
    live: bool
    """False for a recording."""
    ended: bool
    """The target has ended, or the recording is at its end: no newer picture comes by itself."""
    summary: Summary
    """Totals since the start."""
    operations: tuple[OperationNow, ...]
    """In the order of `summary.operations`."""
    connections: tuple[Connection, ...]
    """In the order of their numbers: all open ones, and of the ended ones the newest."""
    threads: tuple[ThreadNow, ...]
    rings: tuple[RingNow, ...]
    losses: Losses
    operations_now: float | None
    """io_uring operations per second; None where they are not captured."""
    calls_now: float | None
    """System calls per second; None where they are not captured."""
    unseen: float | None
    """Share of all operations that strace cannot see, 0 to 1: those of io_uring."""
    unseen_now: float | None
    tracer_cpu: float | None
    """Share of one processor that the tracer used in the last second; None on a recording."""
    recent: Recent
    under_way: UnderWay | None = None
    """What had begun and not ended, at a moment near `at_ns`; None where that is not known."""
    judged: Judged | None = None
    """What the rules say, of a moment that may be a little earlier; None before they could."""
    playback: Playback | None = None

    @property
    def elapsed_ns(self) -> int:
        return self.at_ns - self.context.started_ns
