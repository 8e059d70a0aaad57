"""`head-of-line`: a thread waits for one peer, and others wait for the thread.

The thread is in one call on a connection for at least half of the time in which data of another
connection, or a connection to be accepted, lies in the kernel: a slow client holds a worker.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

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
from uringtrace.tracer.findings.stays import Stay
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.unread import LateRead
from uringtrace.tracer.findings.waiting import LONG_NS

_ON_PEERS = "read readv recvfrom recvmsg write writev sendto sendmsg sendfile splice poll ppoll"


class HeadOfLine:
    tag: ClassVar[str] = "head-of-line"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._on_peers = shared.mask(*_ON_PEERS.split())

    def observe(self, step: Step) -> None:
        """The trackers that all rules share see all there is to see."""

    def judge(self, moment: Moment) -> Verdict:
        if not self._shared.sees_calls:
            return not_applicable(self.tag, "system calls in the capture")
        if not self._shared.connections(moment):
            return not_applicable(self.tag, "a connection")
        held: Counter[int] = Counter()
        last: dict[int, tuple[Stay, LateRead]] = {}
        waited: dict[int, list[LateRead]] = {}
        unread = self._shared.unread
        for late in [*unread.late, *unread.lying(moment.at_ns)]:
            if late.ns < LONG_NS:
                continue
            holder = self._holder(moment, late)
            if holder is not None:
                tid, stay = holder
                held[tid] += 1
                last[tid] = stay, late
                waited.setdefault(tid, []).append(late)
        findings = [self._finding(moment, tid, last[tid][0], waited[tid]) for tid in held]
        return found(self.tag, findings, evicted=unread.evicted)

    def _holder(self, moment: Moment, late: LateRead) -> tuple[int, Stay] | None:
        """The thread that was in one call on another peer's socket."""
        tgid = self._shared.process_of(moment, late.file)
        if tgid is None:
            return None
        holder = self._shared.holder(moment, tgid, late.arrived_ns, late.read_ns)
        if holder is None or not self._on_peers[max(holder[1].opcode, 0)] or holder[1].file == late.file:
            return None
        file = moment.facts.files.get(holder[1].file)
        return holder if file is not None and file.socket is not None else None

    def _finding(self, moment: Moment, tid: int, stay: Stay, waited: list[LateRead]) -> Finding:
        queued = sum(late.listener for late in waited)
        longest = max(late.ns for late in waited)
        call = self._shared.name(stay.opcode)
        return Finding(
            self.tag,
            Severity.WARNING,
            Confidence.HIGH,
            "a slow peer holds a thread, and others wait for it",
            moment.thread(tid, fd=stay.fd, file=stay.file),
            (
                Evidence(
                    f"it was in {call} for up to {(stay.end_ns - stay.begin_ns) / 1e9:.1f} s",
                    {"call": call, "held_ns": stay.end_ns - stay.begin_ns},
                ),
                Evidence(
                    f"meanwhile {len(waited) - queued:,} connections had data to be read and {queued:,} were "
                    f"to be accepted, for up to {longest / 1e9:.1f} s",
                    {"unread": len(waited) - queued, "queued": queued, "longest_ns": longest},
                ),
            ),
            "Who waits pays for the slowest peer of the worker, and enough of these stop the server.",
            "A time limit for each read and write (SO_RCVTIMEO, SO_SNDTIMEO), more workers, or an event "
            "loop.",
            Window(min(late.arrived_ns for late in waited), max(late.read_ns for late in waited)),
        )
