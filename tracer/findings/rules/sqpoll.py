"""`sqpoll-asleep` and `sqpoll-burning`: a thread that was to save calls, and does not, or spins for nothing.

With IORING_SETUP_SQPOLL a thread of the kernel takes what is submitted. It sleeps when nothing
came for `sq_thread_idle`, and the program has to wake it by io_uring_enter with
IORING_ENTER_SQ_WAKEUP (io_uring_setup(2)); while it does not sleep it spins.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import numpy as np

from uringtrace.probes.setup_flags import SQPOLL
from uringtrace.tracer.findings.finding import (
    Confidence,
    Evidence,
    Finding,
    Severity,
    Subject,
    Verdict,
    found,
    not_applicable,
)
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.source import Ring

WAKES_PER_OPERATION, INFO_WAKES = 0.5, 0.1
"""From half on the calls cost what submitting would; below a call wakes it for several."""
FEWEST_WAKES = 50
BUSY = 0.5
"""Share of a processor from which on a thread that has little to do burns it."""
FEW_PER_SECOND = 100
_SQ_WAKEUP = 1 << 1


def _polled(moment: Moment) -> list[Ring]:
    return [ring for ring in moment.facts.rings if ring.flags is not None and ring.flags & SQPOLL]


class PollingThreadAsleep:
    tag: ClassVar[str] = "sqpoll-asleep"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._enter = shared.opcode("io_uring_enter")
        self._wakes: Counter[tuple[int, int]] = Counter()
        """By process and descriptor."""

    def observe(self, step: Step) -> None:
        entered = step.returned & (step.column("opcode") == self._enter)
        if not entered.any():
            return
        rows = step.rows(entered)
        rows = rows[rows["arg3"] & np.uint64(_SQ_WAKEUP) != 0]
        pairs = np.stack([rows["tgid"].astype(np.int64), rows["fd"].astype(np.int64)], axis=1)
        unique, counts = np.unique(pairs, axis=0, return_counts=True)
        for (tgid, fd), count in zip(unique.tolist(), counts.tolist(), strict=True):
            self._wakes[tgid, fd] += count

    def judge(self, moment: Moment) -> Verdict:
        rings = [ring for ring in _polled(moment) if ring.submitted]
        if not rings:
            return not_applicable(self.tag, "a ring with SQPOLL that submits")
        if not self._shared.sees_calls:
            return not_applicable(self.tag, "system calls in the capture")
        findings = []
        for ring in rings:
            wakes = self._wakes[ring.tgid, -1 if ring.fd is None else ring.fd]
            if wakes >= FEWEST_WAKES and wakes >= INFO_WAKES * ring.submitted:
                findings.append(self._finding(ring, wakes))
        return found(self.tag, findings)

    def _finding(self, ring: Ring, wakes: int) -> Finding:
        often = wakes >= WAKES_PER_OPERATION * ring.submitted
        return Finding(
            self.tag,
            Severity.WARNING if often else Severity.INFO,
            Confidence.HIGH,
            "the SQPOLL thread sleeps when work comes",
            Subject(tgid=ring.tgid, tid=ring.sq_thread, fd=ring.fd, ring=ring.ring),
            (
                Evidence(
                    f"{wakes:,} calls of io_uring_enter woke it for {ring.submitted:,} operations",
                    {"wakes": wakes, "submitted": ring.submitted},
                ),
            ),
            "Each wake-up is a system call and a switch of threads: more than a call that submits costs.",
            "Raise sq_thread_idle above the usual pause between operations, or do without SQPOLL.",
        )


class PollingThreadBurning:
    tag: ClassVar[str] = "sqpoll-burning"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def observe(self, step: Step) -> None:
        """Only /proc tells how long a thread ran."""

    def judge(self, moment: Moment) -> Verdict:
        rings = [ring for ring in _polled(moment) if ring.sq_thread is not None]
        if not rings:
            return not_applicable(self.tag, "a ring with SQPOLL")
        busy = {ring.ring: self._shared.looks.busy(ring.sq_thread) for ring in rings if ring.sq_thread}
        known = {ring: share for ring, share in busy.items() if share is not None}
        if not known:
            return not_applicable(self.tag, "the processor time of threads, which a recording does not have")
        seconds = moment.duration_ns / 1e9
        findings = [
            self._finding(ring, known[ring.ring], ring.submitted / seconds)
            for ring in rings
            if known.get(ring.ring, 0.0) >= BUSY and ring.submitted < FEW_PER_SECOND * seconds
        ]
        return found(self.tag, findings)

    def _finding(self, ring: Ring, busy: float, rate: float) -> Finding:
        return Finding(
            self.tag,
            Severity.WARNING,
            Confidence.HIGH,
            "the SQPOLL thread burns a processor with little to do",
            Subject(tgid=ring.tgid, tid=ring.sq_thread, fd=ring.fd, ring=ring.ring),
            (
                Evidence(
                    f"it ran, or was ready to, {busy:.0%} of the time for {rate:,.1f} operations per second",
                    {"busy": busy, "submitted": ring.submitted, "per_second": rate},
                ),
            ),
            "It spins whether there is work or not: that processor is missing elsewhere.",
            "Lower sq_thread_idle so that it sleeps between operations, share the thread between rings "
            "(IORING_SETUP_ATTACH_WQ), or do without SQPOLL.",
        )
