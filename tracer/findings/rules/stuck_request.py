"""`stuck-request`: requests that nobody goes on with, while every thread is parked.

Data that lies unread for a second while all threads of the process wait is certain: nobody will
read it. A request that was read and is not answered may be a long poll, so that is a suspicion:
it takes a wait without a time limit that began since, or one whose limit has passed without an
answer. A lock that is handed to a future which nobody polls looks like this, and so does a lost waker.
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
from uringtrace.tracer.findings.unread import LateRead
from uringtrace.tracer.findings.waiting import LONG_NS, Waited
from uringtrace.tracer.readiness.calls import Role


class StuckRequest:
    tag: ClassVar[str] = "stuck-request"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def observe(self, step: Step) -> None:
        """The trackers that all rules share see all there is to see."""

    def judge(self, moment: Moment) -> Verdict:
        if not self._shared.sees_calls:
            return not_applicable(self.tag, "system calls in the capture")
        connections = self._shared.connections(moment)
        if not any(each.requests or each.request_waiting_ns for each in connections):
            return not_applicable(self.tag, "a connection with requests")
        waiting = self._shared.waiting
        if moment.under_way is not None:
            rows = moment.under_way
            waiting.note_waits(rows[self._shared.calls.of(rows) == Role.EPOLL_WAIT])
        timers = waiting.without_timer
        unanswered: dict[int, list[Waited]] = {}
        for each in waiting.unanswered.values():
            process = each.connection.tgid
            if process is None or timers.get(process, 0) <= each.since_ns:
                continue
            if not self._held(moment, process, each):
                unanswered.setdefault(process, []).append(each)
        unread = self._unread(moment)
        processes = sorted(set(unanswered) | set(unread))
        return found(
            self.tag,
            [
                self._finding(moment, tgid, unanswered.get(tgid, []), unread.get(tgid, []))
                for tgid in processes
            ],
            evicted=waiting.evicted,
        )

    def _held(self, moment: Moment, tgid: int, each: Waited) -> bool:
        """Whether a thread of the process was held by something for half of the time."""
        return self._shared.holder(moment, tgid, each.since_ns, each.seen_ns) is not None

    def _unread(self, moment: Moment) -> dict[int, list[LateRead]]:
        """By process: data that lies unread, with nobody at work."""
        by_inode = {each.inode: each for each in self._shared.connections(moment)}
        found: dict[int, list[LateRead]] = {}
        for late in self._shared.unread.lying(moment.at_ns):
            file = moment.facts.files.get(late.file)
            connection = by_inode.get(file.inode) if file is not None else None
            if late.listener or late.ns < LONG_NS or connection is None or connection.tgid is None:
                continue
            open_and_served = connection.is_open and connection.interfaces == "syscall"
            # A peer that only left is no request: see leaked-connections.
            if not open_and_served or connection.closed_by is not None:
                continue
            if self._shared.holder(moment, connection.tgid, late.arrived_ns, late.read_ns) is None:
                found.setdefault(connection.tgid, []).append(late)
        return found

    def _finding(
        self, moment: Moment, tgid: int, unanswered: list[Waited], unread: list[LateRead]
    ) -> Finding:
        answered = self._shared.requests(moment)[tgid]
        evidence = []
        if unanswered:
            longest = max(each.ns for each in unanswered)
            left = sum(each.connection.number in self._shared.waiting.left for each in unanswered)
            evidence.append(
                Evidence(
                    f"{len(unanswered):,} requests were read and are not answered, for up to "
                    f"{longest / 1e9:.1f} s; {answered:,} others were",
                    {"unanswered": len(unanswered), "longest_ns": longest, "answered": answered},
                )
            )
            if left:
                evidence.append(Evidence(f"{left:,} of their peers have given up", {"given_up": left}))
        if unread:
            longest = max(each.ns for each in unread)
            evidence.append(
                Evidence(
                    f"on {len(unread):,} connections data lies unread, for up to {longest / 1e9:.1f} s",
                    {"unread": len(unread), "longest_unread_ns": longest},
                )
            )
        evidence.append(Evidence("meanwhile no thread of the process was held by a call: all were parked"))
        since = [each.since_ns for each in unanswered] + [each.arrived_ns for each in unread]
        first = min(unanswered, key=lambda each: each.since_ns, default=None)
        if first is not None:
            where = first.connection
            subject = Subject(tgid=tgid, fd=where.fd, file=_named(where), connection=where.number)
        else:
            subject = Subject(tgid=tgid, file=moment.description(unread[0].file))
        return Finding(
            self.tag,
            Severity.CRITICAL if unread or len(unanswered) > 1 else Severity.WARNING,
            Confidence.HIGH if unread else Confidence.MEDIUM if len(unanswered) > 1 else Confidence.LOW,
            "requests wait and nobody goes on with them",
            subject,
            tuple(evidence),
            "Nothing that is waited for will wake them: a waker was lost, or a lock was handed to a task "
            "that is not polled (futurelock). Only the peer's patience ends it.",
            "Look for futures that are polled by hand and put aside (select! by reference), for locks held "
            "over an await, and for callbacks without an error path; give every request a deadline.",
            Window(min(since), moment.at_ns),
        )


def _named(connection: object) -> str | None:
    local, remote = getattr(connection, "local", None), getattr(connection, "remote", None)
    return f"{local}->{remote}" if local and remote else None
