"""`cq-overflow`: completions that found the completion queue full.

They go to a list of the kernel, with an allocation each, and come back only by a call of
io_uring_enter; without memory for the list they are dropped (io_uring/io_uring.c,
io_cqring_add_overflow).
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import numpy as np

from uringtrace.tracer.findings.finding import (
    Confidence,
    Evidence,
    Finding,
    Severity,
    Subject,
    Verdict,
    Window,
    found,
    not_applicable,
)
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.record import Path

_FULL = Path.OVERFLOW | Path.DROPPED


class CompletionQueueOverflow:
    tag: ClassVar[str] = "cq-overflow"

    def __init__(self, shared: Shared) -> None:
        self._completions: Counter[int] = Counter()
        """By ring, as the next."""
        self._overflown: Counter[int] = Counter()
        self._dropped: Counter[int] = Counter()
        self._windows: dict[int, tuple[int, int]] = {}

    def observe(self, step: Step) -> None:
        if not step.has_operations:
            return
        ring = step.column("ring")[~step.call]
        self._completions.update(_counted(ring))
        full = ~step.call & (step.column("path") & _FULL != 0)
        if not full.any():
            return
        rows = step.rows(full)
        self._overflown.update(_counted(rows["ring"][rows["path"] & Path.OVERFLOW != 0]))
        self._dropped.update(_counted(rows["ring"][rows["path"] & Path.DROPPED != 0]))
        for number in np.unique(rows["ring"]).tolist():
            times = rows["completed_ns"][rows["ring"] == number]
            start_ns = self._windows.get(number, (int(times[0]), 0))[0]
            self._windows[number] = start_ns, int(times[-1])

    def judge(self, moment: Moment) -> Verdict:
        if not self._completions:
            return not_applicable(self.tag, "an io_uring operation that completed")
        rings = sorted(self._overflown | self._dropped)
        return found(self.tag, [self._finding(moment, ring) for ring in rings])

    def _finding(self, moment: Moment, number: int) -> Finding:
        overflown, dropped = self._overflown[number], self._dropped[number]
        completions = self._completions[number]
        ring = moment.ring(number)
        size = ring.cq_entries if ring else None
        evidence = [
            Evidence(
                f"{overflown:,} of {completions:,} completions found the queue full",
                {"overflows": overflown, "completions": completions, "share": overflown / completions},
            )
        ]
        if dropped:
            evidence.append(
                Evidence(f"{dropped:,} completions were lost for want of memory", {"dropped": dropped})
            )
        if size is not None and ring is not None:
            evidence.append(
                Evidence(
                    f"the queue has {size:,} entries; up to {ring.in_flight_max:,} operations were in flight",
                    {"cq_entries": size, "in_flight_max": ring.in_flight_max},
                )
            )
        return Finding(
            self.tag,
            Severity.CRITICAL if dropped else Severity.WARNING,
            Confidence.HIGH,
            "completions were lost" if dropped else "the completion queue overflows",
            Subject(tgid=ring.tgid if ring else None, fd=ring.fd if ring else None, ring=number),
            tuple(evidence),
            "Each overflown completion costs an allocation and waits for a call of io_uring_enter, also with "
            "SQPOLL; a multishot operation ends by it.",
            "Take completions before more is submitted; set up a larger queue (IORING_SETUP_CQSIZE), at "
            "least as large as what can be in flight, multishot completions included.",
            Window(*self._windows[number]),
        )


def _counted(rings: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> dict[int, int]:
    values, counts = np.unique(rings, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
