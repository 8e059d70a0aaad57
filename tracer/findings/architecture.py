"""Which architecture a server has, from what it does, never from its name.

The questions are asked in a fixed order and the first that is answered decides: who moves the
data of sockets (a ring, or calls), who waits for readiness and on how many instances, who
accepts, and what is made for a connection. How many threads there are is no evidence, and
neither is what moves over connections that the target itself has asked for: there it is a client.
"""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.setup_flags import SQPOLL
from uringtrace.tracer.connections.connection import SERVER
from uringtrace.tracer.connections.moves import MoveRules
from uringtrace.tracer.findings.finding import Confidence, Evidence
from uringtrace.tracer.findings.loops import Instance
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.rules.io_wq import file_kind
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.turns import MOST_THREADS
from uringtrace.tracer.readiness.calls import Role
from uringtrace.tracer.record import OPCODES, Wake

FEWEST_CONNECTIONS = 4
SURE_CONNECTIONS = 16
MADE_FOR_EACH = 0.8
"""New processes or threads for each accepted connection."""
TOLD_PER_REQUEST = 0.3
HANDED_PER_REQUEST = 0.1
ASKING = 5
"""EAGAIN for each success: busy polling."""
_MOST_SOCKETS = 1 << 16


class Kind(StrEnum):
    """What there is; the value is the word to show."""

    IO_URING = "io_uring"
    IO_URING_SQPOLL = "io_uring with SQPOLL"
    PREFORK_EPOLL = "processes with an epoll each"
    MULTI_REACTOR = "several reactors"
    SHARED_EPOLL = "threads on one epoll"
    GREEN = "tasks on several threads (M:N)"
    REACTOR_AND_POOL = "reactor with a pool of workers"
    REACTOR = "single reactor (epoll)"
    POLL = "single loop over poll"
    SELECT = "single loop over select"
    BUSY = "busy polling"
    PROCESS_EACH = "a process for each connection"
    THREAD_EACH = "a thread for each connection"
    PREFORK = "processes that accept"
    THREADS_ACCEPT = "threads that accept"
    ACCEPTOR_AND_POOL = "one acceptor and a pool of threads"
    ITERATIVE = "iterative"


@dataclass(frozen=True, slots=True)
class Architecture:
    """What was decided, and why."""

    kind: Kind | None
    """None: undetermined."""
    confidence: Confidence
    observations: tuple[Evidence, ...]
    missing: str | None = None
    """Where undetermined: what there would have to be."""

    @property
    def word(self) -> str:
        return self.kind.value if self.kind is not None else "undetermined"


