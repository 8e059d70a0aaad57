"""`eagain-storm`: accept or receive calls that find nothing, again and again.

A loop that reads until EAGAIN has one of them for each time there was something. From five on for
each success nothing was waited for: the program asks instead.
"""

from __future__ import annotations

import errno
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

FEWEST = 100
PER_SUCCESS = 5
_CALLS = "accept accept4 recvfrom recvmsg read readv"


@dataclass(slots=True)
class _Calls:
    nothing: int = 0
    successes: int = 0
    fd: int = -1
    file: int = 0
    first_ns: int = 0
    last_ns: int = 0


class EagainStorm:
    tag: ClassVar[str] = "eagain-storm"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._asking = shared.mask(*_CALLS.split())
        self._calls: dict[tuple[int, int], _Calls] = {}
        """By thread and opcode."""
        self._room = Room(MOST_THREADS)

    def observe(self, step: Step) -> None:
        asking = step.returned & self._asking[step.column("opcode")]
        rows = np.flatnonzero(asking)
        if not len(rows):
            return
        tid, opcode = step.column("tid")[rows], step.column("opcode")[rows]
        result = step.column("result")[rows]
        key = tid.astype(np.uint64) << np.uint64(16) | opcode
        for value in np.unique(key).tolist():
            mine = rows[key == value]
            name = value >> 16, value & 0xFFFF
            if not self._room.has(self._calls, name):
                continue
            of = self._calls.setdefault(name, _Calls())
            results = result[key == value]
            nothing = results == -errno.EAGAIN
            of.successes += int((results >= 0).sum())
            if not nothing.any():
                continue
            of.nothing += int(nothing.sum())
            of.first_ns = of.first_ns or int(step.column("submitted_ns")[mine[nothing][0]])
            last = mine[nothing][-1]
            of.last_ns = int(step.column("completed_ns")[last])
            of.fd, of.file = int(step.column("fd")[last]), int(step.column("file")[last])

    def judge(self, moment: Moment) -> Verdict:
        if not any(of.nothing + of.successes >= FEWEST for of in self._calls.values()):
            return not_applicable(self.tag, f"{FEWEST} calls that accept or receive")
        findings = [
            self._finding(moment, tid, self._shared.name(opcode), of)
            for (tid, opcode), of in self._calls.items()
            if of.nothing >= FEWEST and of.nothing >= PER_SUCCESS * of.successes
        ]
        return found(self.tag, findings, evicted=self._room.evicted)

    def _finding(self, moment: Moment, tid: int, call: str, of: _Calls) -> Finding:
        return Finding(
            self.tag,
            Severity.WARNING,
            Confidence.HIGH,
            f"{call} is called although there is nothing",
            moment.thread(tid, fd=of.fd, file=of.file),
            (
                Evidence(
                    f"{of.nothing:,} calls of {call} said EAGAIN, {of.successes:,} succeeded",
                    {"call": call, "eagain": of.nothing, "successes": of.successes},
                ),
            ),
            "Every such call takes the time of a useful one; the loop burns its processor.",
            "After EAGAIN wait (epoll, poll) before asking again; edge-triggered, one EAGAIN ends the round.",
            Window(of.first_ns, of.last_ns),
        )
