"""Makes the chain of one request from the rows around it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.connections.moves import IN, OUT
from uringtrace.tracer.readiness.wakers import REASONS, Reason
from uringtrace.tracer.record import FIRST_CALL, Wake
from uringtrace.tracer.source import FilesAndFacts
from uringtrace.tracer.wakes.arrival import Arrival
from uringtrace.tracer.wakes.chain import Known, StepKind, WakeChain, WakeStep
from uringtrace.tracer.wakes.kept import Piece, Row
from uringtrace.tracer.wakes.search import Left, Link, Lost, Search, Waited
from uringtrace.tracer.wakes.window import RING_WAIT, Edge, Window


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that a chain is made of; moments are CLOCK_MONOTONIC."""

    connection: Connection
    request: int
    received_ns: int
    from_arrival: bool
    read_ns: int
    answered_ns: int


def chain_of(asked: Asked, piece: Piece, facts: FilesAndFacts) -> WakeChain:
    """`piece` holds what completed since the request was received and had begun before it was answered."""
    inode = asked.connection.inode
    own = frozenset(number for number, file in facts.files.items() if file.socket and file.inode == inode)
    window = Window(piece, own, facts)
    steps = _Steps(window, facts, asked)
    return WakeChain(
        connection=asked.connection.number,
        request=asked.request,
        local=asked.connection.local,
        remote=asked.connection.remote,
        received_ns=asked.received_ns,
        from_arrival=asked.from_arrival,
        steps=steps.all(),
    )