class ArchitectureTracker:
    """Counts what the questions need; asking is cheap."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._rules = MoveRules(shared.context.operation_names)
        self._accept = shared.mask("accept", "accept4")
        self._forks = shared.mask("fork", "vfork", "clone", "clone3")
        self._writes = shared.mask("write", "writev", "sendto", "sendmsg")
        self._futex = shared.mask("futex")
        self._roles = shared.calls.roles
        self._connects = shared.mask("connect", "CONNECT")
        self._asking: set[int] = set()
        """Inodes of sockets that the target has connected: a socket gets another file number by that."""
        self._sockets: dict[int, bool] = {}
        """Whether a file number is a socket on which the target may serve a peer."""
        self._moves: Counter[tuple[int, int]] = Counter()
        """Data moved over these sockets by system calls, by process and thread."""
        self._ring_moves: Counter[int] = Counter()
        """The same by rings."""
        self._accepts: Counter[tuple[int, int]] = Counter()
        self._forked: Counter[str] = Counter()
        self._nothing = self._successes = 0
        self._told = 0
        """Waits of epoll that a write to an eventfd, pipe or unix socket ended."""
        self._handed = 0
        self._polls = np.zeros(OPCODES, np.int64)

    def observe(self, step: Step) -> None:
        opcode = step.column("opcode")
        self._note_asking(step, np.flatnonzero(self._connects[opcode]))
        moved = step.completed & (self._rules.direction(opcode) > 0) & (step.column("file") > 0)
        interesting = np.flatnonzero(moved)
        if len(interesting):
            self._count_moves(step, interesting)
        if not step.has_calls:
            return
        self._count_calls(step)

    def _count_moves(self, step: Step, rows: NDArray[np.intp]) -> None:
        files = step.column("file")[rows]
        sockets = [number for number in np.unique(files).tolist() if self._is_socket(step, number)]
        rows = rows[np.isin(files, sockets)]
        result, call = step.column("result")[rows], step.call[rows]
        self._nothing += int((result == -errno.EAGAIN).sum())
        self._successes += int((result > 0).sum())
        done = result > 0
        rings, counts = np.unique(step.column("ring")[rows[done & ~call]], return_counts=True)
        self._ring_moves.update(dict(zip(rings.tolist(), counts.tolist(), strict=True)))
        self._add(self._moves, step, rows[done & call])

    def _count_calls(self, step: Step) -> None:
        opcode, result = step.column("opcode"), step.column("result")
        self._add(self._accepts, step, np.flatnonzero(step.returned & self._accept[opcode] & (result >= 0)))
        forks = np.flatnonzero(step.returned & self._forks[opcode] & (result > 0))
        for row in step.operations[forks]:
            self._forked["thread" if self._makes_thread(step, row) else "process"] += 1
        by_thread = step.returned & step.column("slept") & (step.column("wake") == Wake.THREAD)
        waits = (
            by_thread & (self._roles[opcode] == Role.EPOLL_WAIT) & self._writes[step.column("waker_opcode")]
        )
        self._told += int(waits.sum())
        self._handed += int((by_thread & self._futex[opcode]).sum())
        polls = step.returned & np.isin(self._roles[opcode], (Role.POLL, Role.SELECT))
        if polls.any():
            self._polls += np.bincount(opcode[polls], minlength=OPCODES)

    def _makes_thread(self, step: Step, row: np.void) -> bool:
        """CLONE_THREAD of clone; of clone3 the flags are in memory: the new thread has to be known."""
        if self._shared.name(int(row["opcode"])) == "clone":
            return bool(int(row["arg0"]) & 0x10000)
        if self._shared.name(int(row["opcode"])) == "clone3":
            known = step.facts.threads.get(int(row["result"]))
            return known is None or known.tgid == int(row["tgid"])
        return False

    def _is_socket(self, step: Step, number: int) -> bool:
        known = self._sockets.get(number)
        if known is None:
            file = step.files.get(number)
            if file is None:
                return False
            known = file.inode not in self._asking and (
                file_kind(file) in ("tcp", "udp")
                or (file.socket is not None and file.socket.local is not None)
            )
            if len(self._sockets) >= _MOST_SOCKETS:
                self._sockets.clear()
            self._sockets[number] = known
        return known

    def _note_asking(self, step: Step, connects: NDArray[np.intp]) -> None:
        for number in step.column("file")[connects].tolist():
            file = step.files.get(number)
            if file is not None:
                if len(self._asking) >= _MOST_SOCKETS:
                    self._asking.clear()
                self._asking.add(file.inode)

    def _add(self, counter: Counter[tuple[int, int]], step: Step, rows: NDArray[np.intp]) -> None:
        if not len(rows):
            return
        key = step.column("tgid")[rows].astype(np.uint64) << np.uint64(32) | step.column("tid")[rows]
        values, counts = np.unique(key, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            name = value >> 32, value & 0xFFFFFFFF
            if name in counter or len(counter) < MOST_THREADS:
                counter[name] += count

    def decide(self, moment: Moment) -> Architecture:
        """What the server is, as far as was seen until now."""
        connections = [each for each in self._shared.connections(moment) if each.role == SERVER]
        calls, rings = sum(self._moves.values()), sum(self._ring_moves.values())
        if len(connections) < FEWEST_CONNECTIONS or not calls + rings:
            missing = f"{FEWEST_CONNECTIONS} connections of a server with data: {len(connections)} were seen"
            return Architecture(None, Confidence.LOW, (), missing)
        sure = Confidence.HIGH if len(connections) >= SURE_CONNECTIONS else Confidence.MEDIUM
        moved = Evidence(
            f"{rings:,} times a ring moved data of sockets, {calls:,} times a system call did",
            {"ring_moves": rings, "call_moves": calls, "connections": len(connections)},
        )
        if rings > calls:
            polled = {ring.ring for ring in moment.facts.rings if ring.flags and ring.flags & SQPOLL}
            by_thread = sum(count for ring, count in self._ring_moves.items() if ring in polled)
            kind = Kind.IO_URING_SQPOLL if 2 * by_thread > rings else Kind.IO_URING
            told = Evidence(f"{by_thread:,} of them on rings with SQPOLL", {"sqpoll_moves": by_thread})
            return Architecture(kind, sure, (moved, told))
        kind, why = self._of_calls(moment, max(1, sum(each.requests or 0 for each in connections)))
        return Architecture(kind, sure, (moved, *why))

    def _of_calls(self, moment: Moment, requests: int) -> tuple[Kind, tuple[Evidence, ...]]:
        epolls = [
            each for each in self._shared.loops.instances.values() if each.is_epoll and each.holds_peers
        ]
        if epolls:
            return self._of_epolls(epolls, requests)
        accepted = sum(self._accepts.values())
        if any(each.is_thread and each.holds_sockets for each in self._shared.loops.instances.values()):
            names = {self._shared.name(opcode): int(n) for opcode, n in enumerate(self._polls.tolist()) if n}
            most = max(names, key=lambda name: names[name])
            kind = Kind.SELECT if "select" in most else Kind.POLL
            return kind, (Evidence(f"{names[most]:,} waits in {most}", {"waits": names[most], "call": most}),)
        if self._nothing >= ASKING * max(1, self._successes):
            text = f"{self._nothing:,} EAGAIN for {self._successes:,} successes, and no wait"
            return Kind.BUSY, (Evidence(text, {"eagain": self._nothing, "successes": self._successes}),)
        made = self._forked
        why = Evidence(
            f"{accepted:,} accepts by {len(self._accepts)} threads; {made['process']:,} processes and "
            f"{made['thread']:,} threads were made",
            {
                "accepts": accepted,
                "acceptors": len(self._accepts),
                "processes_made": made["process"],
                "threads_made": made["thread"],
            },
        )
        for what, kind in (("process", Kind.PROCESS_EACH), ("thread", Kind.THREAD_EACH)):
            if accepted and made[what] >= MADE_FOR_EACH * accepted:
                return kind, (why,)
        if len(self._accepts) > 1:
            processes = {tgid for tgid, _ in self._accepts}
            return Kind.PREFORK if len(processes) > 1 else Kind.THREADS_ACCEPT, (why,)
        movers = set(self._moves) - set(self._accepts)
        if len(movers) > 1 or (movers and not set(self._accepts) & set(self._moves)):
            moving = Evidence(f"{len(movers)} threads that do not accept move data", {"workers": len(movers)})
            return Kind.ACCEPTOR_AND_POOL, (why, moving)
        return Kind.ITERATIVE, (why,)

    def _of_epolls(self, epolls: list[Instance], requests: int) -> tuple[Kind, tuple[Evidence, ...]]:
        processes = {each.tgid for each in epolls}
        listening = sum(each.holds_listener for each in epolls)
        counted = Evidence(
            f"{len(epolls)} epoll instances with sockets in {len(processes)} processes, {listening} of them "
            "with a listener",
            {"epolls": len(epolls), "processes": len(processes), "with_listener": listening},
        )
        if len(processes) > 1:
            return Kind.PREFORK_EPOLL, (counted,)
        if len(epolls) > 1:
            return Kind.MULTI_REACTOR, (counted,)
        (epoll,) = epolls
        if epoll.most_waiting > 1:
            text = f"up to {epoll.most_waiting} threads waited on it at once"
            return Kind.SHARED_EPOLL, (counted, Evidence(text, {"waiting": epoll.most_waiting}))
        elsewhere = sum(n for (_, tid), n in self._moves.items() if tid not in epoll.waiters)
        share = elsewhere / max(1, sum(self._moves.values()))
        handed, told = self._handed / requests, self._told / requests
        why = Evidence(
            f"{len(epoll.waiters)} threads waited on it in turn; {share:.0%} of the data was moved by "
            f"others, with {handed:.2f} futex hand-overs and {told:.2f} wake-ups of the waiter a request",
            {
                "waiters": len(epoll.waiters),
                "moved_elsewhere": share,
                "handed_per_request": handed,
                "told_per_request": told,
            },
        )
        if len(epoll.waiters) > 1 or (share > 0.1 and handed >= HANDED_PER_REQUEST):
            return Kind.GREEN, (counted, why)
        if told >= TOLD_PER_REQUEST:
            return Kind.REACTOR_AND_POOL, (counted, why)
        return Kind.REACTOR, (counted, why)
