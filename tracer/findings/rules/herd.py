"""`thundering-herd`: more threads are woken for a connection than can have it.

Two signs are added up. A thread that is woken in its wait and finds that another one was faster
goes back to sleep inside the call, which only the count of its wake-ups tells. One that does
return calls accept, and gets EAGAIN as the only thing it gets. An edge-triggered loop that accepts
until EAGAIN is no herd. Where several threads wait on one epoll instance it wakes one of them at a time
(ep_poll adds itself exclusively, fs/eventpoll.c): who goes back to sleep there was late for data, of which
one that was busy came back in time, and the listener had no part in it.
"""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import dataclass, field
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
from uringtrace.tracer.findings.turns import MOST_THREADS, Before
from uringtrace.tracer.readiness.calls import Role
from uringtrace.tracer.record import Wake

FEWEST = 20
"""Connections, and wake-ups for nothing."""
PER_CONNECTION = 0.5
_WAIT, _ACCEPTED, _NOTHING = 1, 2, 3


@dataclass(slots=True)
class _Thread:
    accepted: int = 0
    nothing: int = 0
    """EAGAIN of accept, in all."""
    in_vain: int = 0
    """Of these the first after a wait."""
    extra: Counter[int] = field(default_factory=Counter)
    """Wake-ups in a wait beyond the one that ended it, by epoll instance; 0: in accept."""
    listeners: Counter[int] = field(default_factory=Counter)
    fd: int = -1
    tgid: int = 0
    first_ns: int = 0
    last_ns: int = 0


class ThunderingHerd:
    tag: ClassVar[str] = "thundering-herd"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._accept = shared.mask("accept", "accept4")
        self._waits = shared.calls.roles == Role.EPOLL_WAIT
        self._before = Before()
        self._threads: dict[int, _Thread] = {}
        self._room = Room(MOST_THREADS)

    def observe(self, step: Step) -> None:
        turns = self._shared.turns
        if not len(turns.order):
            return
        opcode, result = step.column("opcode")[turns.order], step.column("result")[turns.order]
        accept, wait = self._accept[opcode], self._waits[opcode]
        if not accept.any() and not wait.any():
            return
        nothing = accept & (result == -errno.EAGAIN)
        codes = np.where(
            wait, _WAIT, np.where(nothing, _NOTHING, np.where(accept & (result >= 0), _ACCEPTED, 0))
        )
        in_vain = nothing & (self._before.add(turns, codes) == _WAIT)
        wakes = step.column("wakes")[turns.order].astype(np.int64)
        network = (wait | accept) & (step.column("wake")[turns.order] == Wake.NETWORK)
        extra = np.where(network & step.column("slept")[turns.order], np.maximum(wakes - 1, 0), 0)
        concerned = accept | (extra > 0)
        for tid in np.unique(turns.tid[concerned]).tolist():
            if not self._room.has(self._threads, tid):
                continue
            of = self._threads.setdefault(tid, _Thread())
            mine = turns.tid == tid
            again = np.flatnonzero(mine & (extra > 0))
            files = np.where(accept[again], 0, step.column("file")[turns.order[again]])
            for number in np.unique(files).tolist():
                of.extra[number] += int(extra[again[files == number]].sum())
            mine &= accept
            if not mine.any():
                continue
            rows = step.operations[turns.order[mine]]
            of.accepted += int((rows["result"] >= 0).sum())
            of.nothing += int(nothing[mine].sum())
            of.in_vain += int(in_vain[mine].sum())
            of.listeners.update(
                rows["file"].tolist() if len(rows) < 4 else {int(rows["file"][-1]): len(rows)}
            )
            of.fd, of.tgid = int(rows["fd"][-1]), int(rows["tgid"][-1])
            of.first_ns = of.first_ns or int(rows["submitted_ns"][0])
            of.last_ns = int(rows["completed_ns"][-1])

    def judge(self, moment: Moment) -> Verdict:
        if not self._shared.sees_calls:
            return not_applicable(self.tag, "system calls in the capture")
        groups: dict[str, dict[int, _Thread]] = {}
        for tid, thread in self._threads.items():
            if thread.listeners:
                file = thread.listeners.most_common(1)[0][0]
                groups.setdefault(moment.description(file) or f"file {file}", {})[tid] = thread
        judged = {
            name: threads
            for name, threads in groups.items()
            if len(threads) > 1 and sum(each.accepted for each in threads.values()) >= FEWEST
        }
        if not judged:
            return not_applicable(self.tag, f"threads that share a listener and accept {FEWEST} connections")
        findings = []
        for name, threads in judged.items():
            accepted = sum(each.accepted for each in threads.values())
            wasted = sum(self._slept_again(each) + each.in_vain for each in threads.values())
            if wasted >= FEWEST and wasted >= PER_CONNECTION * accepted:
                findings.append(self._finding(moment, name, threads))
        return found(self.tag, findings, evicted=self._room.evicted)

    def _slept_again(self, thread: _Thread) -> int:
        """Wake-ups that a listener made in vain: none of an instance that several threads wait on."""
        waiters = self._shared.loops.waiters
        return sum(count for file, count in thread.extra.items() if not file or waiters(file) < 2)

    def _finding(self, moment: Moment, listener: str, threads: dict[int, _Thread]) -> Finding:
        accepted, nothing, in_vain = (
            sum(getattr(each, name) for each in threads.values())
            for name in ("accepted", "nothing", "in_vain")
        )
        extra = sum(self._slept_again(each) for each in threads.values())
        first = next(iter(threads.values()))
        wasted = (extra + in_vain) / accepted
        return Finding(
            self.tag,
            Severity.WARNING,
            Confidence.HIGH,
            "several threads are woken for one connection",
            Subject(tgid=first.tgid, fd=first.fd, file=listener),
            (
                Evidence(
                    f"{len(threads)} threads wait for the same listener; they accepted {accepted:,}",
                    {"threads": len(threads), "accepted": accepted},
                ),
                Evidence(
                    f"{extra:,} wake-ups ended in sleep again inside the wait, {in_vain:,} in an accept that "
                    f"found nothing: {wasted:.2f} for each connection",
                    {
                        "slept_again": extra,
                        "in_vain": in_vain,
                        "per_connection": wasted,
                    },
                ),
                Evidence(f"{nothing:,} calls of accept said EAGAIN", {"eagain": nothing}),
            ),
            "Each wake-up costs a switch of threads and takes the processor from those who have work.",
            "A listener for each worker with SO_REUSEPORT, or EPOLLEXCLUSIVE, or one thread that accepts.",
            Window(
                min(each.first_ns for each in threads.values()),
                max(each.last_ns for each in threads.values()),
            ),
        )
