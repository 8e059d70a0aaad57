"""One thread of the target: what it did, waited on and for how long.

Moments (`…_ns` without a span in the name) are CLOCK_MONOTONIC nanoseconds; spans count
only what lies inside the capture. None means not observed or not applicable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Wait:
    """One system call that a thread slept in."""

    call: str
    count: int
    total_ns: int


@dataclass(frozen=True, slots=True)
class Partner:
    """Another thread that woke, or was woken by, this one."""

    tid: int
    count: int


@dataclass(frozen=True, slots=True)
class CurrentCall:
    """The call a thread was in when the capture, or the thread, ended."""

    call: str
    file: str | None
    """What its first descriptor stands for."""
    since_ns: int | None
    """None: it was in this call for the whole capture."""
    age_ns: int
    """Time in it, inside the capture."""


@dataclass(frozen=True, slots=True)
class ThreadActivity:
    """What was seen of one thread."""

    tid: int
    tgid: int
    name: str | None
    system_calls: int
    """That returned, or from which nothing returns."""
    operations: int
    """io_uring operations that it submitted and that were seen to end or are still open."""
    errors: int
    """Of both interfaces; what only says "not now" (EAGAIN, EINTR, …) is none."""
    slept_calls: int
    """Calls in which it gave up its processor to wait."""
    slept_ns: int
    """Time in these."""
    running_ns: int
    """Time in calls in which it did not wait."""
    waits: tuple[Wait, ...]
    """By call, longest first."""
    woken_by_timer: int
    """Calls whose sleep a timer ended; likewise the next three (`Wake`)."""
    woken_by_network: int
    woken_by_thread: int
    woken_by_interrupt: int
    woken_by: tuple[Partner, ...]
    """Threads that ended its sleep, most often first."""
    woke: tuple[Partner, ...]
    """Threads that its calls woke, most often first. Of a call that woke several the last stands for all."""
    current: CurrentCall | None


THREAD_COLUMNS: dict[str, str] = {
    "tid": "int",
    "tgid": "int",
    "name": "str | None",
    "system_calls": "int",
    "operations": "int",
    "errors": "int",
    "slept_calls": "int",
    "slept_ns": "int",
    "running_ns": "int",
    "waited_on": "str | None",
    "waited_on_count": "int | None",
    "waited_on_ns": "int | None",
    "woken_by_timer": "int",
    "woken_by_network": "int",
    "woken_by_thread": "int",
    "woken_by_interrupt": "int",
    "woken_most_by": "int | None",
    "woken_most_by_count": "int | None",
    "woke_most": "int | None",
    "woke_most_count": "int | None",
    "current_call": "str | None",
    "current_file": "str | None",
    "current_since_ns": "int | None",
    "current_age_ns": "int | None",
}
"""Columns of `thread_rows`, in order, to their types, with ` | None` where NULL occurs."""

_PLAIN = tuple(name for name in THREAD_COLUMNS if name in ThreadActivity.__slots__)


def thread_rows(threads: Iterable[ThreadActivity]) -> list[dict[str, Any]]:
    """One flat row per thread, with the keys of `THREAD_COLUMNS` in that order.

    Of the lists a row has the first entry only: the call it waited in longest, and the
    threads it exchanged most wake-ups with.
    """
    return [_row(thread) for thread in threads]


def _row(thread: ThreadActivity) -> dict[str, Any]:
    wait = thread.waits[0] if thread.waits else None
    woken_by = thread.woken_by[0] if thread.woken_by else None
    woke = thread.woke[0] if thread.woke else None
    current = thread.current
    values: dict[str, Any] = {name: getattr(thread, name) for name in _PLAIN}
    values |= {
        "waited_on": wait and wait.call,
        "waited_on_count": wait and wait.count,
        "waited_on_ns": wait and wait.total_ns,
        "woken_most_by": woken_by and woken_by.tid,
        "woken_most_by_count": woken_by and woken_by.count,
        "woke_most": woke and woke.tid,
        "woke_most_count": woke and woke.count,
        "current_call": current and current.call,
        "current_file": current and current.file,
        "current_since_ns": current and current.since_ns,
        "current_age_ns": current and current.age_ns,
    }
    return {name: values[name] for name in THREAD_COLUMNS}
