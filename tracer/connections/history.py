"""Writes the lives of sockets, one turning point at a time, in the order of time.

Everything that belongs to one stretch of time is collected first and then applied, sorted
by its moment; of one moment socket events come first, then operations in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.columns import Columns
from uringtrace.tracer.connections.connection import ACCEPT, CONNECT
from uringtrace.tracer.connections.descriptors import Descriptor, Descriptors
from uringtrace.tracer.connections.request_times import ASKS, SERVES
from uringtrace.tracer.connections.sockets import Sockets
from uringtrace.tracer.connections.turned import Turned, turned
from uringtrace.tracer.connections.turning_points import GOES_ON, SOL_TLS, Turn, TurningPoints
from uringtrace.tracer.connections.upper_layers import after_option
from uringtrace.tracer.record import Kind
from uringtrace.tracer.records import Memory, Records, SocketEventKind
from uringtrace.tracer.syscalls.socket_address import address_text

_STOPS_SENDING = (1, 2)
"""SHUT_WR and SHUT_RDWR."""
_ADDRESS_ARGUMENT, _VALUE_ARGUMENT, _COMMAND_ARGUMENT = 1, 3, 0
_TLS_INFO_BYTES = 4
_TELLS_OF_A_LOST_PEER = (32, 103, 104, 110, 113)
"""EPIPE, ECONNABORTED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH"""
_EVENT, _OPERATION, _USE = 0, 1, 2


class History:
    """Applies turning points to the sockets of a capture."""

    def __init__(self, sockets: Sockets, turns: TurningPoints) -> None:
        self._sockets = sockets
        self._turns = turns
        self._descriptors = Descriptors()
        self._memory: dict[tuple[int, int, int], bytes] = {}
        self._waiting: list[tuple[int, int, int, int, Callable[..., None], tuple[Any, ...]]] = []
        self.states_seen = False
        """A change of a TCP state was observed."""

    def keep_memory(self, records: Records, relevant: NDArray[np.bool_]) -> None:
        """Keep the addresses of connect and the values of upper-layer options for later."""
        if not len(records.memory):
            return
        batch = records.operations
        wanted = relevant & (self._turns.connects(batch) | self._turns.options(batch))
        if not wanted.any():
            return
        chosen = records.select(wanted)
        operations = turned(chosen.operations, np.arange(len(chosen.operations)))
        connects = self._turns.connects(chosen.operations).tolist()
        for row, memory in chosen.memory_by_row().items():
            found = memory.get(_ADDRESS_ARGUMENT) if connects[row] else _value(memory)
            if found is not None:
                # What follows version and cipher are keys.
                keys = not connects[row] and operations[row].option[0] == SOL_TLS
                self._memory[operations[row].identity] = found.data[:_TLS_INFO_BYTES] if keys else found.data

    def forget(self, slots: Iterable[int]) -> None:
        """Their slots may be given to others."""
        for slot in slots:
            self._descriptors.forget(slot)

    def use(self, slot: int, descriptor: Descriptor, ns: int) -> None:
        """The descriptor stands for this socket: so it is not closed, and any other of that number is."""
        self._drop(self._descriptors.add(descriptor, slot), ns)
        tracked = self._sockets.all[slot]
        self._sockets.touched.add(slot)
        tracked.life.dropped_ns = 0
        tracked.descriptor = descriptor
        tracked.processes.add(descriptor.tgid)

    def turn(
        self,
        batch: Columns,
        row: NDArray[np.intp],
        turn: NDArray[np.uint8],
        slot: NDArray[np.int64],
        second_slot: NDArray[np.int64],
        result_slot: NDArray[np.int64],
    ) -> None:
        work = zip(
            turned(batch, row),
            turn.tolist(),
            slot[row].tolist(),
            second_slot[row].tolist(),
            result_slot[row].tolist(),
            strict=True,
        )
        for index, (operation, *rest) in zip(row.tolist(), work, strict=True):
            self._wait(operation.completed_ns, _OPERATION, index, self._apply, operation, *rest)

    def events(self, events: NDArray[np.void], slot: NDArray[np.int64]) -> None:
        chosen = np.flatnonzero((events["kind"] == SocketEventKind.STATE) & (slot >= 0))
        rows = zip(
            chosen.tolist(),
            slot[chosen].tolist(),
            *(events[name][chosen].tolist() for name in ("ns", "before", "after")),
            strict=True,
        )
        for index, owner, ns, before, after in rows:
            self.states_seen = True
            self._sockets.touched.add(owner)
            self._wait(ns, _EVENT, index, self._sockets.all[owner].life.change, before, after, ns)

    def use_all(self, batch: Columns, rows: NDArray[np.intp], slots: NDArray[np.int64]) -> None:
        for index, operation, slot in zip(rows.tolist(), turned(batch, rows), slots.tolist(), strict=True):
            ns = operation.completed_ns
            self._wait(ns, _USE, index, self.use, slot, operation.used, ns)

    def end_of_stream(self, ns: NDArray[np.uint64], slot: NDArray[np.int64]) -> None:
        """Reads that told the end, in the order of time."""
        first = np.unique(slot, return_index=True)[1]
        self._sockets.touched.update(slot[first].tolist())
        for index, owner, when in zip(first.tolist(), slot[first].tolist(), ns[first].tolist(), strict=True):
            self._wait(when, _USE, index, self._sockets.all[owner].life.end_stream, when)

    def failures(self, batch: Columns, rows: NDArray[np.intp], slot: NDArray[np.int64]) -> None:
        """`rows` failed, in the order of time."""
        lost = rows[np.isin(-batch["result"][rows], _TELLS_OF_A_LOST_PEER)]
        first = lost[np.unique(slot[lost], return_index=True)[1]]
        self._sockets.touched.update(slot[first].tolist())
        for index, owner, operation in zip(
            first.tolist(), slot[first].tolist(), turned(batch, first), strict=True
        ):
            life, when = self._sockets.all[owner].life, operation.completed_ns
            self._wait(when, _USE, index, life.lose_peer, when, -operation.result)

    def _wait(self, ns: int, rank: int, index: int, work: Callable[..., None], *arguments: Any) -> None:
        # The count keeps the comparison from the work itself.
        self._waiting.append((ns, rank, index, len(self._waiting), work, arguments))

    def settle(self) -> None:
        """Apply what was collected."""
        self._waiting.sort()
        for *_, work, arguments in self._waiting:
            work(*arguments)
        self._waiting.clear()

    def _apply(self, operation: Turned, turn: int, slot: int, second_slot: int, result_slot: int) -> None:
        tgid, ns = operation.tgid, operation.completed_ns
        self._sockets.touched.update((slot, second_slot, result_slot))
        if turn == Turn.ACCEPT:
            self._accept(operation, slot, result_slot)
        elif turn in (Turn.CONNECT, Turn.SEND):
            self._connect(operation, slot, by_sending=turn == Turn.SEND)
        elif turn == Turn.CLOSE:
            self._drop(self._descriptors.remove(operation.closed), ns)
        elif turn == Turn.SHUTDOWN:
            if operation.how in _STOPS_SENDING:
                self._sockets.all[slot].life.shutdowns.append((operation.submitted_ns, ns))
        elif turn in (Turn.OPTION, Turn.COMMAND) and slot >= 0:
            tracked = self._sockets.all[slot]
            value = self._memory.pop(operation.identity, b"")
            tracked.shown_layer = after_option(tracked.shown_layer, *operation.option, value)
        elif turn == Turn.EXIT:
            for emptied in self._descriptors.remove_process(tgid):
                self._drop(emptied, ns)
        elif turn == Turn.CLOSE_RANGE:
            for emptied in self._descriptors.remove_range(tgid, operation.arg0, operation.arg1 & 0xFFFF_FFFF):
                self._drop(emptied, ns)
        elif turn == Turn.REPLACE and second_slot >= 0 and second_slot != result_slot:
            self._drop(self._descriptors.remove(Descriptor(tgid, operation.result)), ns)
        if result_slot >= 0 and turn != Turn.ACCEPT:
            self.use(result_slot, Descriptor(tgid, operation.result), ns)

    def _accept(self, operation: Turned, slot: int, result_slot: int) -> None:
        tracked = self._sockets.all[result_slot]
        tracked.life.begin(ACCEPT, operation.completed_ns)
        tracked.listener = self._sockets.all[slot].address.local if slot >= 0 else None
        self._sockets.set_role(tracked, SERVES)
        self._sockets.is_connection(tracked)
        self.use(result_slot, operation.accepted, operation.completed_ns)

    def _connect(self, operation: Turned, slot: int, *, by_sending: bool) -> None:
        tracked = self._sockets.all[slot]
        begun = operation.submitted_ns or operation.completed_ns
        self._sockets.set_role(tracked, ASKS)
        self._sockets.is_connection(tracked)
        address = address_text(self._memory.pop(operation.identity, b""))
        tracked.remote_asked = address or tracked.remote_asked
        result = 0 if by_sending or operation.kind != Kind.COMPLETION else operation.result
        if -result in GOES_ON:
            tracked.life.begin(CONNECT, begun)
        else:
            tracked.life.fail(begun, operation.completed_ns)
        self.use(slot, operation.used, operation.completed_ns)

    def _drop(self, slot: int | None, ns: int) -> None:
        if slot is not None:
            self._sockets.touched.add(slot)
            self._sockets.all[slot].life.dropped_ns = ns


def _value(memory: Mapping[int, Memory]) -> Memory | None:
    """What was captured of a socket option's value, through either interface."""
    return memory.get(_VALUE_ARGUMENT) or memory.get(_COMMAND_ARGUMENT)
