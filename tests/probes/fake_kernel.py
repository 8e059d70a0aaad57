"""A small io_uring: it moves requests through their lives, fires the tracepoints in the
order of io_uring/io_uring.c, and writes down what truly happened.

The record of truth is kept per operation and knows nothing of how the probes find one.
The only thing taken from the probes is how much they can remember (sets, spill, index).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise

from tests.fakes import OPCODES
from tests.probes.engine import SETS, SPILL, Engine
from tests.probes.fake_btf import REQ_F_POLLED
from tests.probes.truth import ARGUMENTS, Cqe, Operation, RingTruth, as_batch, encode_sqe, is_multishot
from uringtrace.probes.slots import Counter
from uringtrace.tracer.record import (
    CQE_F_MORE,
    CQE_F_NOTIF,
    SQE_CQE_SKIP_SUCCESS,
    UNKNOWN_OPCODE,
    Batch,
    Kind,
    Path,
)

WAYS = 4
ENTRIES = 16
REQUESTS = 40
_RING_STRIDE = 0x1000
_REQUESTS_AT = 0x80000
_STRANGERS_AT = 0xC0000
_NEW_SQE_AT = 0xF0000
_THREADS_AT = 0x50000
_EPOLLONESHOT = 1 << 30


class Attached(IntEnum):
    """How far attaching has come."""

    NOT = 0
    ENDS = 1
    """All probes but that of submissions."""
    ALL = 2


@dataclass(eq=False)
class FakeKernel:
    """Drives an `Engine`; `rows` is what must have come out, `lost` what could not."""

    engine: Engine
    now: int = 1_000_000
    rings: list[RingTruth] = field(default_factory=list)
    open: list[Operation] = field(default_factory=list)
    waiting: list[Operation] = field(default_factory=list)
    """Zero-copy sends whose notification is to come."""
    rows: list[dict[str, int]] = field(default_factory=list)
    lost: dict[Counter, int] = field(default_factory=dict)
    all_rings: list[RingTruth] = field(default_factory=list)
    attached: Attached = Attached.ALL

    def __post_init__(self) -> None:
        self.engine.reset()
        base = self.engine.base
        self.free = [base + _REQUESTS_AT + 256 * number for number in reversed(range(REQUESTS))]
        self.strangers = base + _STRANGERS_AT
        self.table: dict[int, Operation] = {}
        self.owners: set[int] = set()
        """Addresses with an entry in the table's sets: they keep it."""
        self.spilled: set[int] = set()
        self.index: dict[tuple[RingTruth, int, bool], Operation] = {}

    def tick(self) -> int:
        self.now += 1000
        self.engine.set(clock_ns=self.now)
        return self.now

    def attach(self, attached: Attached) -> None:
        self.attached = attached
        self.engine.table("started").view("<u8")[0] = attached is Attached.ALL

    def _fire(self, function: str, *arguments: int) -> None:
        needed = Attached.ALL if function == "io_uring_submit_req" else Attached.ENDS
        if self.attached >= needed:
            self.engine.fire(function, *arguments)

    def _thread(self, pid_tgid: int) -> int:
        """What a request names its submitter by (struct io_uring_task)."""
        tgid, tid = pid_tgid >> 32, pid_tgid & 0xFFFFFFFF
        context = self.engine.base + _THREADS_AT + 0x200 * (tgid % 16)
        self.engine.write("io_uring_task", context, task=context + 0x80)
        self.engine.write("task_struct", context + 0x80, tgid=tgid, pid=tid)
        return context

    def lose(self, counter: Counter) -> None:
        self.lost[counter] = self.lost.get(counter, 0) + 1

    # Rings

    def create_ring(self, slot: int, *, pid: int = 700) -> RingTruth:
        """A ring at one of the addresses; a closed ring's address may come again."""
        address = self.engine.base + _RING_STRIDE * (slot + 1)
        self.rings = [ring for ring in self.rings if ring.address != address]
        ring = RingTruth(address, len(self.all_rings) + 1, pid << 32 | pid)
        self.all_rings.append(ring)
        self.rings.append(ring)
        self.engine.memory[address - self.engine.base :][:_RING_STRIDE] = 0
        self.engine.write(
            "io_ring_ctx",
            address,
            sq_entries=ENTRIES,
            cq_entries=2 * ENTRIES,
            rings=ring.rings_address,
            sq_array=address + 0x300,
            sq_sqes=ring.sqes_address,
        )
        for index in range(ENTRIES):
            self.engine.put(address + 0x300 + 4 * index, 4, ENTRIES - 1 - index)
        self.tick()
        self.engine.set(current_pid_tgid=ring.pid_tgid)
        self.engine.fire("io_uring_create", 9, address, ENTRIES, 2 * ENTRIES, 0)
        return ring

    def is_idle(self, ring: RingTruth) -> bool:
        return not any(operation.ring is ring for operation in (*self.open, *self.waiting))

    # Submission

    def submit(
        self,
        ring: RingTruth,
        name: str,
        user_data: int = 0,
        *,
        flags: int = 0,
        fields: Mapping[str, int] | None = None,
        request_flags: int = 0,
        rejected: bool = False,
        overwritten: bool = False,
    ) -> Operation:
        """One SQE; `overwritten`: the application has changed it already when the probe looks."""
        engine = self.engine
        opcode = OPCODES[name]
        sqe = {"fd": 5, **(fields or {})}
        head = engine.get(ring.address + 32, 4)
        engine.write("io_ring_ctx", ring.address, cached_sq_head=head + 1)
        values = {**sqe, "opcode": opcode, "flags": flags, "user_data": user_data}
        place = ring.sqes_address + 64 * (ENTRIES - 1 - head % ENTRIES)
        if rejected:
            place = engine.base + _NEW_SQE_AT
        written = {**values, "user_data": user_data + 1} if overwritten else values
        engine.write_bytes(place, encode_sqe(written))

        address = self.free.pop()
        now = self.tick()
        operation = Operation(
            ring, address, opcode, user_data, sqe, flags & 0x7F, now, ring.pid_tgid + 1, False
        )
        operation.path = Path.REJECTED if rejected else 0
        operation.sqe_seen = not overwritten
        operation.multishot = bool(request_flags) or is_multishot(name, operation)
        engine.write(
            "io_kiocb",
            address,
            file=0,
            opcode=opcode,
            flags=flags | request_flags,
            cqe__user_data=user_data,
            cqe__fd=5,
            ctx=ring.address,
            tctx=self._thread(operation.pid_tgid),
            apoll_events=0 if sqe.get("len", 0) & 1 else _EPOLLONESHOT,
        )
        if name == "SEND":
            engine.write("io_sr_msg", address, flags=sqe.get("ioprio", 0))
        if name == "ACCEPT":
            engine.write("io_accept", address, file_slot=sqe.get("file_index", 0))
        operation.request_flags = flags | request_flags
        operation.remembered = self.attached >= (Attached.ENDS if rejected else Attached.ALL)
        if operation.remembered:
            ring.batch_seen = True
            self._remember(operation)
        engine.set(current_pid_tgid=operation.pid_tgid)
        if rejected:
            self._fire("io_uring_req_failed", place, address, -22)
        else:
            self._fire("io_uring_submit_req", address)
        self.open.append(operation)
        return operation

    def publish(self, ring: RingTruth) -> None:
        """The end of one batch, if there was one: the kernel shows how far it has read the queue."""
        head = self.engine.get(ring.address + 32, 4)
        ring.batches += ring.batch_seen and head != self.engine.get(ring.rings_address, 4)
        ring.batch_seen = False
        self.engine.write("io_rings", ring.rings_address, sq__head=head)

    def link(self, chain: list[Operation]) -> None:
        for before, operation in pairwise(chain):
            self._fire("io_uring_link", operation.address, before.address)
            if before.remembered and operation.remembered:
                before.chain = before.chain or before.submitted_ns
                operation.chain = before.chain
                operation.chain_position = before.chain_position + 1

    def _remember(self, operation: Operation) -> None:
        address, ring = operation.address, operation.ring
        if address in self.table:
            silent = self.table[address]
            self._row(Kind.SILENT, silent.ring, silent, silent.user_data, 0, 0, silent.path, self.now)
        elif not self._take_place(address):
            operation.remembered = False
            self.lose(Counter.LOST_TABLE)
            return
        self.table[address] = operation
        if operation.multishot:
            self._list(operation, zero_copy=False)
        ring.submitted += 1
        ring.in_flight += not operation.hidden
        ring.in_flight_max = max(ring.in_flight, ring.in_flight_max)

    def _take_place(self, address: int) -> bool:
        if self._has_room(address):
            return True
        if len(self.spilled) < SPILL:
            self.spilled.add(address)
            return True
        return False

    def _enter(self, operation: Operation) -> None:
        """A tracepoint names a request that goes on: one that is not known is, from now on."""
        unknown = not operation.remembered and not operation.hidden
        if self.attached is Attached.ALL and unknown and self._take_place(operation.address):
            operation.begun_before(self.tick())
            operation.remembered = True
            self.table[operation.address] = operation
            if operation.multishot:
                self._list(operation, zero_copy=False)

    def _has_room(self, address: int) -> bool:
        if address in self.owners:
            return True
        same_set = [other for other in self.owners if (other ^ address) >> 8 & (SETS - 1) == 0]
        if len(same_set) == WAYS:
            return False
        self.owners.add(address)
        return True

    def _list(self, operation: Operation, *, zero_copy: bool) -> None:
        if len(self.index) == SPILL:
            self.lose(Counter.LOST_INDEX)
        else:
            self.index[operation.ring, operation.user_data, zero_copy] = operation

    def _forget(self, operation: Operation) -> None:
        if self.table.get(operation.address) is operation:
            del self.table[operation.address]
            self.spilled.discard(operation.address)

    # What happens in between

    def mark(self, operation: Operation, tracepoint: str, path: Path) -> None:
        if tracepoint == "io_uring_queue_async_work":
            self._enter(operation)
        elif path is Path.POLL:
            operation.polled = True
            self._write_flags(operation, operation.request_flags)
        self._fire(tracepoint, operation.address, 0, 0)
        if operation.remembered:
            operation.path |= path

    def wake(self, operation: Operation) -> None:
        """What it polled for has come, in somebody's context."""
        self._enter(operation)
        self.engine.set(current_pid_tgid=0)
        self._fire("io_uring_task_add", operation.address, 1)

    def _write_flags(self, operation: Operation, flags: int) -> None:
        flags |= REQ_F_POLLED if operation.polled else 0
        self.engine.write("io_kiocb", operation.address, flags=flags)

    # Completion

    def flush(self, cqes: Iterable[Cqe]) -> None:
        """End requests of one ring as __io_submit_flush_completions does: CQEs, then memory."""
        cqes = list(cqes)
        ring = cqes[0].operation.ring
        engine = self.engine
        now = self.tick()
        engine.set(current_pid_tgid=ring.pid_tgid)
        addresses = [cqe.operation.address for cqe in cqes]
        engine.write("io_ring_ctx", ring.address, submit_state__compl_reqs__first=addresses[0] + 48)
        for cqe, following in zip(cqes, [*addresses[1:], 0], strict=True):
            operation = cqe.operation
            engine.write("io_kiocb", operation.address, comp_list=following + 48 if following else 0)
            if operation.hidden and cqe.result < 0:
                self._write_flags(operation, operation.request_flags & ~SQE_CQE_SKIP_SUCCESS)
        for cqe in cqes:
            operation = cqe.operation
            if operation.hidden and cqe.result >= 0:
                continue
            self._post(ring, operation.address, operation.user_data, cqe.result, cqe.flags, cqe.overflow)
            known = operation if operation.remembered else None
            if not known and self.attached is Attached.ALL:
                operation.begun_before(now)
                operation.sqe_flags &= ~SQE_CQE_SKIP_SUCCESS
                known = operation
            self._completed(
                ring, known, operation.user_data, cqe.result, cqe.flags, cqe.overflow, now, named=True
            )
            if known and cqe.flags & CQE_F_MORE:
                self._list(operation, zero_copy=True)
                self._forget(operation)
            elif known:
                self._end(operation)
        engine.write("io_ring_ctx", ring.address, submit_state__compl_reqs__first=0)
        for cqe in cqes:
            operation = cqe.operation
            self.open.remove(operation)
            self.free.append(operation.address)
            if cqe.flags & CQE_F_MORE:
                self.waiting.append(operation)
        if not all(cqe.overflow for cqe in cqes):
            self._move_tail(ring)

    def shot(self, operation: Operation, result: int, *, overflow: bool = False) -> None:
        """One of many completions of a multishot operation; it does not name its request."""
        ring = operation.ring
        now = self.tick()
        self._post(ring, 0, operation.user_data, result, CQE_F_MORE, overflow)
        known = self.index.get((ring, operation.user_data, False))
        self._completed(ring, known, operation.user_data, result, CQE_F_MORE, overflow, now, named=False)
        self._move_tail(ring)

    def notify(self, operation: Operation, *, overflow: bool = False) -> None:
        """A zero-copy send's buffer is free again: a CQE of another request structure."""
        ring = operation.ring
        now = self.tick()
        self.waiting.remove(operation)
        self._post(ring, self.free[-1], operation.user_data, 0, CQE_F_NOTIF, overflow)
        known = self.index.get((ring, operation.user_data, True))
        self._completed(ring, known, operation.user_data, 0, CQE_F_NOTIF, overflow, now, named=False)
        if known:
            self._end(known)
        self._move_tail(ring)

    def message(self, ring: RingTruth, user_data: int) -> None:
        """Another ring's MSG_RING posts here."""
        now = self.tick()
        self._post(ring, 0, user_data, 7, 0, False)
        if self.attached is Attached.ALL:
            ring.completions += 1
            ring.messages += 1
            self._row(Kind.MESSAGE, ring, None, user_data, 7, 0, 0, now)
        self._move_tail(ring)

    def stranger(self, ring: RingTruth, user_data: int) -> None:
        """A request completes that somebody else submitted."""
        now = self.tick()
        self._post(ring, self.strangers, user_data, 3, 0, False)
        self._completed(ring, None, user_data, 3, 0, False, now, named=True)
        self._move_tail(ring)

    def _post(
        self, ring: RingTruth, req: int, user_data: int, result: int, flags: int, overflow: bool
    ) -> None:
        if overflow:
            ring.overflows += 1
            ring.cq_full = True
            self._fire("io_uring_cqe_overflow", ring.address, user_data, result, flags, 1)
            return
        if ring.cq_full:  # the application has made room, and the overflow list went into it
            ring.cq_full = False
            self._move_tail(ring)
        cqe = self.engine.base + _NEW_SQE_AT + 0x100
        self.engine.put(cqe, 8, user_data)
        self.engine.put(cqe + 8, 4, result)
        self.engine.put(cqe + 12, 4, flags)
        self._fire("io_uring_complete", ring.address, req, cqe)

    def _move_tail(self, ring: RingTruth) -> None:
        tail = self.engine.get(ring.rings_address + 64, 4)
        self.engine.write("io_rings", ring.rings_address, cq__tail=tail + 1)

    def _completed(
        self,
        ring: RingTruth,
        operation: Operation | None,
        user_data: int,
        result: int,
        flags: int,
        overflow: bool,
        now: int,
        *,
        named: bool,
    ) -> None:
        path = (operation.path if operation else 0) | (Path.OVERFLOW if overflow else 0)
        if operation is None and self.attached is not Attached.ALL:
            return
        ring.completions += 1
        if operation is None:
            ring.untracked += 1
            self.lose(Counter.UNTRACKED)
            self._row(Kind.UNTRACKED, ring, None, user_data, result, flags, path, now)
            return
        if operation.multishot:
            operation.sequence += 1
        self._row(Kind.COMPLETION, ring, operation, user_data, result, flags, path, now)
        operation.previous_ns = now

    def _end(self, operation: Operation) -> None:
        operation.ring.in_flight -= not (operation.hidden or operation.before)
        self.index = {key: other for key, other in self.index.items() if other is not operation}
        self._forget(operation)

    # What must have come out

    def _row(
        self,
        kind: Kind,
        ring: RingTruth,
        operation: Operation | None,
        user_data: int,
        result: int,
        flags: int,
        path: int,
        when: int,
    ) -> None:
        row = {
            "kind": kind,
            "ring": ring.number,
            "user_data": user_data,
            "result": result,
            "cqe_flags": flags,
            "path": path,
            "completed_ns": when,
            "opcode": UNKNOWN_OPCODE,
            "fd": -1,
        }
        if operation:
            row |= {
                "opcode": operation.opcode,
                "fd": -1 if operation.before else operation.sqe["fd"],
                "submitted_ns": 0 if operation.before else operation.submitted_ns,
                "tgid": operation.pid_tgid >> 32,
                "tid": operation.pid_tgid & 0xFFFFFFFF,
                "sqe_flags": operation.sqe_flags,
                "chain": operation.chain,
                "chain_position": operation.chain_position,
            }
            if operation.multishot and kind is Kind.COMPLETION:
                row |= {"sequence": operation.sequence, "previous_ns": operation.previous_ns}
            # The second CQE of a zero-copy send comes when its SQE is forgotten.
            if not flags & CQE_F_NOTIF and operation.sqe_seen and not operation.before:
                row |= {name: operation.sqe.get(name, 0) for name in ARGUMENTS} | {"has_arguments": 1}
        self.rows.append(row)

    def batch(self, *, arguments: bool) -> Batch:
        """The rows so far, as they must have been emitted."""
        return as_batch(self.rows, arguments=arguments)

    def unfinished(self, *, arguments: bool) -> Batch:
        """What must be reported as not completed, in order of submission."""
        kept, self.rows = self.rows, []
        notified = [other for (_, _, zero_copy), other in self.index.items() if zero_copy]
        open_ones = (*self.table.values(), *notified)
        for operation in sorted(
            open_ones, key=lambda each: (not each.before, each.known_since or each.submitted_ns)
        ):
            kind = Kind.SILENT if operation.hidden else Kind.UNFINISHED
            self._row(kind, operation.ring, operation, operation.user_data, 0, 0, operation.path, self.now)
            if operation in notified:
                self.rows[-1] |= dict.fromkeys((*ARGUMENTS, "has_arguments"), 0)
        rows, self.rows = self.rows, kept
        return as_batch(rows, arguments=arguments)
