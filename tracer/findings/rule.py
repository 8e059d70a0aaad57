"""What a rule is: a small machine that takes every drain and can be asked at any time.

A rule keeps bounded state, costs numpy on batches while it observes, and makes objects only
when it judges. It never changes what it is given. What several rules need is followed once,
by a tracker in `Shared`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.connections.connection import SERVER
from uringtrace.tracer.findings.descriptor_ends import DescriptorEnds
from uringtrace.tracer.findings.finding import Subject, Verdict
from uringtrace.tracer.findings.loops import Loops
from uringtrace.tracer.findings.stays import Stay, Stays, stay_of
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.thread_looks import ThreadLooks
from uringtrace.tracer.findings.turns import Turns, turns_of
from uringtrace.tracer.findings.unread import Unread
from uringtrace.tracer.findings.waiting import Waiting
from uringtrace.tracer.readiness.calls import Role, calls_of
from uringtrace.tracer.readiness.resolve import ReadinessResolver
from uringtrace.tracer.readiness.waits import NOTHING_LOCATED
from uringtrace.tracer.record import OPCODES, Batch, Kind
from uringtrace.tracer.source import Context, FilesAndFacts, Ring

CALL_PROBES = frozenset({"sys_enter", "sys_exit"})
RING_PROBES = "io_uring"
"""What the names of io_uring's tracepoints begin with."""
NO_TURNS = Turns(np.zeros(0, np.intp), np.zeros(0, np.uint32), np.zeros(0, bool))
_NOTED = 1 << 16
_PARKING = (
    "futex futex_waitv accept accept4 wait4 waitid rt_sigtimedwait rt_sigsuspend pause select pselect6 poll "
    "ppoll"
)


