"""Writes the lives of sockets, one turning point at a time, in the order of time.

Everything that belongs to one stretch of time is collected first and then applied, sorted
by its moment; of one moment socket events come first, then operations in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.connection import ACCEPT, CONNECT
from uringtrace.tracer.connections.descriptors import Descriptor, Descriptors
from uringtrace.tracer.connections.request_times import ASKS, SERVES
from uringtrace.tracer.connections.socket_address import address_text
from uringtrace.tracer.connections.sockets import Sockets
from uringtrace.tracer.connections.turning_points import GOES_ON, SOL_TLS, Turn, TurningPoints
from uringtrace.tracer.connections.upper_layers import after_option
from uringtrace.tracer.record import FIRST_CALL, SQE_FIXED_FILE, Batch, Kind
from uringtrace.tracer.records import Memory, Records, SocketEventKind

_STOPS_SENDING = (1, 2)
"""SHUT_WR and SHUT_RDWR."""
_ADDRESS_ARGUMENT, _VALUE_ARGUMENT, _COMMAND_ARGUMENT = 1, 3, 0
_TLS_INFO_BYTES = 4
_TELLS_OF_A_LOST_PEER = (32, 103, 104, 110, 113)
"""EPIPE, ECONNABORTED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH"""
_EVENT, _OPERATION, _USE = 0, 1, 2


class History:
    """Applies turning points to the sockets of a capture."""

    def __init__(self, sockets: Sockets, turns: TurningPoints, names: Mapping[int, str]) -> None:
        self._sockets = sockets
        self._turns = turns
        self._names = names
        self._descriptors = Descriptors()
        self._memory: dict[tuple[int, int, int], bytes] = {}
        self._waiting: list[tuple[int, int, int, Callable[[], None]]] = []
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
        for row, memory in chosen.memory_by_row().items():
            operation = chosen.operations[row]
            value = self._value(memory, chosen.operations[row : row + 1])
            if value:
                self._memory[_identity(operation)] = value

    def _value(self, memory: dict[int, Memory], row: Batch) -> bytes:
        if self._turns.connects(row)[0]:
            return memory[_ADDRESS_ARGUMENT].data if _ADDRESS_ARGUMENT in memory else b""
        found = memory.get(_VALUE_ARGUMENT) or memory.get(_COMMAND_ARGUMENT)
        if found is None:
            return b""
        level, _ = self._turns.level_and_option(row)
        # What follows version and cipher are keys.
        return found.data[:_TLS_INFO_BYTES] if level[0] == SOL_TLS else found.data

    def use(self, slot: int, descriptor: Descriptor, ns: int) -> None:
        """The descriptor stands for this socket: so it is not closed, and any other of that number is."""
        self._drop(self._descriptors.add(descriptor, slot), ns)
        tracked = self._sockets.all[slot]
        tracked.life.dropped_ns = 0
        tracked.descriptor = descriptor
        tracked.processes.add(descriptor.tgid)

    def turn(
        self,
        batch: Batch,
        row: NDArray[np.intp],
        turn: NDArray[np.uint8],
        slot: NDArray[np.int64],
        second_slot: NDArray[np.int64],
        result_slot: NDArray[np.int64],
    ) -> None:
        for index, kind in zip(row.tolist(), turn.tolist(), strict=True):
            operation = batch[index]
            slots = int(slot[index]), int(second_slot[index]), int(result_slot[index])
            work = partial(self._apply, Turn(kind), operation, batch[index : index + 1], *slots)
            self._waiting.append((int(operation["completed_ns"]), _OPERATION, index, work))

    def events(self, events: NDArray[np.void], slot: NDArray[np.int64]) -> None:
        for index in np.flatnonzero((events["kind"] == SocketEventKind.STATE) & (slot >= 0)).tolist():
            ns, _, _, before, after = events[index].tolist()
            self.states_seen = True
            life = self._sockets.all[int(slot[index])].life
            self._waiting.append((ns, _EVENT, index, partial(life.change, before, after, ns)))

    def use_all(self, batch: Batch, rows: NDArray[np.intp], slots: NDArray[np.int64]) -> None:
        for index, slot in zip(rows.tolist(), slots.tolist(), strict=True):
            operation = batch[index]
            ns = int(operation["completed_ns"])
            work = partial(self.use, slot, _used(operation), ns)
            self._waiting.append((ns, _USE, index, work))

    def end_of_stream(self, ns: NDArray[np.uint64], slot: NDArray[np.int64]) -> None:
        """Reads that told the end, in the order of time."""
        for index in np.unique(slot, return_index=True)[1].tolist():
            life, when = self._sockets.all[int(slot[index])].life, int(ns[index])
            self._waiting.append((when, _USE, index, partial(life.end_stream, when)))

    def failures(self, batch: Batch, rows: NDArray[np.intp], slot: NDArray[np.int64]) -> None:
        """`rows` failed, in the order of time."""
        lost = rows[np.isin(-batch["result"][rows], _TELLS_OF_A_LOST_PEER)]
        for index in lost[np.unique(slot[lost], return_index=True)[1]].tolist():
            life, when = self._sockets.all[int(slot[index])].life, int(batch[index]["completed_ns"])
            work = partial(life.lose_peer, when, -int(batch[index]["result"]))
            self._waiting.append((when, _USE, index, work))

    def settle(self) -> None:
        """Apply what was collected."""
        for _, _, _, work in sorted(self._waiting, key=lambda entry: entry[:3]):
            work()
        self._waiting.clear()

    def _apply(
        self, turn: Turn, operation: np.void, row: Batch, slot: int, second_slot: int, result_slot: int
    ) -> None:
        tgid, ns, result = (int(operation[name]) for name in ("tgid", "completed_ns", "result"))
        if turn is Turn.ACCEPT:
            self._accept(operation, slot, result_slot)
        elif turn in (Turn.CONNECT, Turn.SEND):
            self._connect(operation, slot, by_sending=turn is Turn.SEND)
        elif turn is Turn.CLOSE:
            self._drop(self._descriptors.remove(_closed(operation)), ns)
        elif turn is Turn.SHUTDOWN:
            how = int(operation["arg1"] if operation["opcode"] >= FIRST_CALL else operation["len"])
            if how in _STOPS_SENDING:
                begun = int(operation["submitted_ns"])
                self._sockets.all[slot].life.shutdowns.append((begun, ns))
        elif turn in (Turn.OPTION, Turn.COMMAND) and slot >= 0:
            tracked = self._sockets.all[slot]
            level, option = (int(part[0]) for part in self._turns.level_and_option(row))
            value = self._memory.pop(_identity(operation), b"")
            tracked.shown_layer = after_option(tracked.shown_layer, level, option, value)
        elif turn is Turn.EXIT:
            for emptied in self._descriptors.remove_process(tgid):
                self._drop(emptied, ns)
        elif turn is Turn.CLOSE_RANGE:
            first, last = int(operation["arg0"]), int(operation["arg1"]) & 0xFFFF_FFFF
            for emptied in self._descriptors.remove_range(tgid, first, last):
                self._drop(emptied, ns)
        elif turn is Turn.REPLACE and second_slot >= 0 and second_slot != result_slot:
            self._drop(self._descriptors.remove(Descriptor(tgid, result)), ns)
        if result_slot >= 0 and turn is not Turn.ACCEPT:
            self.use(result_slot, Descriptor(tgid, result), ns)

    def _accept(self, operation: np.void, slot: int, result_slot: int) -> None:
        tracked = self._sockets.all[result_slot]
        tgid, result = int(operation["tgid"]), int(operation["result"])
        tracked.life.begin(ACCEPT, int(operation["completed_ns"]))
        tracked.listener = self._sockets.all[slot].address.local if slot >= 0 else None
        self._sockets.set_role(tracked, SERVES)
        self._sockets.is_connection(tracked)
        place = int(operation["file_index"]) if operation["opcode"] < FIRST_CALL else 0
        # With a place of its own choice the program gets 0, else the place the kernel chose.
        direct_fd = place - 1 if place and place != 0xFFFF_FFFF else result
        descriptor = Descriptor(tgid, direct_fd if place else result, bool(place))
        self.use(result_slot, descriptor, int(operation["completed_ns"]))

    def _connect(self, operation: np.void, slot: int, *, by_sending: bool) -> None:
        tracked = self._sockets.all[slot]
        begun = int(operation["submitted_ns"]) or int(operation["completed_ns"])
        self._sockets.set_role(tracked, ASKS)
        self._sockets.is_connection(tracked)
        address = address_text(self._memory.pop(_identity(operation), b""))
        tracked.remote_asked = address or tracked.remote_asked
        result = 0 if by_sending or operation["kind"] != Kind.COMPLETION else int(operation["result"])
        if -result in GOES_ON:
            tracked.life.begin(CONNECT, begun)
        else:
            tracked.life.fail(begun, int(operation["completed_ns"]))
        self.use(slot, _used(operation), int(operation["completed_ns"]))

    def _drop(self, slot: int | None, ns: int) -> None:
        if slot is not None:
            self._sockets.all[slot].life.dropped_ns = ns


def _identity(operation: np.void) -> tuple[int, int, int]:
    return int(operation["tid"]), int(operation["submitted_ns"]), int(operation["completed_ns"])


def _used(operation: np.void) -> Descriptor:
    """The operation's first descriptor."""
    direct = operation["opcode"] < FIRST_CALL and bool(operation["sqe_flags"] & SQE_FIXED_FILE)
    return Descriptor(int(operation["tgid"]), int(operation["fd"]), direct)


def _closed(operation: np.void) -> Descriptor:
    """The descriptor that close, or CLOSE, closes."""
    tgid, fd = int(operation["tgid"]), int(operation["fd"])
    if operation["opcode"] >= FIRST_CALL:
        return Descriptor(tgid, int(operation["arg0"]) & 0xFFFF_FFFF)
    place = int(operation["file_index"])
    return Descriptor(tgid, place - 1, True) if place else Descriptor(tgid, fd)
