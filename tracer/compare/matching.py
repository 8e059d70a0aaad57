"""Which call of the log is which call of the capture: by times, or by the order in each thread.

Invariant: the result is one to one, and in each thread in the order of both sides. The work is
that of sorting; a million calls take seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.compare.clock import (
    Alignment,
    Bounds,
    bounds,
    converted,
    is_fine,
    offset_by_votes,
)
from uringtrace.tracer.compare.order import in_order
from uringtrace.tracer.compare.sides import NO_OPCODE, Log, Observed
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.strace.batches import UNKNOWN_NS, Mark

NONE = -1
"""In place of the number of a row: it has no partner."""

_FEW = 0.5
"""With a smaller part of the calls paired the clocks are taken for being further apart than thought."""
_ENOUGH = 200
"""Fewer calls say nothing about the clocks: other calls of the same name are always near."""

_CHANCE = 5
_SHORT = 20_000
"""Lines of a log of which other offsets are tried although all of it is paired."""
_NEARER = 0.5
_LONGEST_LAG_NS = 1_000_000
_ROUNDS = 8
_STEPS_NS = (-80_000, -40_000, -20_000, -10_000, 10_000, 20_000, 40_000, 80_000)


@dataclass(frozen=True, slots=True)
class Matching:
    """The pairs, and what the times of the log are on the capture's clock."""

    partner: NDArray[np.int64]
    """For each row of the log the row of the capture, or NONE; shape (rows of the log,)."""
    tid: NDArray[np.int64]
    """The thread of each row of the log; 0 where it could not be told."""
    begin_ns: NDArray[np.int64]
    """When each row of the log began, on the capture's clock; UNKNOWN_NS where not known."""
    alignment: Alignment


@dataclass(frozen=True, slots=True)
class _Thread:
    """The rows of one thread on both sides, each in its order."""

    theirs: NDArray[np.intp]
    ours: NDArray[np.intp]


def match(theirs: NDArray[np.void], log: Log, ours: Observed) -> Matching:
    """Pair the rows of the log (dtype THEIRS) with the calls of the capture."""
    begin_ns = converted(theirs["started_ns"], log, ours)
    end_ns = _ends(theirs, begin_ns, converted(theirs["resumed_ns"], log, ours))
    tid = theirs["tid"].astype(np.int64)
    by_time = is_fine(log)
    residual_ns = 0
    found = Bounds()
    nameless = np.flatnonzero(tid == 0)
    if nameless.size:
        tid[nameless] = _thread_without_name(theirs, tid, begin_ns, ours, by_time=by_time)
    threads = _threads(theirs, tid, ours)
    if by_time:
        aligned = _aligned(theirs, begin_ns, end_ns, ours.rows, threads, log.format.precision_ns or 0)
        partner, residual_ns, found = aligned
    else:
        partner = _by_order(theirs, ours.rows, threads)
    shifted = np.where(begin_ns == UNKNOWN_NS, UNKNOWN_NS, begin_ns + residual_ns)
    known = found.least_ns is not None
    alignment = Alignment(
        log.format.clock,
        by_time,
        residual_ns if known else None,
        found.uncertainty_ns(residual_ns),
    )
    return Matching(partner, tid, shifted, alignment)


