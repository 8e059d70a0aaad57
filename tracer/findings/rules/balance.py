"""`unbalanced-workers`: one of several workers has nearly all connections.

Workers are threads that accept from listeners of one address, or wait on an event loop that
reports such a listener. EPOLLEXCLUSIVE wakes the one that began to wait first, which on an idle
machine is always the same.
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
    Verdict,
    found,
    not_applicable,
)
from uringtrace.tracer.findings.room import Room
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.turns import MOST_THREADS
from uringtrace.tracer.readiness.calls import Role
from uringtrace.tracer.record import Kind
from uringtrace.tracer.source import File

FEWEST = 40
TIMES_FAIR = 2.5
SHARE = 0.9
"""One worker has this share, or so many times its own."""


class UnbalancedWorkers:
    tag: ClassVar[str] = "unbalanced-workers"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._accept = shared.mask("accept", "accept4")
        self._accepted: Counter[tuple[str, int]] = Counter()
        """By address and thread; also those that got nothing, with 0."""
        self._room = Room(MOST_THREADS)

    def observe(self, step: Step) -> None:
        accepts = step.returned & self._accept[step.column("opcode")] & (step.column("file") > 0)
        if not accepts.any():
            return
        pair = step.column("file")[accepts].astype(np.uint64) << np.uint64(32) | step.column("tid")[accepts]
        good = step.column("result")[accepts] >= 0
        values, place = np.unique(pair, return_inverse=True)
        for value, count in zip(values.tolist(), np.bincount(place, weights=good).tolist(), strict=True):
            key = _address(step.files.get(value >> 32)), value & 0xFFFFFFFF
            if not self._room.has(self._accepted, key):
                continue
            self._accepted[key] += int(count)

    def judge(self, moment: Moment) -> Verdict:
        by_address: dict[str, dict[int, int]] = {}
        for (address, tid), count in self._accepted.items():
            if address:
                by_address.setdefault(address, {})[tid] = count
        if len(by_address) == 1:
            only = next(iter(by_address.values()))
            for tid in self._others(moment):
                only.setdefault(tid, 0)
        judged = {
            address: counts
            for address, counts in by_address.items()
            if len(counts) > 1 and sum(counts.values()) >= FEWEST
        }
        if not judged:
            return not_applicable(self.tag, f"several workers of one listener and {FEWEST} connections")
        findings = []
        for address, counts in judged.items():
            share = max(counts.values()) / sum(counts.values())
            if share >= min(SHARE, TIMES_FAIR / len(counts)):
                findings.append(self._finding(moment, address, counts))
        return found(self.tag, findings, evicted=self._room.evicted)

    def _others(self, moment: Moment) -> set[int]:
        """Threads that wait for a listener, and have not accepted anything."""
        loops = [loop for loop in self._shared.loops.instances.values() if loop.holds_listener]
        waiting = {tid for loop in loops for tid in loop.waiters}
        if not any(tid in waiting for _, tid in self._accepted):
            # Whoever waits tells others to accept.
            waiting.clear()
        if moment.under_way is not None:
            rows = moment.under_way[moment.under_way["kind"] == Kind.UNFINISHED]
            listening = {
                (each.tgid, each.epoll_fd)
                for each in moment.facts.interests
                for opened in moment.facts.open_sockets
                if opened.socket.listening and (opened.tgid, opened.fd) == (each.tgid, each.fd)
            }
            epoll = rows[self._shared.calls.of(rows) == Role.EPOLL_WAIT]
            waiting |= {int(row["tid"]) for row in epoll if (int(row["tgid"]), int(row["fd"])) in listening}
            calls = rows[self._accept[rows["opcode"]]]
            waiting |= set(calls["tid"].tolist())
        return waiting

    def _finding(self, moment: Moment, address: str, counts: dict[int, int]) -> Finding:
        tid, most = max(counts.items(), key=lambda item: item[1])
        total = sum(counts.values())
        return Finding(
            self.tag,
            Severity.INFO,
            Confidence.HIGH,
            "one worker has most connections",
            moment.thread(tid),
            (
                Evidence(
                    f"it accepted {most:,} of {total:,} connections of {address} ({most / total:.0%}), with "
                    f"{len(counts)} workers",
                    {"accepted": most, "total": total, "share": most / total, "workers": len(counts)},
                ),
            ),
            "The others are idle while requests wait for the one.",
            "A listener for each worker (SO_REUSEPORT), or let a worker stop accepting while it has many.",
        )


def _address(file: File | None) -> str:
    """Where a listener listens; empty where that is not known."""
    return (file.socket.local or "") if file is not None and file.socket is not None else ""
