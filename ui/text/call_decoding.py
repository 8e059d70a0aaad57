"""What the user memory behind an argument of a call says, as a value of `call_values`.

A decoder takes the row and its memory and answers None where the memory was not read or
does not apply: then the pointer is shown. Output that a failed call did not write is never
read, so that it needs no care here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from uringtrace.tracer.records import ENTERED
from uringtrace.tracer.syscalls.signature import Parameter, Signature, ValueForm
from uringtrace.ui.text import call_structures as structures
from uringtrace.ui.text import socket_decoding as of_socket
from uringtrace.ui.text.call_memory import ARGUMENTS, RESULT, Decode, MakeDecode, Memories, entered
from uringtrace.ui.text.call_values import Quoted, Value, Written, signed32
from uringtrace.ui.text.operation_arguments import Row
from uringtrace.ui.text.socket_addresses import socket_address

_EPOLL_DELETE = 2
_INTERRUPTED = frozenset({-4, -512, -513, -514, -516})
"""EINTR and the kernel's own ERESTART codes (include/linux/errno.h)."""
_REPLACING = frozenset(
    {
        ValueForm.REMAINING_TIME,
        ValueForm.RETURNED_TIMER,
        ValueForm.RETURNED_MICROSECONDS_TIMER,
        ValueForm.RETURNED_SIGNAL_SET,
        ValueForm.RETURNED_LIMIT,
    }
)
"""What calls write that take the same kind of structure."""
_READ_NUMBER, _WRITTEN_NUMBERS = 0x541B, frozenset({0x5421, 0x5452})
"""FIONREAD; FIONBIO, FIOASYNC: a pointer to an int."""


def decoder(signature: Signature, number: int) -> Decode | None:
    """The decoder of an argument; None when it leads to no memory."""
    parameter = signature.parameters[number]
    make = _MAKERS.get(parameter.form)
    if make is None:
        return None
    decode = make(number, parameter)
    over = [other for other, each in enumerate(signature.parameters) if each.form in _REPLACING]
    reading = parameter.reading
    if number in over or reading is None or reading.flags or not over:
        return decode
    return _unless_replaced(decode, number, over)


def _unless_replaced(decode: Decode, number: int, over: list[int]) -> Decode:
    """Of an argument that the call only reads, but that was read when it had returned: where it is
    the same memory as what the call writes, what was there before is not known."""

    def told(row: Row, memory: Memories) -> Value:
        address = row[ARGUMENTS[number]]
        written = row[RESULT] >= 0 or row[RESULT] in _INTERRUPTED
        if written and any(row[ARGUMENTS[other]] == address for other in over):
            return None
        return decode(row, memory)

    return told


Structure: TypeAlias = Callable[[bytes], Value]


def _plainly(read: Structure) -> MakeDecode:
    """Of a structure that the call only reads, or only writes."""

    def make(number: int, parameter: Parameter) -> Decode:
        def decode(row: Row, memory: Memories) -> Value:
            found = memory.get(number)
            return None if found is None else read(found.data)

        return decode

    return make


def _counted(read: Callable[[bytes, int], Value]) -> MakeDecode:
    """Of an array whose length is the next argument."""

    def make(number: int, parameter: Parameter) -> Decode:
        def decode(row: Row, memory: Memories) -> Value:
            count = row[ARGUMENTS[number + 1]] & 0xFFFFFFFF
            found = memory.get(number)
            if found is None:
                return None if count else []
            return read(found.data, count)

        return decode

    return make


def _timeout(read: Structure) -> MakeDecode:
    def make(number: int, parameter: Parameter) -> Decode:
        def decode(row: Row, memory: Memories) -> Value:
            found = entered(memory, number, parameter)
            return None if found is None else read(found.data)

        return decode

    return make


