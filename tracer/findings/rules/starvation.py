"""`starved-connections`: one busy connection is served in place of others that are ready.

Found where data lies unread while the thread that reads it at last makes nearly all of its calls
on one other descriptor, and never waits in between.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.moves import MoveRules
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
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.unread import LateRead

FEWEST_CALLS = 20
SHARE = 0.8
"""Of the thread's reads and writes, on one descriptor."""
_LOOK_BACK = 1 << 16
"""Reads and writes that are remembered."""


class StarvedConnections:
    tag: ClassVar[str] = "starved-connections"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._rules = MoveRules(shared.context.operation_names)
        self._moves: deque[NDArray[np.void]] = deque()
        self._remembered = 0
        self._seen = 0
        self._starved: Counter[tuple[int, int, int]] = Counter()
        """By thread, and descriptor and file that it served."""
        self._longest: dict[tuple[int, int, int], LateRead] = {}
        self._calls: Counter[tuple[int, int, int]] = Counter()
        self._first_ns = 0
        self._handled = 0

    def observe(self, step: Step) -> None:
        moved = step.completed & (step.column("result") > 0)
        moved &= (self._rules.direction(step.column("opcode")) > 0) & (step.column("file") > 0)
        row = np.flatnonzero(moved)
        late = self._shared.unread.late
        if len(row):
            kept = np.zeros(len(row), _MOVE)
            for name in ("completed_ns", "tid", "file", "fd"):
                kept[name] = step.column(name)[row]
            self._moves.append(kept)
            self._remembered += len(kept)
            while self._remembered > _LOOK_BACK and len(self._moves) > 1:
                self._remembered -= len(self._moves.popleft())
        if late:
            for each in late:
                if each.read_ns > self._handled and not each.listener:
                    self._seen += 1
                    self._take(each)
            self._handled = max(self._handled, max(each.read_ns for each in late))

    def _take(self, late: LateRead) -> None:
        mine = []
        for part in self._moves:
            inside = (part["completed_ns"] >= np.uint64(late.arrived_ns)) & (part["tid"] == late.tid)
            inside &= part["completed_ns"] < np.uint64(late.read_ns)
            if inside.any():
                mine.append(part[inside])
        if not mine:
            return
        moves = np.concatenate(mine)
        files, counts = np.unique(moves["file"], return_counts=True)
        most = int(np.argmax(counts))
        if files[most] == late.file or counts[most] < FEWEST_CALLS or counts[most] < SHARE * len(moves):
            return
        fd = int(moves["fd"][moves["file"] == files[most]][-1])
        key = late.tid, fd, int(files[most])
        self._starved[key] += 1
        self._calls[key] = max(self._calls[key], int(counts[most]))
        longest = self._longest.get(key)
        if longest is None or late.ns > longest.ns:
            self._longest[key] = late
        self._first_ns = self._first_ns or late.arrived_ns

    def judge(self, moment: Moment) -> Verdict:
        if not self._remembered:
            return not_applicable(self.tag, "connections with data")
        return found(self.tag, [self._finding(moment, key) for key in self._starved])

    def _finding(self, moment: Moment, key: tuple[int, int, int]) -> Finding:
        tid, fd, file = key
        longest = self._longest[key]
        late_ms = longest.ns / 1e6
        return Finding(
            self.tag,
            Severity.WARNING,
            Confidence.HIGH,
            "one connection is served while others are ready",
            moment.thread(tid, fd=fd, file=file),
            (
                Evidence(
                    f"{self._starved[key]:,} times others waited to be read, up to {late_ms:,.0f} ms",
                    {"starved": self._starved[key], "longest_ns": longest.ns},
                ),
                Evidence(
                    f"in one such time the thread moved data {self._calls[key]:,} times on this connection",
                    {"calls": self._calls[key]},
                ),
            ),
            "A peer that sends without pause takes the loop for itself, and everybody else waits.",
            "Give each connection a share for a turn of the loop (so many bytes or requests), then the next.",
            Window(self._first_ns, longest.read_ns),
        )


_MOVE = np.dtype([("completed_ns", "<u8"), ("tid", "<u4"), ("file", "<u4"), ("fd", "<i4")])
