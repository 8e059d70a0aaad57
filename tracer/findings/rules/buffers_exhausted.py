"""`buffers-exhausted`: operations that found no provided buffer (ENOBUFS)."""

from __future__ import annotations

import errno
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
from uringtrace.tracer.findings.room import Room
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.record import SQE_BUFFER_SELECT

FEWEST = 20
SHARE = 0.01
_MOST_KEPT = 4096


class BuffersExhausted:
    tag: ClassVar[str] = "buffers-exhausted"

    def __init__(self, shared: Shared) -> None:
        self._selecting = 0
        self._without: Counter[tuple[int, int]] = Counter()
        """By ring and buffer group."""
        self._subjects: dict[tuple[int, int], Subject] = {}
        self._windows: dict[tuple[int, int], Window] = {}
        self._room = Room(_MOST_KEPT)

    def observe(self, step: Step) -> None:
        if not step.has_operations:
            return
        selecting = step.operation_completed & (step.column("sqe_flags") & SQE_BUFFER_SELECT != 0)
        if not selecting.any():
            return
        self._selecting += int(selecting.sum())
        without = selecting & (step.column("result") == -errno.ENOBUFS)
        if not without.any():
            return
        rows = step.rows(without)
        pairs = rows["ring"].astype(np.int64) << 16 | rows["buf_index"]
        for pair in np.unique(pairs).tolist():
            group = rows[pairs == pair]
            key = pair >> 16, pair & 0xFFFF
            if not self._room.has(self._without, key, len(group)):
                continue
            self._without[key] += len(group)
            last = group[-1]
            self._subjects[key] = Subject(tgid=int(last["tgid"]), tid=int(last["tid"]), ring=key[0])
            start = self._windows[key].start_ns if key in self._windows else int(group["completed_ns"][0])
            self._windows[key] = Window(start, int(last["completed_ns"]))

    def judge(self, moment: Moment) -> Verdict:
        if not self._selecting:
            return not_applicable(self.tag, "an operation with provided buffers")
        findings = [self._finding(moment, key) for key in self._without]
        return found(self.tag, findings, evicted=self._room.evicted)

    def _finding(self, moment: Moment, key: tuple[int, int]) -> Finding:
        count, share = self._without[key], self._without[key] / self._selecting
        often = count >= FEWEST and share >= SHARE
        return Finding(
            self.tag,
            Severity.WARNING if often else Severity.INFO,
            Confidence.HIGH,
            "operations find no provided buffer",
            self._subjects[key],
            (
                Evidence(
                    f"{count:,} of {self._selecting:,} completions ({share:.1%}) ended with ENOBUFS, "
                    f"in buffer group {key[1]}",
                    {"without": count, "completions": self._selecting, "share": share, "group": key[1]},
                ),
            ),
            "What has arrived stays in the socket until the operation is submitted again; a multishot "
            "one ends.",
            "Provide more buffers, give them back as soon as they are read, and arm again what ended.",
            self._windows[key],
        )
