"""What each thread is doing at this moment, and how it spent the last second, from /proc.

The call that a thread is in comes from the capture (`under_way.py`); /proc adds whether it
runs, waits or is blocked, and how long it ran (proc_pid_stat(5), Documentation/scheduler/
sched-stats.rst). Invariant: a thread or process that goes away, or may not be read, is left
out; nothing here raises.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from uringtrace.tracer.procfs import PROC

RUNNING, WAITING, BLOCKED, ENDED, UNKNOWN = "running", "waiting", "blocked", "ended", "unknown"
"""Values of `ThreadNow.state`."""

_STATES = {"R": RUNNING, "S": WAITING, "I": WAITING, "D": BLOCKED, "Z": ENDED, "X": ENDED}
_START_TIME, _FIELDS = 19, 20
"""Positions after the name in proc_pid_stat(5): starttime is field 22."""


@dataclass(frozen=True, slots=True)
class ThreadLook:
    """One look at one thread. None: this kernel does not tell."""

    tid: int
    tgid: int
    name: str
    state: str
    started: int
    """Ticks since boot: tells two threads of one number apart."""
    ran_ns: int | None
    """On a processor or ready for one, since its start."""


@dataclass(frozen=True, slots=True)
class ThreadState:
    """Of one thread; shares of the time between the last two looks, None before there are two."""

    tgid: int
    name: str
    state: str
    running: float | None
    """On a processor or ready for one."""
    waiting: float | None
    """Neither: asleep. What the kernel counts as blocked is not told apart over time."""


class ThreadWatch:
    """Looks at the threads of processes, again and again."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._before: tuple[int, Mapping[int, ThreadLook]] | None = None

    def states(self, pids: Iterable[int], now_ns: int) -> dict[int, ThreadState]:
        """Thread id → state, of all threads of `pids`. Call it about once a second."""
        looks = {look.tid: look for pid in pids for look in threads_of(pid, self._proc)}
        then, before = self._before or (now_ns, {})
        self._before = now_ns, looks
        passed = now_ns - then
        return {tid: _state(look, before.get(tid), passed) for tid, look in looks.items()}


def _state(look: ThreadLook, before: ThreadLook | None, passed_ns: int) -> ThreadState:
    running = None
    same = before is not None and before.started == look.started
    if (
        before is not None
        and same
        and passed_ns > 0
        and look.ran_ns is not None
        and before.ran_ns is not None
    ):
        running = min(1.0, max(0.0, (look.ran_ns - before.ran_ns) / passed_ns))
    waiting = None if running is None else 1.0 - running
    return ThreadState(look.tgid, look.name, look.state, running, waiting)


def threads_of(pid: int, proc: Path = PROC) -> list[ThreadLook]:
    """One look at all threads of a process; empty when it is gone."""
    folder = f"{proc}/{pid}/task"
    try:
        names = os.listdir(folder)  # noqa: PTH208  (hundreds of threads, once a second)
    except OSError:
        return []
    found = (look(int(name), pid, f"{folder}/{name}") for name in names if name.isdecimal())
    return [each for each in found if each is not None]


def look(tid: int, tgid: int, folder: str) -> ThreadLook | None:
    """One look at one thread; None when it is gone or what is there is no such text."""
    stat = _text(f"{folder}/stat")
    if stat is None:
        return None
    head, _, rest = stat.rpartition(")")
    fields = rest.split()
    name = head.partition("(")[2]
    if len(fields) < _FIELDS or not fields[_START_TIME].isdecimal():
        return None
    state = _STATES.get(fields[0], UNKNOWN)
    return ThreadLook(tid, tgid, name, state, int(fields[_START_TIME]), _ran_ns(_text(f"{folder}/schedstat")))


def _ran_ns(schedstat: str | None) -> int | None:
    """Time on a processor and on a run queue: the first two numbers."""
    words = (schedstat or "").split()
    if len(words) < 2 or not (words[0].isdecimal() and words[1].isdecimal()):
        return None
    return int(words[0]) + int(words[1])


def on_processor_ns(tgid: int, tid: int, proc: Path = PROC) -> int | None:
    """Processor time of one thread; None when it is gone."""
    words = (_text(f"{proc}/{tgid}/task/{tid}/schedstat") or "").split()
    return int(words[0]) if words and words[0].isdecimal() else None


def workers_of(states: Mapping[int, ThreadState], pids: Collection[int]) -> dict[int, int]:
    """io-wq worker threads of each process, by their names (create_io_worker, io_uring/io-wq.c)."""
    counts = dict.fromkeys(pids, 0)
    for state in states.values():
        if state.name.startswith("iou-wrk-") and state.state != ENDED and state.tgid in counts:
            counts[state.tgid] += 1
    return counts


def _text(path: str) -> str | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  (hundreds of threads, once a second)
            return file.read().decode("utf-8", "backslashreplace")
    except OSError:
        return None