def _remaining(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        found = memory.get(number)
        return structures.time_value(found.data) if found and row[RESULT] in _INTERRUPTED else None

    return decode


def _string(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        found = memory.get(number)
        if found is None:
            return None
        content, end, _ = found.data.partition(b"\0")
        return Quoted(content, bool(end))

    return decode


def _returned_string(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        found = memory.get(number)
        if found is None:
            return None
        # getcwd counts the NUL at the end, readlink writes none.
        return Quoted(found.data.removesuffix(b"\0"), not found.truncated)

    return decode


def _vectors(*, received: bool) -> MakeDecode:
    def make(number: int, parameter: Parameter) -> Decode:
        def decode(row: Row, memory: Memories) -> Value:
            found, result = memory.get(number), row[RESULT]
            if found is None or (received and result < 0):
                return None if row[ARGUMENTS[number + 1]] else []
            count = row[ARGUMENTS[number + 1]]
            return structures.vectors(found.data, count, result if received else None)

        return decode

    return make


def _epoll_event(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        found = memory.get(number)
        deletes = signed32(row[ARGUMENTS[1]]) == _EPOLL_DELETE
        return None if deletes or found is None else structures.epoll_event(found.data)

    return decode


def _epoll_events(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        found = memory.get(number)
        if found is None:
            return [] if row[RESULT] == 0 else None
        return structures.epoll_events(found.data, row[RESULT])

    return decode


def _descriptor_set(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        found = memory.get(number | ENTERED)
        limit = max(signed32(row[ARGUMENTS[0]]), 0)
        return None if found is None else structures.descriptor_set(found.data, limit)

    return decode


def _offset(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        before = memory.get(number)
        place = structures.whole(before.data, 8, signed=True) if before else None
        return None if place is None else [place]

    return decode


def _moved_offset(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        before = memory.get(number)
        place = structures.whole(before.data, 8, signed=True) if before else None
        if place is None:
            return None
        moved = row[RESULT]
        return Written(f"[{place}] => [{place + moved}]", [place, place + moved]) if moved > 0 else [place]

    return decode


def _ended(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        found = memory.get(number)
        status = structures.whole(found.data) if found and row[RESULT] > 0 else None
        return None if status is None else structures.wait_status(status)

    return decode


def _controlled(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        found, command = memory.get(number), row[ARGUMENTS[1]] & 0xFFFFFFFF
        told = command in _WRITTEN_NUMBERS or (command == _READ_NUMBER and row[RESULT] >= 0)
        value = structures.whole(found.data, signed=True) if found and told else None
        return None if value is None else [value]

    return decode


_MAKERS: Mapping[ValueForm, MakeDecode] = {
    ValueForm.PATH: _string,
    ValueForm.STRING: _string,
    ValueForm.RETURNED_STRING: _returned_string,
    ValueForm.ADDRESS: _plainly(socket_address),
    ValueForm.RETURNED_ADDRESS: of_socket.returned_address,
    ValueForm.ADDRESS_LENGTH: of_socket.address_length,
    ValueForm.MESSAGE: of_socket.message(received=False),
    ValueForm.RECEIVED_MESSAGE: of_socket.message(received=True),
    ValueForm.VECTORS: _vectors(received=False),
    ValueForm.RECEIVED_VECTORS: _vectors(received=True),
    ValueForm.DESCRIPTOR_PAIR: _plainly(of_socket.pair),
    ValueForm.POLL_LIST: _counted(structures.poll_list),
    ValueForm.EPOLL_EVENT: _epoll_event,
    ValueForm.EPOLL_EVENTS: _epoll_events,
    ValueForm.DESCRIPTOR_SET: _descriptor_set,
    ValueForm.TIME: _plainly(structures.time_value),
    ValueForm.RETURNED_TIME: _plainly(structures.time_value),
    ValueForm.REMAINING_TIME: _remaining,
    ValueForm.LEFT_TIME: _timeout(structures.time_value),
    ValueForm.MICROSECONDS_TIME: _plainly(structures.microseconds_time),
    ValueForm.RETURNED_MICROSECONDS_TIME: _plainly(structures.microseconds_time),
    ValueForm.LEFT_MICROSECONDS_TIME: _timeout(structures.microseconds_time),
    ValueForm.TIMER: _plainly(structures.timer),
    ValueForm.RETURNED_TIMER: _plainly(structures.timer),
    ValueForm.MICROSECONDS_TIMER: _plainly(structures.microseconds_timer),
    ValueForm.RETURNED_MICROSECONDS_TIMER: _plainly(structures.microseconds_timer),
    ValueForm.SIGNAL_SET: _plainly(structures.signal_set),
    ValueForm.RETURNED_SIGNAL_SET: _plainly(structures.signal_set),
    ValueForm.LIMIT: _plainly(structures.limit),
    ValueForm.RETURNED_LIMIT: _plainly(structures.limit),
    ValueForm.OFFSET_POINTER: _offset,
    ValueForm.MOVED_OFFSET_POINTER: _moved_offset,
    ValueForm.FILE_STATUS: _plainly(structures.file_status),
    ValueForm.OPTION_VALUE: of_socket.option_value,
    ValueForm.RETURNED_OPTION_VALUE: of_socket.returned_option_value,
    ValueForm.OPTION_LENGTH: of_socket.option_length,
    ValueForm.WAIT_STATUS: _ended,
    ValueForm.CONTROL_VALUE: _controlled,
    ValueForm.OPEN_HOW: _plainly(structures.open_how),
    ValueForm.RING_PARAMETERS: _plainly(structures.ring_parameters),
    ValueForm.CLONE_ARGUMENTS: _plainly(structures.clone_arguments),
}
