"""`lock-convoy`: threads that hand a lock from one to the next for every request.

Counted are futex waits in which a thread slept until another one of the process woke it
(futex(2)). Parking of idle workers is the same to the kernel: what is found is the rate.
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
    found,
    not_applicable,
)
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.record import Wake

FEWEST = 100
"""Requests, and hand-overs."""
NOTE, MANY = 1.0, 10.0
"""Hand-overs for each request."""


class LockConvoy:
    tag: ClassVar[str] = "lock-convoy"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._futex = shared.opcode("futex")
        self._handed: Counter[int] = Counter()
        """By process."""
        self._asleep_ns: Counter[int] = Counter()
        self._words: Counter[tuple[int, int]] = Counter()
        """By process and address of the futex."""

    def observe(self, step: Step) -> None:
        waits = step.returned & (step.column("opcode") == self._futex) & step.column("slept")
        waits &= (step.column("wake") == Wake.THREAD) & (step.column("result") == 0)
        if not waits.any():
            return
        rows = step.rows(waits)
        for tgid in np.unique(rows["tgid"]).tolist():
            mine = rows[rows["tgid"] == tgid]
            self._handed[tgid] += len(mine)
            self._asleep_ns[tgid] += int((mine["completed_ns"] - mine["submitted_ns"]).sum())
            words, counts = np.unique(mine["arg0"], return_counts=True)
            for word, count in zip(words.tolist(), counts.tolist(), strict=True):
                if len(self._words) < 1 << 14 or (tgid, word) in self._words:
                    self._words[tgid, word] += count

    def judge(self, moment: Moment) -> Verdict:
        requests = self._shared.requests(moment)
        served = {tgid: count for tgid, count in requests.items() if count >= FEWEST}
        if not served:
            return not_applicable(self.tag, f"a server that answered {FEWEST} requests")
        findings = [
            self._finding(tgid, count)
            for tgid, count in served.items()
            if self._handed[tgid] >= FEWEST and self._handed[tgid] >= NOTE * count
        ]
        return found(self.tag, findings)

    def _finding(self, tgid: int, requests: int) -> Finding:
        handed, asleep_ns = self._handed[tgid], self._asleep_ns[tgid]
        word, most = max(
            ((word, count) for (process, word), count in self._words.items() if process == tgid),
            key=lambda item: item[1],
            default=(0, 0),
        )
        return Finding(
            self.tag,
            Severity.WARNING if handed >= MANY * requests else Severity.INFO,
            Confidence.MEDIUM,
            "threads hand a lock, or work, to one another for every request",
            Subject(tgid=tgid),
            (
                Evidence(
                    f"{handed:,} futex waits were ended by another thread, for {requests:,} requests "
                    f"({handed / requests:.1f} each)",
                    {"handed": handed, "requests": requests, "per_request": handed / requests},
                ),
                Evidence(
                    f"{most:,} of them on the word {word:#x}; {asleep_ns / 1e9:.2f} s asleep in all",
                    {"word": word, "of_word": most, "asleep_ns": asleep_ns},
                ),
            ),
            "Each is a sleep, a wake-up and a switch of threads; the more threads, the more of them.",
            "Fewer threads, shorter locks, or one queue for each worker; in Python several processes.",
        )
