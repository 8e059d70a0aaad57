"""What stands after the `=` of a system call's line."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias

from uringtrace.tracer.syscalls.signature import Result, Signature, ValueForm
from uringtrace.tracer.syscalls.signatures import signature_of
from uringtrace.ui.text import call_structures as structures
from uringtrace.ui.text.call_arguments import DescriptorText
from uringtrace.ui.text.call_flags import FLAGS
from uringtrace.ui.text.call_memory import ARGUMENTS, Memories, left
from uringtrace.ui.text.call_names import text_of
from uringtrace.ui.text.call_values import Value, signed32, text
from uringtrace.ui.text.operation_arguments import FIELDS, Row

_RESULT, _FILE, _RESULT_FILE = FIELDS["result"], FIELDS["file"], FIELDS["result_file"]
_MOST_ERRORS = 4095
"""MAX_ERRNO (include/linux/err.h): results below are addresses."""
_RESTARTS: Mapping[int, str] = {
    512: "ERESTARTSYS (To be restarted if SA_RESTART is set)",
    513: "ERESTARTNOINTR (To be restarted)",
    514: "ERESTARTNOHAND (To be restarted if no handler)",
    516: "ERESTART_RESTARTBLOCK (Interrupted by signal)",
}
"""What the kernel returns to itself (include/linux/errno.h); no program sees these."""
_DUPLICATES = frozenset({0, 1030})
_GET_DESCRIPTOR_FLAGS, _GET_FLAGS, _GET_SEALS = 1, 3, 1034

Tell: TypeAlias = Callable[[int, Row, Memories], str]


class CallResult:
    """Remembers how each call's result is told."""

    def __init__(self, operation_names: Mapping[int, str], descriptor: DescriptorText) -> None:
        self._names = operation_names
        self._descriptor = descriptor
        self._tellers: dict[int, Tell] = {}

    def text(self, opcode: int, row: Row, memory: Memories) -> str:
        """`3</etc/passwd>`, `-1 EAGAIN (Resource temporarily unavailable)`, `1 (in [3])`"""
        result: int = row[_RESULT]
        if -_MOST_ERRORS <= result < 0:
            return failure(result)
        tell = self._tellers.get(opcode)
        if tell is None:
            name = self._names.get(opcode, "")
            tell = self._tellers[opcode] = self._teller(name, signature_of(name))
        return tell(result, row, memory)

    def _teller(self, name: str, signature: Signature) -> Tell:
        if name == "fcntl":
            return self._file_command
        if name == "rt_sigtimedwait":
            return lambda result, row, memory: f"{result} ({structures.signal_name(result)})"
        if signature.result is Result.READY:
            return _ready(signature)
        return _TELLERS.get(signature.result) or self._of_descriptor

    def _of_descriptor(self, result: int, row: Row, memory: Memories) -> str:
        return self._descriptor(result, row[_RESULT_FILE])

    def _file_command(self, result: int, row: Row, memory: Memories) -> str:
        command = row[ARGUMENTS[1]] & 0xFFFFFFFF
        if command in _DUPLICATES:
            return self._descriptor(result, row[_RESULT_FILE] or row[_FILE])
        if command == _GET_FLAGS:
            return f"{result:#x} (flags {text_of(FLAGS['open'], result)})"
        if command == _GET_DESCRIPTOR_FLAGS and result:
            return f"{result:#x} (flags {text_of(FLAGS['descriptor'], result)})"
        if command == _GET_SEALS and result:
            return f"{result:#x} (seals {text_of(FLAGS['seals'], result)})"
        return str(result)


@lru_cache(1024)
def failure(result: int) -> str:
    """`-1 EAGAIN (Resource temporarily unavailable)`, as strace shows a failed call."""
    if -result in _RESTARTS:
        return f"? {_RESTARTS[-result]}"
    name = errno.errorcode.get(-result)
    return f"-1 {name} ({os.strerror(-result)})" if name else f"{result} (unknown error)"


def _hexadecimal(result: int, row: Row, memory: Memories) -> str:
    return f"{result & 2**64 - 1:#x}" if result else "0"


_TELLERS: Mapping[Result, Tell] = {
    Result.NUMBER: lambda result, row, memory: str(result),
    Result.THREAD: lambda result, row, memory: str(result),
    Result.NOTHING: lambda result, row, memory: "?",
    Result.POINTER: _hexadecimal,
    Result.OCTAL: lambda result, row, memory: f"0{result:o}" if result else "0",
}


def _ready(signature: Signature) -> Tell:
    """Of poll and select: which descriptors are ready, and what is left of the timeout."""

    def tell(result: int, row: Row, memory: Memories) -> str:
        if not result:
            return "0 (Timeout)"
        found = readiness(signature, row, memory)
        parts = [text(value) if name == "ready" else f"{name} {text(value)}" for name, value in found.items()]
        return f"{result} ({', '.join(parts)})" if parts else str(result)

    return tell


_TIMES = {
    ValueForm.LEFT_TIME: structures.time_value,
    ValueForm.LEFT_MICROSECONDS_TIME: structures.microseconds_time,
}
_SETS = ((1, "in"), (2, "out"), (3, "except"))


def readiness(signature: Signature, row: Row, memory: Memories) -> dict[str, Value]:
    """What poll and select say when they return: `ready`, or `in`, `out` and `except`; and `left`."""
    forms = [each.form for each in signature.parameters]
    found = _ready_sets(row, memory) if ValueForm.DESCRIPTOR_SET in forms else _ready_list(row, memory)
    for number, parameter in enumerate(signature.parameters):
        read = _TIMES.get(parameter.form)
        after = left(memory, number, parameter) if read else None
        remaining = read(after.data) if read and after else None
        if remaining is not None:
            found["left"] = remaining
    return found


def _ready_list(row: Row, memory: Memories) -> dict[str, Value]:
    found = memory.get(0)
    count = row[ARGUMENTS[1]] & 0xFFFFFFFF
    return {"ready": structures.poll_results(found.data, count)} if found else {}


def _ready_sets(row: Row, memory: Memories) -> dict[str, Value]:
    limit = max(signed32(row[ARGUMENTS[0]]), 0)
    found: dict[str, Value] = {}
    told, addresses = 0, set()
    for number, word in _SETS:
        address, after = row[ARGUMENTS[number]], memory.get(number)
        if after is None or told >= row[_RESULT] or address in addresses:
            continue
        # One set in two places holds what the kernel wrote last, and counts once.
        addresses.add(address)
        count = sum(1 for _ in structures.set_bits(after.data, limit))
        if count:
            found[word] = structures.descriptor_set(after.data, limit)
            told += count
    return found