def _ends(
    theirs: NDArray[np.void], begin_ns: NDArray[np.int64], resumed_ns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """When each call had certainly ended: its `resumed` line, or the thread's next line."""
    order = np.lexsort((theirs["line"], theirs["tid"]))
    following = np.full(theirs.size, UNKNOWN_NS)
    same = theirs["tid"][order[1:]] == theirs["tid"][order[:-1]]
    following[order[:-1][same]] = begin_ns[order[1:][same]]
    return np.where(resumed_ns != UNKNOWN_NS, resumed_ns, following)


def _threads(theirs: NDArray[np.void], tid: NDArray[np.int64], ours: Observed) -> list[_Thread]:
    """The threads that both sides have."""
    calls = np.flatnonzero(ours.rows["opcode"] >= FIRST_CALL)
    by_line = np.lexsort((theirs["line"], tid))
    moments = _moments(ours.rows)
    by_time = calls[np.lexsort((moments[calls], ours.rows["tid"][calls]))]
    left, right = _grouped(tid[by_line], by_line), _grouped(ours.rows["tid"][by_time], by_time)
    return [_Thread(left[each], right[each]) for each in left if each in right]


def _grouped(keys: NDArray[np.int64], rows: NDArray[np.intp]) -> dict[int, NDArray[np.intp]]:
    """Rows by key, where equal keys stand together."""
    values, starts = np.unique(keys, return_index=True)
    return dict(zip(values.tolist(), np.split(rows, starts[1:]), strict=True)) if rows.size else {}


def _moments(rows: NDArray[np.void]) -> NDArray[np.int64]:
    """A moment at which each call was certainly under way."""
    moments: NDArray[np.int64] = np.where(
        rows["submitted_ns"] != 0, rows["submitted_ns"], rows["completed_ns"]
    )
    return moments


def _by_time(
    theirs: NDArray[np.void], begin_ns: NDArray[np.int64], rows: NDArray[np.void], threads: list[_Thread]
) -> NDArray[np.int64]:
    """A call belongs to the last line of its thread that was printed before it began."""
    partner = np.full(theirs.size, NONE)
    moments = _moments(rows)
    begun = theirs["marks"] & Mark.BEGUN != 0
    for thread in threads:
        times = begin_ns[thread.theirs]
        # What began before the log is under way until the next line of its thread.
        times = np.where(begun[thread.theirs] & (times != UNKNOWN_NS), times, np.iinfo(np.int64).min)
        times = np.maximum.accumulate(times)
        place = np.searchsorted(times, moments[thread.ours], "right") - 1
        inside = place >= 0
        left, right = thread.theirs[place[inside]], thread.ours[inside]
        same = theirs["opcode"][left] == rows["opcode"][right]
        left, right = left[same], right[same]
        # Of several calls behind one line, which lost lines leave, the first has it.
        first = np.concatenate([[True], left[1:] != left[:-1]]) if left.size else np.zeros(0, bool)
        partner[left[first]] = right[first]
    return partner


def _by_order(theirs: NDArray[np.void], rows: NDArray[np.void], threads: list[_Thread]) -> NDArray[np.int64]:
    partner = np.full(theirs.size, NONE)
    for thread in threads:
        left, right = theirs[thread.theirs], rows[thread.ours]
        has_result = left["marks"] & Mark.HAS_RESULT != 0
        pairs = in_order(
            left["opcode"],
            right["opcode"],
            np.where(has_result, left["result"], 0) * 1_000_003 + left["fd"],
            right["result"] * 1_000_003 + right["fd"],
        )
        partner[thread.theirs[pairs[0]]] = thread.ours[pairs[1]]
    partner[theirs["opcode"] == NO_OPCODE] = NONE
    return partner


def _aligned(
    theirs: NDArray[np.void],
    begin_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    rows: NDArray[np.void],
    threads: list[_Thread],
    precision_ns: int,
) -> tuple[NDArray[np.int64], int, Bounds]:
    """The pairs with the clocks as far apart as gives the most of them, how far that is, and its bounds.

    What the pairs say of the clocks settles the calls that stood too near to others, and these say
    more of the clocks.
    """

    def paired(shift_ns: int) -> tuple[int, int, NDArray[np.int64]]:
        partner = _by_time(theirs, begin_ns + shift_ns, rows, threads)
        return int(np.count_nonzero(partner != NONE)), shift_ns, partner

    def bounded(partner: NDArray[np.int64]) -> Bounds:
        return _bounds(partner, begin_ns, end_ns, rows, precision_ns)

    def lag_ns(trial: tuple[int, int, NDArray[np.int64]]) -> float:
        return _lag_ns(trial[2], begin_ns + trial[1], rows)

    most = sum(min(thread.theirs.size, thread.ours.size) for thread in threads)
    lines = sum(thread.theirs.size for thread in threads)
    # Of few calls some pair by chance, wherever the clocks are.
    gain = 1 if lines >= _ENOUGH else max(_CHANCE, lines // 10)
    expected_ns = 0
    best = paired(expected_ns)
    if most >= _ENOUGH and best[0] < _FEW * most:
        by_votes = paired(_votes(theirs, begin_ns, rows, threads) or 0)
        if by_votes[0] > best[0]:
            best, expected_ns = by_votes, by_votes[1]
    for _ in range(_ROUNDS):
        found = bounded(best[2])
        allowed_ns = found.nearest_ns(expected_ns)
        within = best if allowed_ns in (None, best[1]) else paired(allowed_ns or 0)
        # As many pairs within what they allow are better than at the edge of it.
        better = within if within[0] >= best[0] else best
        if better[0] < lines or lines < _SHORT:
            # Calls in quick succession pair as well one line too late or too early, all but the last of them.
            other = max((paired(better[1] + step_ns) for step_ns in _STEPS_NS), key=_pairs)
            nearer = other[0] >= better[0] and lag_ns(other) < lag_ns(better) * _NEARER
            better = other if other[0] >= better[0] + gain or nearer else better
        if better[1] == best[1]:
            break
        best = better
    return best[2], best[1], bounded(best[2])


def _lag_ns(partner: NDArray[np.int64], begin_ns: NDArray[np.int64], rows: NDArray[np.void]) -> float:
    """How long after their lines calls began, on average; each counts as no more than a millisecond.

    strace prints the time and lets the thread go on at once. Paired one line too late, the first call
    behind each pause would have waited for all of it.
    """
    paired = np.flatnonzero((partner != NONE) & (begin_ns > 0))
    submitted_ns = rows["submitted_ns"][partner[paired]]
    lags = (submitted_ns - begin_ns[paired])[submitted_ns != 0]
    return float(np.clip(lags, 0, _LONGEST_LAG_NS).mean()) if lags.size else 0.0


def _pairs(trial: tuple[int, int, NDArray[np.int64]]) -> int:
    return trial[0]


def _votes(
    theirs: NDArray[np.void], begin_ns: NDArray[np.int64], rows: NDArray[np.void], threads: list[_Thread]
) -> int | None:
    """By how much strace's times are too early, by the calls of each kind in each thread."""
    left, right = [], []
    for thread in threads:
        timed = thread.theirs[begin_ns[thread.theirs] != UNKNOWN_NS]
        seen = thread.ours[rows["submitted_ns"][thread.ours] != 0]
        for opcode in np.intersect1d(theirs["opcode"][timed], rows["opcode"][seen]):
            left.append(np.sort(begin_ns[timed[theirs["opcode"][timed] == opcode]]))
            right.append(np.sort(rows["submitted_ns"][seen[rows["opcode"][seen] == opcode]]))
    return offset_by_votes(left, right)


def _bounds(
    partner: NDArray[np.int64],
    begin_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    rows: NDArray[np.void],
    precision_ns: int,
) -> Bounds:
    paired = np.flatnonzero(partner != NONE)
    mine = rows[partner[paired]]
    return bounds(begin_ns[paired], end_ns[paired], mine["submitted_ns"], mine["completed_ns"], precision_ns)


def _thread_without_name(
    theirs: NDArray[np.void],
    tid: NDArray[np.int64],
    begin_ns: NDArray[np.int64],
    ours: Observed,
    *,
    by_time: bool,
) -> int:
    """The thread of the lines that name none: the one whose calls are most like them; 0 without any."""
    nameless = theirs[tid == 0]
    nameless_ns = begin_ns[tid == 0]
    taken = set(np.unique(tid).tolist())
    best, most = 0, 0
    for candidate in np.unique(ours.rows["tid"][ours.rows["opcode"] >= FIRST_CALL]).tolist():
        trial = np.full(nameless.size, candidate)
        threads = _threads(nameless, trial, ours)
        if by_time:
            pairs = _by_time(nameless, nameless_ns, ours.rows, threads)
        else:
            pairs = _by_order(nameless, ours.rows, threads)
        found = int(np.count_nonzero(pairs != NONE))
        # Without -o the first thread's lines have no name until strace has a second one.
        if found > most or (found == most and found and candidate in taken and best not in taken):
            best, most = candidate, found
    return best
