"""How long threads ran, and waited for a processor, from looks at /proc while a capture runs.

The figures are those of /proc/PID/task/TID/schedstat: time on a processor and on a run queue
(Documentation/scheduler/sched-stats.rst). io-wq's workers are threads of the process, which their name
tells (create_io_worker, io_uring/io-wq.c). A recording has none of this: every answer is None then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from uringtrace.tracer.procfs import PROC

_LOOKS_KEPT = 2048
"""Of each thread: ten minutes at four a second."""
_MOST_THREADS = 4096
_WORKER = "iou-wrk-"


@dataclass(frozen=True, slots=True)
class Look:
    """One thread at one moment."""

    ns: int
    ran_ns: int
    """On a processor, since its start."""
    queued_ns: int
    """Runnable without one."""


@dataclass(slots=True)
class Workers:
    """io-wq's threads of one process, as far as looks met them."""

    most: int = 0
    """At one look."""
    first_ns: int = 0
    most_ns: int = 0
    """When there were so many."""
    met: set[int] = field(default_factory=set)


class ThreadLooks:
    """Looks of all threads; the newest `_LOOKS_KEPT` of each."""

    def __init__(self) -> None:
        self._looks: dict[int, deque[Look]] = {}
        self.workers: dict[int, Workers] = {}
        """By process; those that have none are not there."""
        self.looked = False

    def add(self, tid: int, look: Look) -> None:
        """In the order of time."""
        if tid in self._looks or len(self._looks) < _MOST_THREADS:
            self._looks.setdefault(tid, deque(maxlen=_LOOKS_KEPT)).append(look)

    def knows(self, tid: int) -> bool:
        """The thread was there at an earlier look."""
        return tid in self._looks

    def note_workers(self, tgid: int, new: Collection[int], present: Collection[int], now_ns: int) -> None:
        """Of the threads that are `present`, `new` are workers that no look had met."""
        workers = self.workers.get(tgid)
        if workers is None:
            if not new:
                return
            workers = self.workers[tgid] = Workers(first_ns=now_ns)
        workers.met.update(new)
        count = len(workers.met.intersection(present))
        if count > workers.most:
            workers.most, workers.most_ns = count, now_ns

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
        looks.looked = True
        workers = []
        try:
            threads = list((proc / str(pid) / "task").iterdir())
        except OSError:
            continue
        for thread in threads:
            tid = int(thread.name)
            try:
                if not looks.knows(tid) and (thread / "comm").read_bytes().startswith(_WORKER.encode()):
                    workers.append(tid)
                words = (thread / "schedstat").read_text(encoding="ascii").split()
            except OSError:
                continue
            if len(words) >= 2 and words[0].isdecimal() and words[1].isdecimal():
                looks.add(tid, Look(now_ns, int(words[0]), int(words[1])))
        looks.note_workers(pid, workers, {int(thread.name) for thread in threads}, now_ns)
