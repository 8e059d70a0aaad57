"""Decoders of what the calls of sockets point to: addresses, messages, options, pairs."""

from __future__ import annotations

from uringtrace.tracer.syscalls.signature import Parameter
from uringtrace.ui.text import call_structures as structures
from uringtrace.ui.text import socket_values as values
from uringtrace.ui.text.call_memory import ARGUMENTS, RESULT, Decode, MakeDecode, Memories
from uringtrace.ui.text.call_message import message as message_value
from uringtrace.ui.text.call_values import Value, Written, signed32
from uringtrace.ui.text.operation_arguments import Row
from uringtrace.ui.text.socket_addresses import socket_address


def returned_address(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        found, before = memory.get(number), memory.get(number + 1)
        if found is None:
            return None
        room = structures.whole(before.data) if before else None
        return socket_address(found.data if room is None else found.data[:room])

    return decode


def address_length(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        before = memory.get(number)
        length = structures.whole(before.data, signed=True) if before else None
        if length is None:
            return None
        if row[RESULT] < 0 or not row[ARGUMENTS[number - 1]]:
            return [length]
        address = memory.get(number - 1)
        after = address.total if address else 0
        return [length] if after == length else Written(f"[{length} => {after}]", [length, after])

    return decode


def message(*, received: bool) -> MakeDecode:
    def make(number: int, parameter: Parameter) -> Decode:
        def decode(row: Row, memory: Memories) -> Value:
            header = memory.get(number)
            return message_value(header.data, memory, row[RESULT] if received else None) if header else None

        return decode

    return make


def pair(data: bytes) -> Value:
    first, second = structures.whole(data), structures.whole(data[4:])
    return None if first is None or second is None else [signed32(first), signed32(second)]


def option_value(number: int, parameter: Parameter) -> Decode:
    return lambda row, memory: values.option_value(
        row[ARGUMENTS[1]], row[ARGUMENTS[2]], memory.get(number), signed32(row[ARGUMENTS[4]])
    )


def returned_option_value(number: int, parameter: Parameter) -> Decode:
    def decode(row: Row, memory: Memories) -> Value:
        room = memory.get(number + 1)
        length = structures.whole(room.data, signed=True) if room else None
        return values.option_value(row[ARGUMENTS[1]], row[ARGUMENTS[2]], memory.get(number), length)

    return decode


def option_length(number: int, parameter: Parameter) -> Decode:
    return lambda row, memory: values.option_length(
        row[ARGUMENTS[1]], row[ARGUMENTS[2]], memory.get(number), succeeded=row[RESULT] >= 0
    )