class Shared:
    """What all rules of a diagnosis have in common; the trackers are filled before any rule observes."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._opcodes = {name: opcode for opcode, name in context.operation_names.items()}
        self._resolver: ReadinessResolver | None = None
        self._noted = np.zeros(0, np.uint64)
        self._connections: tuple[Moment, tuple[Connection, ...]] | None = None
        self._requests: tuple[Moment, Counter[int]] | None = None
        self.turns = NO_TURNS
        """The calls of the present drain by thread."""
        self.located = NOTHING_LOCATED
        """What its waits reported, with the row of each."""
        self.sees_calls = bool(CALL_PROBES & set(context.probes))
        self.ends = DescriptorEnds(self.opcode("close"), self.opcode("CLOSE"))
        self.looks = ThreadLooks()
        self.calls = calls_of(context)
        self.loops = Loops(context, self.calls)
        self.waiting = Waiting(context, self.calls)
        self.unread = Unread(context)
        self.wait_opcodes = self._wait_opcodes()
        self.stays = Stays(self.wait_opcodes)
        self._parking = self.mask(*_PARKING.split())
        self._accepts = self.mask("accept", "accept4")
        self._acceptors: dict[int, int] = {}
        """The process that accepted from each listener last."""
        self.sees_operations = any(name.startswith(RING_PROBES) for name in context.probes)

    def observe(self, step: Step) -> None:
        """Follow a drain, before any rule sees it."""
        self.ends.observe(step)
        self.waiting.observe(step)
        self.unread.observe(step)
        if not self.sees_calls:
            return
        accepts = np.flatnonzero(step.returned & self._accepts[step.column("opcode")])
        if len(accepts):
            last = dict(zip(*(step.column(name)[accepts].tolist() for name in ("file", "tgid")), strict=True))
            self._acceptors.update(last)
        if self._resolver is None:
            self._resolver = ReadinessResolver(step.facts.interests, self.calls)
        self.turns = turns_of(step)
        self.stays.observe(step, self.turns)
        self.loops.observe(step)
        self.located = self._resolver.locate(step.records, self.calls.roles[step.column("opcode")])
        self._note_reported(step)

    def _note_reported(self, step: Step) -> None:
        """Which epoll instances report sockets, and which of these listen."""
        readiness = self.located.readiness
        pairs = np.unique(readiness["epoll_file"].astype(np.uint64) << np.uint64(32) | readiness["file"])
        for pair in pairs[~np.isin(pairs, self._noted)].tolist():
            file = step.files.get(pair & 0xFFFFFFFF)
            if file is not None and file.socket is not None:
                socket = file.socket
                peer = socket.protocol in ("tcp", "udp") or socket.local is not None
                self.loops.note_reported(pair >> 32, listener=socket.listening, peer=peer)
        self._noted = np.union1d(self._noted, pairs)[-_NOTED:]

    def _wait_opcodes(self) -> frozenset[int]:
        """Opcodes in which a thread waits as an event loop does; poll and select may be its own."""
        epoll = np.flatnonzero(self.calls.roles == Role.EPOLL_WAIT).tolist()
        return frozenset([*epoll, self.opcode("io_uring_enter")])

    def requests(self, moment: Moment) -> Counter[int]:
        """Requests that each process answered, as far as its connections tell; asked once a moment."""
        if self._requests is None or self._requests[0] is not moment:
            counted: Counter[int] = Counter()
            for connection in self.connections(moment):
                if connection.role == SERVER and connection.tgid is not None:
                    counted[connection.tgid] += connection.requests or 0
            self._requests = moment, counted
        return self._requests[1]

    def connections(self, moment: Moment) -> tuple[Connection, ...]:
        """All connections at this moment, worked out once."""
        if self._connections is None or self._connections[0] is not moment:
            known = self.waiting.connections(moment.facts.open_sockets, moment.at_ns, ended=moment.ended)
            self._connections = moment, known
        return self._connections[1]

    def holder(self, moment: Moment, tgid: int, begin_ns: int, end_ns: int) -> tuple[int, Stay] | None:
        """The thread of a process that was in one call, or computing, for at least half of this time.

        Waits of event loops, sleeping on a futex and waiting for connections or children hold nobody up.
        """
        best: tuple[int, Stay] | None = None
        for tid in self.stays.threads():
            known = moment.facts.threads.get(tid)
            if known is not None and known.tgid == tgid:
                for stay in self.stays.during(tid, begin_ns, end_ns):
                    if not self._parks(stay.opcode) and _longer(stay, best, begin_ns, end_ns):
                        best = tid, stay
        if moment.under_way is not None:
            rows = moment.under_way
            rows = rows[(rows["tgid"] == tgid) & (rows["ring"] == 0) & (rows["kind"] == Kind.UNFINISHED)]
            for row in rows:
                stay = stay_of(row, moment.at_ns)
                if not self._parks(stay.opcode) and _longer(stay, best, begin_ns, end_ns):
                    best = int(row["tid"]), stay
        if best is None or 2 * best[1].overlap_ns(begin_ns, end_ns) < end_ns - begin_ns:
            return None
        return best

    def _parks(self, opcode: int) -> bool:
        return opcode >= 0 and (opcode in self.wait_opcodes or bool(self._parking[opcode]))

    def process_of(self, moment: Moment, file: int) -> int | None:
        """The process that has a socket; of a listener one that accepts from it."""
        known = moment.facts.files.get(file)
        if known is None:
            return None
        for connection in self.connections(moment):
            if connection.inode == known.inode:
                return connection.tgid
        listening = {each.inode: each.tgid for each in moment.facts.open_sockets if each.socket.listening}
        return listening.get(known.inode, self._acceptors.get(file))

    def name(self, opcode: int) -> str:
        """Of an operation or system call."""
        return self.context.operation_names.get(opcode, f"operation {opcode}")

    def opcode(self, name: str) -> int:
        """-1 where this kernel has no such operation."""
        return self._opcodes.get(name, -1)

    def mask(self, *names: str) -> NDArray[np.bool_]:
        """Which opcodes have one of these names, shape (OPCODES,)."""
        found = np.zeros(OPCODES, bool)
        found[[self._opcodes[name] for name in names if name in self._opcodes]] = True
        return found


@dataclass(frozen=True, slots=True)
class Moment:
    """When and of what a rule is to judge."""

    facts: FilesAndFacts
    at_ns: int
    """Everything until then has been observed, CLOCK_MONOTONIC."""
    under_way: Batch | None
    """Operations that have begun and not ended (UNFINISHED); None where that is not known."""
    ended: bool
    """The capture is over."""

    @property
    def duration_ns(self) -> int:
        return max(0, self.at_ns - self.facts.context.started_ns)

    def ring(self, number: int) -> Ring | None:
        """The ring of this number in the capture."""
        return next((ring for ring in self.facts.rings if ring.ring == number), None)

    def thread(self, tid: int, *, fd: int | None = None, file: int = 0) -> Subject:
        """A thread, with what it did it to."""
        known = self.facts.threads.get(tid)
        return Subject(
            tgid=known.tgid if known else None,
            tid=tid or None,
            thread=known.name if known else None,
            fd=fd if fd is not None and fd >= 0 else None,
            file=self.description(file),
        )

    def description(self, file: int) -> str | None:
        """What a file number stands for; None where that is not known."""
        known = self.facts.files.get(file)
        return known.description if known else None


def _longer(stay: Stay, best: tuple[int, Stay] | None, begin_ns: int, end_ns: int) -> bool:
    return best is None or stay.overlap_ns(begin_ns, end_ns) > best[1].overlap_ns(begin_ns, end_ns)


class Rule(Protocol):
    """One rule. It is made once for a diagnosis."""

    tag: ClassVar[str]

    def __init__(self, shared: Shared) -> None: ...

    def observe(self, step: Step) -> None:
        """Take one drain."""
        ...

    def judge(self, moment: Moment) -> Verdict:
        """What there is to say of everything that was observed; changes nothing."""
        ...
