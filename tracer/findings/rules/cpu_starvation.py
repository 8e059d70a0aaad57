"""`cpu-starvation`: threads that are woken and get no processor.

From the wake-up until the call returns a thread is ready and waits for its turn
(`woken_ns`, sched_waking). While a capture runs /proc tells the whole time on run queues as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from uringtrace.tracer.findings.finding import (
    Confidence,
    Evidence,
    Finding,
    Severity,
    Verdict,
    Window,
    found,
    not_applicable,
)
from uringtrace.tracer.findings.room import Room
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.turns import MOST_THREADS

LONG_NS = 20_000_000
SHARE = 0.10
"""Of the capture spent in such waits by one thread, and the next in all: a warning."""
LOST_NS = 1_000_000_000


@dataclass(slots=True)
class _Delays:
    count: int = 0
    total_ns: int = 0
    longest_ns: int = 0
    first_ns: int = 0
    last_ns: int = 0


class ProcessorStarvation:
    tag: ClassVar[str] = "cpu-starvation"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._wakes = 0
        self._delays: dict[int, _Delays] = {}
        self._room = Room(MOST_THREADS)

    def observe(self, step: Step) -> None:
        woken = step.returned & step.column("slept") & (step.column("woken_ns") > 0)
        rows = np.flatnonzero(woken)
        if not len(rows):
            return
        self._wakes += len(rows)
        at, ended = step.column("woken_ns")[rows], step.column("completed_ns")[rows]
        delay = ended - np.minimum(at, ended)
        for place in np.flatnonzero(delay >= np.uint64(LONG_NS)).tolist():
            tid = int(step.column("tid")[rows[place]])
            if not self._room.has(self._delays, tid):
                continue
            of = self._delays.setdefault(tid, _Delays())
            of.count += 1
            of.total_ns += int(delay[place])
            of.longest_ns = max(of.longest_ns, int(delay[place]))
            of.first_ns = of.first_ns or int(at[place])
            of.last_ns = int(ended[place])

    def judge(self, moment: Moment) -> Verdict:
        if not self._wakes:
            return not_applicable(self.tag, "a thread that slept in a system call and was seen to be woken")
        return found(self.tag, self._findings(moment), evicted=self._room.evicted)

    def _findings(self, moment: Moment) -> list[Finding]:
        """One for the target, on the thread that lost most."""
        if not self._delays:
            return []
        tid, worst = max(self._delays.items(), key=lambda item: item[1].total_ns)
        share = worst.total_ns / max(moment.duration_ns, 1)
        count = sum(each.count for each in self._delays.values())
        longest_ns = max(each.longest_ns for each in self._delays.values())
        values = {"delays": count, "threads": len(self._delays), "longest_ns": longest_ns}
        finding = Finding(
            self.tag,
            Severity.WARNING if share >= SHARE and worst.total_ns >= LOST_NS else Severity.INFO,
            Confidence.HIGH,
            "threads are ready and get no processor",
            moment.thread(tid),
            (
                Evidence(
                    f"{count:,} times {len(self._delays)} threads waited {LONG_NS / 1e6:.0f} ms or more from "
                    f"their wake-up to their return, up to {longest_ns / 1e6:,.1f} ms",
                    values,
                ),
                Evidence(
                    f"this one waited {worst.total_ns / 1e6:,.0f} ms in all, {share:.0%} of the capture",
                    {"total_ns": worst.total_ns, "share": share},
                ),
            ),
            "The machine, or the share of it that the target may have, has too few processors.",
            "Look for what else runs, at cpu.max of its cgroup and its nice value; use as many workers as "
            "there are processors.",
            Window(
                min(each.first_ns for each in self._delays.values()),
                max(each.last_ns for each in self._delays.values()),
            ),
        )
        return [finding]
