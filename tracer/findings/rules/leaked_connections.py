"""`leaked-connections`: the peer has closed, and the descriptor stays open.

A connection on which a request is still being worked on is not counted.
"""

from __future__ import annotations

from typing import ClassVar

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
from uringtrace.tracer.findings.waiting import Waited


class LeakedConnections:
    tag: ClassVar[str] = "leaked-connections"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def observe(self, step: Step) -> None:
        """The trackers that all rules share see all there is to see."""

    def judge(self, moment: Moment) -> Verdict:
        connections = self._shared.connections(moment)
        if not connections:
            return not_applicable(self.tag, "a connection")
        waiting = self._shared.waiting
        by_process: dict[int | None, list[Waited]] = {}
        for number, each in waiting.left.items():
            if number not in waiting.unanswered:
                by_process.setdefault(each.connection.tgid, []).append(each)
        findings = [self._finding(tgid, left, len(connections)) for tgid, left in by_process.items()]
        return found(self.tag, findings, evicted=waiting.evicted)

    def _finding(self, tgid: int | None, left: list[Waited], of: int) -> Finding:
        oldest = min(left, key=lambda each: each.since_ns)
        where = oldest.connection
        named = f"{where.local}->{where.remote}" if where.local and where.remote else None
        return Finding(
            self.tag,
            Severity.WARNING,
            Confidence.HIGH,
            "connections that their peer has closed stay open",
            Subject(tgid=tgid, fd=where.fd, file=named, connection=where.number),
            (
                Evidence(
                    f"{len(left):,} of {of:,} connections, for at least {oldest.ns / 1e9:.1f} s",
                    {"leaked": len(left), "connections": of, "longest_ns": oldest.ns},
                ),
            ),
            "Each holds a descriptor and memory in the kernel; when the limit is reached nobody is accepted.",
            "Close at the end of the stream (a read of 0 bytes, EPOLLRDHUP, EPOLLHUP), also after errors.",
            Window(oldest.since_ns, max(each.seen_ns for each in left)),
        )
