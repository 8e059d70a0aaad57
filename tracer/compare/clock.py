"""strace's times as those of the capture, and how far off they may be.

strace stops a thread before the kernel's tracepoint of a call's beginning and again behind
that of its end (syscall_trace_enter and syscall_exit_work in kernel/entry/common.c). So
a call lies, on a true clock, between the time of its line and that of the thread's next line or
of its own `resumed` line. Each pair thereby bounds by how much the two clocks differ, from both
sides: the bounds of all pairs together are the uncertainty, which is no estimate.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.compare.sides import Log, Observed
from uringtrace.tracer.strace.batches import UNKNOWN_NS
from uringtrace.tracer.strace.leader import Clock

_DAY_NS = 86_400_000_000_000
_HALF_DAY_NS = _DAY_NS // 2
FINE_NS = 1_000
"""Times at least so precise tell calls apart."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """How strace's times were made those of the capture."""

    clock: Clock
    by_time: bool
    """Pairs were found by their times; else by their order in each thread."""
    residual_ns: int | None
    """What was added after the conversion; None where no pair bounds it."""
    uncertainty_ns: int | None
    """The times may be off by this, either way. None where it is not known."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be added to strace's times, by the most pairs that agree; None without any."""

    least_ns: int | None = None
    most_ns: int | None = None
    contradicted: float = 0.0
    """Part of the pairs that these bounds contradict, 0 to 1: they are wrong, or the clock was set."""

    def nearest_ns(self, expected_ns: int) -> int | None:
        """What these bounds allow that is nearest to what is expected, not at their very edge."""
        if self.least_ns is None or self.most_ns is None:
            return None
        margin_ns = min(_MARGIN_NS, (self.most_ns - self.least_ns) // 2)
        return max(self.least_ns + margin_ns, min(self.most_ns - margin_ns, expected_ns))

    def uncertainty_ns(self, chosen_ns: int) -> int | None:
        """How far the truth may be from `chosen_ns`; None also where too many pairs say something else."""
        if self.least_ns is None or self.most_ns is None or self.contradicted > _CONTRADICTED:
            return None
        return max(chosen_ns - self.least_ns, self.most_ns - chosen_ns)


_MARGIN_NS = 5_000
_CONTRADICTED = 0.01


def is_fine(log: Log) -> bool:
    """Whether the log's times are absolute and tell calls apart."""
    form = log.format
    absolute = form.clock in (Clock.UNIX, Clock.TIME_OF_DAY)
    return absolute and form.precision_ns is not None and form.precision_ns <= FINE_NS


def converted(times_ns: NDArray[np.int64], log: Log, ours: Observed) -> NDArray[np.int64]:
    """Times of the log as CLOCK_MONOTONIC of the capture, UNKNOWN_NS as it is.

    The time of day is taken for that of this machine's time zone, on the day that is nearest to the
    capture.
    """
    known = times_ns != UNKNOWN_NS
    if log.format.clock is Clock.UNIX:
        shift_ns = ours.started_ns - ours.started_unix_ns
    elif log.format.clock is Clock.TIME_OF_DAY:
        times_ns = np.where(known, _unrolled(times_ns, known), times_ns)
        shift_ns = _day_shift_ns(times_ns[known], ours)
    else:
        return times_ns
    return np.where(known, times_ns + shift_ns, UNKNOWN_NS)


def _unrolled(times_ns: NDArray[np.int64], known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Without the steps back at midnight."""
    unrolled = times_ns.copy()
    values = times_ns[known]
    midnights = np.cumsum(np.diff(values, prepend=values[:1]) < -_HALF_DAY_NS)
    unrolled[known] = values + midnights * _DAY_NS
    return unrolled


def _day_shift_ns(times_ns: NDArray[np.int64], ours: Observed) -> int:
    east_ns = time.localtime(ours.started_unix_ns // 1_000_000_000).tm_gmtoff * 1_000_000_000
    midnight_unix_ns = (ours.started_unix_ns + east_ns) // _DAY_NS * _DAY_NS - east_ns
    shift_ns = midnight_unix_ns - ours.started_unix_ns + ours.started_ns
    if times_ns.size:
        middle_ns = (ours.started_ns + ours.ended_ns) // 2
        shift_ns += round((middle_ns - int(times_ns[0]) - shift_ns) / _DAY_NS) * _DAY_NS
    return shift_ns


def bounds(
    begin_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    submitted_ns: NDArray[np.int64],
    completed_ns: NDArray[np.int64],
    precision_ns: int,
) -> Bounds:
    """Of pairs, arrays of equal shape. UNKNOWN_NS in the first two, or 0 in the others: it bounds nothing.

    `begin_ns` and `end_ns` are strace's, cut off at `precision_ns`.
    """
    bounded = (begin_ns != UNKNOWN_NS) & (submitted_ns != 0) & (end_ns != UNKNOWN_NS) & (completed_ns != 0)
    most = (submitted_ns - begin_ns)[bounded]
    least = (completed_ns - end_ns)[bounded] - precision_ns
    sane = least <= most
    least, most = np.sort(least[sane]), np.sort(most[sane])
    if not least.size:
        return Bounds()
    # How many pairs allow each of these values; one that was found wrongly allows others.
    at_least = np.arange(1, least.size + 1) - np.searchsorted(most, least, "left")
    at_most = np.searchsorted(least, most, "right") - np.arange(most.size)
    agreed = int(at_least.max())
    wrong = int(np.count_nonzero(bounded)) - agreed
    # As many as are wrong for certain may be wrong among those that make the bounds narrow.
    enough = agreed - wrong
    return Bounds(
        int(least[at_least >= enough].min()),
        int(most[at_most >= enough].max()),
        wrong / int(np.count_nonzero(bounded)),
    )


_REACH_NS = 50_000_000
_STEP_NS = 20_000
_SAMPLE = 2_000


def offset_by_votes(
    begins_ns: Sequence[NDArray[np.int64]], submitted_ns: Sequence[NDArray[np.int64]]
) -> int | None:
    """The difference that most pairs of the same kind have, within 50 ms; None without any.

    The two sequences go together: each has the ascending times of one thread and call. A call begins
    soon after strace's line, always after about as long, so the true difference stands out.
    """
    votes = np.zeros(2 * _REACH_NS // _STEP_NS + 1, np.int64)
    for begins, submitted in zip(begins_ns, submitted_ns, strict=True):
        sample = submitted[:: max(1, submitted.size // _SAMPLE)]
        low, high = (np.searchsorted(begins, sample + reach) for reach in (-_REACH_NS, _REACH_NS))
        for moment, first, last in zip(sample.tolist(), low.tolist(), high.tolist(), strict=True):
            differences = moment - begins[first : min(last, first + _SAMPLE)]
            np.add.at(votes, (differences + _REACH_NS) // _STEP_NS, 1)
    if not votes.any():
        return None
    return int(votes.argmax()) * _STEP_NS - _REACH_NS