class _Steps:
    """Collects steps in the order of time."""

    def __init__(self, window: Window, facts: FilesAndFacts, asked: Asked) -> None:
        self._window = window
        self._facts = facts
        self._asked = asked
        self._found: list[WakeStep] = []

    def all(self) -> tuple[WakeStep, ...]:
        asked, window = self._asked, self._window
        read, answer = window.move(asked.read_ns, IN), window.move(asked.answered_ns, OUT)
        if asked.from_arrival:
            self._add(WakeStep(StepKind.ARRIVED, asked.received_ns, 0, Known.OBSERVED))
        if read is None or answer is None:
            # The rows themselves were lost, or given up: only the moments are known.
            self._add(WakeStep(StepKind.READ, asked.read_ns, 0, Known.UNKNOWN))
            self._add(WakeStep(StepKind.ANSWERED, asked.answered_ns, 0, Known.UNKNOWN))
            return tuple(self._found)
        read_row, answer_row = window.row(read), window.row(answer)
        self._before_read(read_row)
        self._add(self._step(StepKind.READ, read_row, asked.read_ns))
        self._to_answer(read_row, answer_row)
        return tuple(self._found)

    def _before_read(self, read: Row) -> None:
        for entry in Arrival(self._window, self._asked.received_ns).steps(read):
            row, edge = entry.row, entry.edge
            if edge is not None:
                self._handed(edge)
            elif entry.roused:
                self._add(self._step(StepKind.ROUSED, row, row.woken_ns))
            if entry.left:
                step = self._step(StepKind.LEFT if entry.led else StepKind.WAITED, row, row.completed_ns)
                stranger = not entry.led and row.tid != read.tid
                self._add(replace(step, known=Known.UNKNOWN) if stranger else step)

    def _to_answer(self, read: Row, answer: Row) -> None:
        began = max(answer.submitted_ns, self._asked.read_ns) if answer.submitted_ns else None
        until = began if began is not None else answer.completed_ns
        unseen = False
        if self._polled(read) or self._polled(answer):
            unseen = not self._shared_memory(read, until)
        else:
            path = Search(self._window, read.tid, self._asked.read_ns).path(answer.tid, until)
            for link in reversed(path):
                self._follow(link)
        if began is not None:
            step = self._step(StepKind.BEGAN, answer, began)
            self._add(replace(step, known=Known.UNKNOWN) if unseen else step)
        self._add(self._step(StepKind.ANSWERED, answer, answer.completed_ns))

    def _follow(self, link: Link) -> None:
        if isinstance(link, Left):
            self._handed(link.edge)
            step = self._step(StepKind.LEFT, link.row, link.row.completed_ns)
            self._add(replace(step, known=Known.INFERRED) if link.edge.wrote else step)
        elif isinstance(link, Waited):
            kind = StepKind.LEFT if link.row.submitted_ns <= self._asked.read_ns else StepKind.WAITED
            step = self._step(kind, link.row, link.row.completed_ns)
            if link.skipped:
                timer = link.row.wake == Wake.TIMER
                step = replace(step, known=Known.INFERRED if timer else Known.UNKNOWN)
            self._add(step)
        elif isinstance(link, Lost):
            self._add(WakeStep(StepKind.UNSEEN, link.ns, 0, Known.UNKNOWN, link.tid, self._name(link.tid)))

    def _handed(self, edge: Edge) -> None:
        """A thread ended the wait of the next step."""
        call = self._window.call_at(edge.tid, edge.ns)
        fd = call.fd if call is not None and call.fd >= 0 and call.file == edge.file else None
        step = WakeStep(
            StepKind.WROTE if edge.wrote else StepKind.WOKE,
            edge.ns,
            0,
            Known.OBSERVED,
            edge.tid,
            self._name(edge.tid),
            self._window.names.get(edge.opcode) if edge.opcode else None,
            fd,
            self._description(edge.file),
            edge.address,
        )
        self._add(self._beside(step))

    def _shared_memory(self, read: Row, until_ns: int) -> bool:
        """With SQPOLL the application works without calls: only its waits are seen. Whether there was one."""
        row = self._window.rouses(read.tid, RING_WAIT, self._asked.read_ns, until_ns)
        if row is not None:
            self._add(replace(self._step(StepKind.LEFT, row, row.completed_ns), known=Known.INFERRED))
        return row is not None

    def _polled(self, row: Row) -> bool:
        """The kernel's own thread submitted it."""
        return row.opcode < FIRST_CALL and any(
            ring.ring == row.ring and ring.sq_thread == row.tid for ring in self._facts.rings
        )

    def _step(self, kind: StepKind, row: Row, ns: int) -> WakeStep:
        by = REASONS.get(row.wake)
        before = self._found[-1] if self._found else None
        told = kind in (StepKind.LEFT, StepKind.WAITED, StepKind.ROUSED)
        waker = (
            row.waker if told and by is Reason.THREAD and (before is None or before.tid != row.waker) else 0
        )
        step = WakeStep(
            kind,
            ns,
            0,
            Known.OBSERVED,
            row.tid,
            self._name(row.tid),
            self._window.names.get(row.opcode),
            row.fd if row.fd >= 0 else None,
            self._description(row.file),
            row.arg0 if self._window.is_lock(row) else None,
            by if told else None,
            waker or None,
            self._name(waker) if waker else None,
        )
        return self._beside(step) if kind is StepKind.BEGAN else step

    def _beside(self, step: WakeStep) -> WakeStep:
        """With what else the thread did since the step before."""
        before = self._found[-1] if self._found else None
        if before is None or before.tid != step.tid or step.tid is None:
            return step
        others = self._window.others(step.tid, before.ns, step.ns)
        return replace(step, others=others, known=Known.INFERRED if others else step.known)

    def _add(self, step: WakeStep) -> None:
        # Processors note what they do side by side: a wake-up may be told a moment before its cause.
        before = self._found[-1].ns if self._found else step.ns
        ns = max(step.ns, before)
        self._found.append(replace(step, ns=ns, delay_ns=ns - before))

    def _name(self, tid: int) -> str | None:
        thread = self._facts.threads.get(tid)
        return thread.name if thread is not None else None

    def _description(self, file: int) -> str | None:
        known = self._facts.files.get(file)
        return known.description if known is not None else None
