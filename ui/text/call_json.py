"""What `log --json` says of a system call beside what every operation has.

`docs/json.md` describes the fields: raw arguments by the names of the kernel's source,
what the memory behind them told, and how the thread slept and was woken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from uringtrace.tracer.record import Wake
from uringtrace.tracer.source import File, Thread
from uringtrace.tracer.syscalls.signature import Result, Signature, ValueForm
from uringtrace.tracer.syscalls.signatures import signature_of
from uringtrace.ui.text.call_decoding import decoder
from uringtrace.ui.text.call_line import call_name
from uringtrace.ui.text.call_memory import ARGUMENTS, Decode, Memories
from uringtrace.ui.text.call_result import readiness
from uringtrace.ui.text.call_values import plain, signed32, signed64
from uringtrace.ui.text.operation_arguments import FIELDS, Row

_SLEPT, _WAKE, _WAKES, _WAKER = FIELDS["slept"], FIELDS["wake"], FIELDS["wakes"], FIELDS["waker"]
_WAKER_OPCODE, _WAKER_FILE = FIELDS["waker_opcode"], FIELDS["waker_file"]
_WAKER_ARGUMENT, _WOKEN = FIELDS["waker_argument"], FIELDS["woken_ns"]
_WOKE, _WOKE_COUNT, _RESULT = FIELDS["woke"], FIELDS["woke_count"], FIELDS["result"]

_THREAD = int(Wake.THREAD)
_WAKE_WORDS = {int(wake): wake.name.lower() for wake in Wake}

Convert: TypeAlias = Callable[[int], int]
compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _low(value: int) -> int:
    return value & 0xFFFFFFFF


_CONVERSIONS: Mapping[ValueForm, Convert] = {
    **dict.fromkeys(
        (
            ValueForm.DESCRIPTOR,
            ValueForm.DIRECTORY,
            ValueForm.PLAIN_DESCRIPTOR,
            ValueForm.SIGNED,
            ValueForm.IDENTIFIER,
            ValueForm.SIGNAL,
        ),
        signed32,
    ),
    **dict.fromkeys((ValueForm.UNSIGNED, ValueForm.HEXADECIMAL_32), _low),
    ValueForm.LONG: signed64,
}
"""The bits of a register that count; the others are whatever the program left there."""


def raw_arguments(name: str) -> tuple[tuple[str, int, Convert], ...]:
    """Label, place in the row and conversion of each argument of a call."""
    parameters = signature_of(name).parameters
    return tuple(
        (f'"{each.name}":', field, _CONVERSIONS.get(each.form, int))
        for each, field in zip(parameters, ARGUMENTS, strict=False)
    )


class Decoding:
    """The decoders of one call."""

    def __init__(self, name: str) -> None:
        signature = signature_of(name)
        self._decoders = _decoders(signature)
        self._signature = signature
        self._ready = signature.result is Result.READY

    def text(self, row: Row, memory: Memories) -> str:
        """What was told, by the names of the arguments, as JSON."""
        if not self._decoders:
            return "{}"
        return compact(self._values(row, memory))

    def _values(self, row: Row, memory: Memories) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field, decode in self._decoders:
            value = decode(row, memory) if row[field] else None
            if value is not None:
                found[name] = plain(value)
        if self._ready and row[_RESULT] > 0:
            found |= {name: plain(value) for name, value in readiness(self._signature, row, memory).items()}
        return found


def _decoders(signature: Signature) -> list[tuple[str, int, Decode]]:
    found = []
    for number, (each, field) in enumerate(zip(signature.parameters, ARGUMENTS, strict=False)):
        decode = decoder(signature, number)
        if decode is not None:
            found.append((each.name, field, decode))
    return found


def waking(
    operation_names: Mapping[int, str], row: Row, files: Mapping[int, File], threads: Mapping[int, Thread]
) -> str:
    """Fields, as JSON: whether the thread slept, what woke it, and whom its call woke."""
    wake = compact(_wake(operation_names, row, files, threads)) if row[_WAKE] else "null"
    woke = f'{{"thread":{row[_WOKE]},"count":{row[_WOKE_COUNT]}}}' if row[_WOKE] else "null"
    return f'"slept":{"true" if row[_SLEPT] else "false"},"wake":{wake},"woke":{woke}'


def _wake(
    operation_names: Mapping[int, str], row: Row, files: Mapping[int, File], threads: Mapping[int, Thread]
) -> dict[str, Any]:
    by_thread = row[_WAKE] == _THREAD
    opcode = row[_WAKER_OPCODE] if by_thread else 0
    file = files.get(row[_WAKER_FILE]) if opcode and row[_WAKER_FILE] else None
    thread = threads.get(row[_WAKER]) if by_thread else None
    return {
        "by": _WAKE_WORDS.get(row[_WAKE], str(row[_WAKE])),
        "count": row[_WAKES],
        "woken_ns": row[_WOKEN] or None,
        "thread": row[_WAKER] or None if by_thread else None,
        "name": thread.name if thread is not None else None,
        "operation": call_name(operation_names, opcode) if opcode else None,
        "argument": row[_WAKER_ARGUMENT] if opcode else None,
        "file": file.description if file is not None else None,
    }
