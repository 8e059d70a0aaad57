"""`ready-spin`: an event loop that is told again and again of something ready, and nothing comes of it.

Level-triggered, a descriptor is reported as long as it is ready: one that is watched for writing
without anything to write, or whose data nobody reads, ends every wait at once. Counted are waits
that reported something after which no thread of the process moved data, accepted or closed
anything until the next such wait. Waits that report nothing but eventfds, pipes or unix sockets
are threads telling one another something, and are left out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
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
from uringtrace.tracer.findings.rules.io_wq import file_kind
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.turns import MOST_THREADS
from uringtrace.tracer.readiness.calls import Role

LONGEST = 100
"""Waits in a row."""
WARNING_SHARE, WARNING_LONGEST = 0.1, 1000
"""Of all waits, or in a row: below both it was over before it cost anything."""
FEWEST_WAITS = 100
_USEFUL = (
    "read readv recvfrom recvmsg recvmmsg write writev sendto sendmsg sendmmsg sendfile splice accept "
    "accept4 close connect shutdown io_uring_enter"
)


@dataclass(slots=True)
class _Loop:
    waits: int = 0
    """That reported something."""
    idle: int = 0
    """Of these without any use."""
    run: int = 0
    longest: int = 0
    ready: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    """Descriptor, file and mask that idle runs reported."""
    tid: int = 0
    first_ns: int = 0
    last_ns: int = 0


class ReadySpin:
    tag: ClassVar[str] = "ready-spin"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._useful = shared.mask(*_USEFUL.split())
        self._waits = np.isin(shared.calls.roles, (Role.EPOLL_WAIT, Role.POLL, Role.SELECT))
        self._loops: dict[int, _Loop] = {}
        self._room = Room(MOST_THREADS)

    def observe(self, step: Step) -> None:
        turns = self._shared.turns
        if not len(turns.order):
            return
        opcode, result = step.column("opcode")[turns.order], step.column("result")[turns.order]
        reported = self._waits[opcode] & (result > 0)
        if not reported.any():
            return
        useful = self._useful[opcode] & (result >= 0)
        useful |= self._waits[opcode] & (result == 0)
        reported &= self._sockets(step)[turns.order]
        place = np.flatnonzero(reported | useful)
        rows, is_wait = turns.order[place], reported[place]
        in_time = np.argsort(rows)
        rows, is_wait = rows[in_time], is_wait[in_time]
        process = step.column("tgid")[rows]
        for tgid in np.unique(process[is_wait]).tolist():
            if not self._room.has(self._loops, tgid):
                continue
            mine = process == tgid
            self._add(step, self._loops.setdefault(tgid, _Loop()), rows[mine], is_wait[mine])

    def _add(
        self, step: Step, loop: _Loop, rows: np.ndarray[tuple[int], np.dtype[np.intp]],
        is_wait: np.ndarray[tuple[int], np.dtype[np.bool_]],
    ) -> None:  # fmt: skip
        """A wait is idle when the next thing of use is another wait; the last one is left open."""
        loop.waits += int(is_wait.sum())
        last_use = np.maximum.accumulate(np.where(is_wait, -1, np.arange(len(rows))))
        since = np.where(last_use < 0, np.arange(len(rows)) + 1 + loop.run, np.arange(len(rows)) - last_use)
        run = np.where(is_wait, since, 0)
        # A wait that another wait follows has come to nothing.
        idle = is_wait.copy()
        idle[:-1] &= is_wait[1:]
        idle[-1] = False
        loop.idle += int(idle.sum()) + int(bool(loop.run) and bool(is_wait[0]))
        loop.longest = max(loop.longest, int(run.max()))
        loop.run = int(run[-1])
        spinning = rows[run >= LONGEST]
        if len(spinning):
            loop.tid = int(step.column("tid")[spinning[-1]])
            loop.first_ns = loop.first_ns or int(step.column("completed_ns")[spinning[0]])
            loop.last_ns = int(step.column("completed_ns")[spinning[-1]])
            located = self._shared.located
            what = located.readiness[np.isin(located.row, spinning[-64:])]
            loop.ready.update(
                zip(what["fd"].tolist(), what["file"].tolist(), what["mask"].tolist(), strict=True)
            )

    def _sockets(self, step: Step) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Waits that reported a socket of a peer, or a listener; shape (n,).

        One without a file number, since nothing was done with it so far, is known by its descriptor.
        """
        located = self._shared.located
        readiness = located.readiness
        sockets = [
            number
            for number in np.unique(readiness["file"]).tolist()
            if file_kind(step.files.get(number)) in ("tcp", "udp")
        ]
        is_socket = np.isin(readiness["file"], sockets)
        unnamed = np.flatnonzero((readiness["file"] == 0) & (readiness["fd"] >= 0))
        if len(unnamed):
            opened = {(each.tgid, each.fd) for each in step.facts.open_sockets}
            pairs = zip(readiness["tgid"][unnamed].tolist(), readiness["fd"][unnamed].tolist(), strict=True)
            is_socket[unnamed] = [pair in opened for pair in pairs]
        mask = np.zeros(len(step), bool)
        mask[located.row[is_socket]] = True
        return mask

    def judge(self, moment: Moment) -> Verdict:
        if not any(loop.waits >= FEWEST_WAITS for loop in self._loops.values()):
            return not_applicable(self.tag, f"an event loop with {FEWEST_WAITS} waits that reported")
        findings = [
            self._finding(moment, loop.tid, loop) for loop in self._loops.values() if loop.longest >= LONGEST
        ]
        return found(self.tag, findings, evicted=self._room.evicted)

    def _finding(self, moment: Moment, tid: int, loop: _Loop) -> Finding:
        fd, file, mask = loop.ready.most_common(1)[0][0] if loop.ready else (-1, 0, 0)
        writing = bool(mask & 4) and not mask & 1
        costly = loop.idle >= WARNING_SHARE * loop.waits or loop.longest >= WARNING_LONGEST
        return Finding(
            self.tag,
            Severity.WARNING if costly else Severity.INFO,
            Confidence.HIGH,
            "the event loop spins on a descriptor that stays ready",
            moment.thread(tid, fd=fd, file=file),
            (
                Evidence(
                    f"{loop.idle:,} of {loop.waits:,} waits that reported something led to nothing, up to "
                    f"{loop.longest:,} in a row",
                    {"idle": loop.idle, "waits": loop.waits, "longest_run": loop.longest},
                ),
                Evidence(f"the mask it reports is {mask:#x}", {"mask": mask, "for_writing": writing}),
            ),
            "The thread burns a processor, and every useful event comes a turn later.",
            "Watch for writing only while there is something to write (EPOLL_CTL_MOD), and stop watching "
            "what nobody reads; or EPOLLET, EPOLLONESHOT.",
            Window(loop.first_ns, loop.last_ns),
        )
