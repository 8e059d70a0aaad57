"""How long threads ran, and waited for a processor, from looks at /proc while a capture runs.

The figures are those of /proc/PID/task/TID/schedstat: time on a processor and on a run queue
(Documentation/scheduler/sched-stats.rst). A recording has none: every answer is None then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from uringtrace.tracer.procfs import PROC

_LOOKS_KEPT = 2048
"""Of each thread: ten minutes at four a second."""
_MOST_THREADS = 4096


@dataclass(frozen=True, slots=True)
class Look:
    """One thread at one moment."""

    ns: int
    ran_ns: int
    """On a processor, since its start."""
    queued_ns: int
    """Runnable without one."""


class ThreadLooks:
    """Looks of all threads; the newest `_LOOKS_KEPT` of each."""

    def __init__(self) -> None:
        self._looks: dict[int, deque[Look]] = {}

    def add(self, tid: int, look: Look) -> None:
        """In the order of time."""
        if tid in self._looks or len(self._looks) < _MOST_THREADS:
            self._looks.setdefault(tid, deque(maxlen=_LOOKS_KEPT)).append(look)

    def busy(self, tid: int) -> float | None:
        """Share of the time between the first and the last look in which the thread ran or was ready to."""
        looks = self._looks.get(tid)
        if not looks or looks[-1].ns <= looks[0].ns:
            return None
        first, last = looks[0], looks[-1]
        active = last.ran_ns + last.queued_ns - first.ran_ns - first.queued_ns
        return min(1.0, active / (last.ns - first.ns))

    def around(self, tid: int, start_ns: int, end_ns: int) -> tuple[int, int] | None:
        """Time on a processor, and time ready without one, from the last look before `start_ns` to the first
        after `end_ns`: each is at least that in between. None where no two looks enclose it.
        """
        looks = self._looks.get(tid)
        if not looks:
            return None
        times = [look.ns for look in looks]
        before, after = bisect_right(times, start_ns) - 1, bisect_right(times, end_ns)
        if before < 0 or after >= len(times):
            return None
        first, last = looks[before], looks[after]
        return last.ran_ns - first.ran_ns, last.queued_ns - first.queued_ns


def look_at(pids: Iterable[int], looks: ThreadLooks, now_ns: int, proc: Path = PROC) -> None:
    """Add one look at each thread of these processes; what is gone is left out."""
    for pid in pids:
        try:
            threads = list((proc / str(pid) / "task").iterdir())
        except OSError:
            continue
        for thread in threads:
            try:
                words = (thread / "schedstat").read_text(encoding="ascii").split()
            except OSError:
                continue
            if len(words) >= 2 and words[0].isdecimal() and words[1].isdecimal():
                looks.add(int(thread.name), Look(now_ns, int(words[0]), int(words[1])))
