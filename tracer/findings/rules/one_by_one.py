"""`one-submission-per-call`: io_uring_enter is called for single operations that could share a call.

A call that submits one operation, waits for nothing and is followed by another io_uring_enter
of the same thread, with no other system call between, could have been left out: what it submitted would have
gone with the next one. A program with one operation at a time has nothing to share, so only
such calls count against it.
"""

from __future__ import annotations

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

FEWEST = 100
SHARE = 0.5
"""Of the calls that submit: so many could have been left out."""
_MOST_THREADS = 4096
_CALLS, _ALONE, _AVOIDABLE, _SUBMITTED, _FIRST_NS, _LAST_NS, _FD, _FILE = range(8)


class OneByOne:
    tag: ClassVar[str] = "one-submission-per-call"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._enter = shared.opcode("io_uring_enter")
        self._threads: dict[int, list[int]] = {}
        self._room = Room(_MOST_THREADS)

    def observe(self, step: Step) -> None:
        if not step.has_calls:
            return
        entered = step.returned & (step.column("opcode") == self._enter)
        if not entered.any():
            return
        of_thread = step.column("tid")
        for tid in np.unique(of_thread[entered]).tolist():
            # All calls of the thread, to know which one follows.
            rows = step.rows(step.returned & (of_thread == tid))
            enters = rows["opcode"] == self._enter
            submitting = enters & (rows["result"] > 0)
            alone = submitting & (rows["result"] == 1)
            follows = np.concatenate([enters[1:], [False]])
            waits = (rows["arg3"] & np.uint64(1) != 0) & (rows["arg2"] & np.uint64(0xFFFFFFFF) != 0)
            avoidable = alone & follows & ~waits
            if not submitting.any():
                continue
            last = rows[submitting][-1]
            sums = self._threads.get(tid)
            if sums is None:
                if not self._room.has(self._threads, tid):
                    continue
                first_ns = int(rows["submitted_ns"][submitting][0])
                sums = self._threads[tid] = [0, 0, 0, 0, first_ns, 0, 0, 0]
            for place, value in (
                (_CALLS, submitting.sum()),
                (_ALONE, alone.sum()),
                (_AVOIDABLE, avoidable.sum()),
                (_SUBMITTED, rows["result"][submitting].sum()),
            ):
                sums[place] += int(value)
            sums[_LAST_NS] = int(last["completed_ns"])
            sums[_FD], sums[_FILE] = int(last["fd"]), int(last["file"])

    def judge(self, moment: Moment) -> Verdict:
        if not self._shared.sees_calls:
            return not_applicable(
                self.tag, "system calls in the capture (--interface io_uring leaves them out)"
            )
        judged = {tid: sums for tid, sums in self._threads.items() if sums[_CALLS] >= FEWEST}
        if not judged:
            return not_applicable(self.tag, f"a thread with {FEWEST} calls of io_uring_enter that submit")
        findings = [
            self._finding(moment, tid, sums)
            for tid, sums in judged.items()
            if sums[_AVOIDABLE] >= FEWEST // 2 and sums[_AVOIDABLE] >= SHARE * sums[_CALLS]
        ]
        return found(self.tag, findings, evicted=self._room.evicted)

    def _finding(self, moment: Moment, tid: int, sums: list[int]) -> Finding:
        calls, alone, avoidable, submitted = sums[:4]
        return Finding(
            self.tag,
            Severity.WARNING,
            Confidence.HIGH,
            "io_uring_enter is called for single operations",
            moment.thread(tid, fd=sums[_FD], file=sums[_FILE]),
            (
                Evidence(
                    f"{alone:,} of {calls:,} calls submitted one operation each",
                    {"alone": alone, "calls": calls, "submitted": submitted},
                ),
                Evidence(
                    f"at least {avoidable:,} of them waited for nothing and were followed by the next",
                    {"avoidable": avoidable},
                ),
            ),
            "Each call costs an entry into the kernel, which is what the rings are there to save.",
            "Queue what a turn of the loop brings and submit it with the call that waits "
            "(io_uring_submit_and_wait); or let a kernel thread submit (IORING_SETUP_SQPOLL).",
            Window(sums[_FIRST_NS], sums[_LAST_NS]),
        )
