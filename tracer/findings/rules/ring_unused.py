"""`ring-unused`: a ring that was set up and submits nothing."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

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

LONG_ENOUGH_NS = 1_000_000_000


class RingUnused:
    tag: ClassVar[str] = "ring-unused"

    def __init__(self, shared: Shared) -> None:
        self._used: set[int] = set()
        """Numbers of rings: as many as the capture has."""

    def observe(self, step: Step) -> None:
        if step.has_operations:
            self._used.update(np.unique(step.column("ring")).tolist())

    def judge(self, moment: Moment) -> Verdict:
        if not moment.facts.rings:
            return not_applicable(self.tag, "a ring")
        if moment.duration_ns < LONG_ENOUGH_NS:
            return not_applicable(self.tag, "a capture of a second")
        seconds = moment.duration_ns / 1e9
        return found(
            self.tag,
            [
                Finding(
                    self.tag,
                    Severity.INFO,
                    Confidence.HIGH,
                    "a ring was set up and is not used",
                    Subject(tgid=ring.tgid, fd=ring.fd, ring=ring.ring or None),
                    (Evidence(f"nothing was submitted to it in {seconds:.1f} s", {"submitted": 0}),),
                    "A ring takes locked memory, and with SQPOLL a thread.",
                    "Set it up when it is needed, or close it.",
                )
                for ring in moment.facts.rings
                if not (ring.submitted or ring.completions or ring.in_flight or ring.ring in self._used)
            ],
        )
