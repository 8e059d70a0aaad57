"""What ended a wait: a signal, a timeout, the network, or a thread and what it did.

The kernel side saw who made the thread runnable; this says what it means. Invariant: a call
that neither slept nor was interrupted has no explanation, and one whose waker was not seen
says no more than its own result does.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.readiness.calls import ReadinessCalls, Role
from uringtrace.tracer.record import Batch, Kind, Wake, is_call

_RESTARTS = (512, 513, 514, 516)
"""ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK (include/linux/errno.h)."""
_INTERRUPTED = tuple(-number for number in (errno.EINTR, *_RESTARTS))
_TIMED_OUT = (-errno.ETIMEDOUT, -errno.ETIME)


class Reason(StrEnum):
    SIGNAL = "signal"
    """The call was interrupted: by a signal, or by other work the kernel had for the thread."""
    TIMEOUT = "timeout"
    """The time that the caller gave was over."""
    TIMER = "timer"
    """A timer that expired, as of a timerfd or of a sleep."""
    NETWORK = "network"
    THREAD = "thread"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a thread did not wait any longer. None means not observed or not applicable."""

    reason: Reason
    tid: int | None = None
    """The thread that woke it."""
    opcode: int | None = None
    """The system call that thread was in."""
    fd: int | None = None
    """The first argument of that call, where it is a descriptor."""
    file: int | None = None
    """The file of that descriptor."""
    ran_after_ns: int | None = None
    """From being woken to the return of the call."""


@dataclass(frozen=True, slots=True)
class Woke:
    """Which thread a call woke, as futex and write do."""

    tid: int
    """The last of them."""
    count: int


def reasons(operations: Batch, calls: ReadinessCalls) -> NDArray[np.object_]:
    """For each row its `Reason` or None, shape (n,)."""
    result, wake = operations["result"], operations["wake"]
    returned = operations["kind"] == Kind.COMPLETION
    slept = operations["slept"] & returned
    roles = calls.of(operations)
    found = np.full(operations.size, None, np.object_)
    for code, reason in REASONS.items():
        found[slept & (wake == code)] = reason
    waits = (roles == Role.EPOLL_WAIT) | (roles == Role.POLL) | (roles == Role.SELECT)
    timer = slept & (wake == Wake.TIMER)
    expired = slept & ((waits & (result == 0)) | np.isin(result, _TIMED_OUT))
    # A socket's SO_RCVTIMEO ends a call with EAGAIN (socket(7)), as sigtimedwait(2) does.
    found[expired | (timer & (result == -errno.EAGAIN))] = Reason.TIMEOUT
    found[is_call(operations) & returned & np.isin(result, _INTERRUPTED)] = Reason.SIGNAL
    return found


REASONS: Mapping[int, Reason] = {
    Wake.TIMER: Reason.TIMER,
    Wake.NETWORK: Reason.NETWORK,
    Wake.THREAD: Reason.THREAD,
    Wake.INTERRUPT: Reason.INTERRUPT,
}
"""What woke a thread, in words."""


def explanation(operation: np.void, reason: Reason) -> Explanation:
    """The ingredients for one row (of dtype `OPERATION`) and its reason."""
    by_thread = int(operation["wake"]) == Wake.THREAD and int(operation["waker"])
    if reason not in (Reason.THREAD, Reason.SIGNAL) or not by_thread:
        return Explanation(reason, ran_after_ns=_ran_after(operation))
    file = int(operation["waker_file"]) or None
    return Explanation(
        reason,
        tid=int(operation["waker"]),
        opcode=int(operation["waker_opcode"]) or None,
        fd=int(operation["waker_argument"]) & 0x7FFFFFFF if file else None,
        file=file,
        ran_after_ns=_ran_after(operation),
    )


def woke(operation: np.void) -> Woke | None:
    """Which thread this call (one row of dtype `OPERATION`) woke; None: none was seen."""
    tid = int(operation["woke"])
    return Woke(tid, max(int(operation["woke_count"]), 1)) if tid else None


def _ran_after(operation: np.void) -> int | None:
    woken, completed = int(operation["woken_ns"]), int(operation["completed_ns"])
    return completed - woken if 0 < woken <= completed else None
