"""Why a row of one side has no partner on the other.

Each reason is a fact about the row or the capture, not a guess; what none of them covers is
UNEXPLAINED, which is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.compare.matching import NONE, Matching
from uringtrace.tracer.compare.sides import NO_OPCODE, Log, Observed
from uringtrace.tracer.record import FIRST_CALL, Path
from uringtrace.tracer.strace.batches import UNKNOWN_NS, Mark
from uringtrace.tracer.strace.records import Ending

_NO_TIMES = np.zeros(0, np.int64)


class OnlyOurs(IntEnum):
    """Why strace has no line of an operation."""

    MATCHED = 0
    """It has one."""
    BEFORE = 1
    """It began, or of io_uring ended, before strace was there."""
    AFTER = 2
    """It began, or of io_uring ended, after strace had gone."""
    SQPOLL = 3
    """Of io_uring, submitted by the kernel's own thread: the program made no call at all."""
    WORKER = 4
    """Of io_uring, carried out by a worker thread of the kernel (io-wq)."""
    IO_URING = 5
    """Of io_uring otherwise: a strace line may say that something was submitted, not what."""
    THREAD = 6
    """The log has no line of its thread: strace did not follow it."""
    NAME = 7
    """The log has no line of any such call: strace was told to leave it out."""
    FOREIGN = 8
    """A call of another architecture's table, whose name is not known here."""
    UNEXPLAINED = 9


class OnlyTheirs(IntEnum):
    """Why the capture has no row of strace's line."""

    MATCHED = 0
    BEFORE = 1
    """Before the capture began."""
    AFTER = 2
    """After it ended."""
    THREAD = 3
    """The capture has no call of its thread: it is not the target's."""
    CLASS = 4
    """The capture was of io_uring alone."""
    KILLED = 5
    """Its thread was killed as it began: the call never happened."""
    INJECTED = 6
    """strace itself answered in the kernel's place."""
    UNKNOWN_NAME = 7
    """The call has no number on this architecture: of another one's table, or not known yet."""
    LOST = 8
    """The capture says that it lost records."""
    UNEXPLAINED = 9


def window_of(matching: Matching, ours: Observed) -> tuple[int, int]:
    """From the first to the last line of the log, within the capture; all of that without lines.

    Where lines have no times, those of their partners stand for them.
    """
    known = matching.begin_ns[matching.begin_ns != UNKNOWN_NS] if matching.alignment.by_time else _NO_TIMES
    if not known.size:
        partners = ours.rows[matching.partner[matching.partner != NONE]]
        known = partners["submitted_ns"][partners["submitted_ns"] != 0]
    if not known.size:
        return ours.started_ns, ours.ended_ns
    return max(int(known.min()), ours.started_ns), min(int(known.max()), ours.ended_ns)


def why_only_ours(
    theirs: NDArray[np.void], ours: Observed, matching: Matching, window: tuple[int, int]
) -> NDArray[np.uint8]:
    """OnlyOurs of each row of the capture, shape (n,)."""
    rows = ours.rows
    partners = matching.partner[matching.partner != NONE]
    matched = np.zeros(rows.size, bool)
    matched[partners] = True
    calls = rows["opcode"] >= FIRST_CALL
    moment = np.where(calls, rows["submitted_ns"], rows["completed_ns"])
    reasons = [
        (matched, OnlyOurs.MATCHED),
        (moment < window[0], OnlyOurs.BEFORE),
        (moment > window[1], OnlyOurs.AFTER),
        (~calls & np.isin(rows["tid"], list(ours.sq_threads)), OnlyOurs.SQPOLL),
        (~calls & (rows["path"] & Path.IO_WQ != 0), OnlyOurs.WORKER),
        (~calls, OnlyOurs.IO_URING),
        (~np.isin(rows["tid"], matching.tid), OnlyOurs.THREAD),
        (rows["opcode"] == ours.other_calls, OnlyOurs.FOREIGN),
        (~np.isin(rows["opcode"], theirs["opcode"]), OnlyOurs.NAME),
    ]
    return _first_of(reasons, OnlyOurs.UNEXPLAINED, rows.size)


def why_only_theirs(
    theirs: NDArray[np.void], log: Log, ours: Observed, matching: Matching
) -> NDArray[np.uint8]:
    """OnlyTheirs of each row of the log, shape (n,)."""
    begin_ns = matching.begin_ns
    known = (begin_ns != UNKNOWN_NS) & matching.alignment.by_time
    has_result = theirs["marks"] & Mark.HAS_RESULT != 0
    calls = ours.rows["opcode"] >= FIRST_CALL
    killed = (theirs["ending"] == Ending.NOT_RETURNED) & np.isin(matching.tid, list(log.killed))
    lost = ours.losses.total_lost > 0
    reasons = [
        (matching.partner != NONE, OnlyTheirs.MATCHED),
        (known & (begin_ns < ours.started_ns), OnlyTheirs.BEFORE),
        (known & (begin_ns > ours.ended_ns), OnlyTheirs.AFTER),
        (np.full(theirs.size, not ours.has_calls), OnlyTheirs.CLASS),
        (killed & ~has_result, OnlyTheirs.KILLED),
        (theirs["marks"] & Mark.INJECTED != 0, OnlyTheirs.INJECTED),
        (~np.isin(matching.tid, ours.rows["tid"][calls]), OnlyTheirs.THREAD),
        (theirs["opcode"] == NO_OPCODE, OnlyTheirs.UNKNOWN_NAME),
        (np.full(theirs.size, lost), OnlyTheirs.LOST),
    ]
    return _first_of(reasons, OnlyTheirs.UNEXPLAINED, theirs.size)


def _first_of(
    reasons: Sequence[tuple[NDArray[np.bool_], IntEnum]], otherwise: IntEnum, size: int
) -> NDArray[np.uint8]:
    found = np.full(size, otherwise, np.uint8)
    for mask, reason in reversed(reasons):
        found[mask] = reason
    return found
