"""Where a call's arguments and their memory are found, and the type of what decodes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from uringtrace.tracer.records import ENTERED, Memory
from uringtrace.tracer.syscalls.signature import ENTRY, Parameter
from uringtrace.ui.text.call_values import Value
from uringtrace.ui.text.operation_arguments import FIELDS, Row

Memories: TypeAlias = Mapping[int, Memory]
"""Argument code → what was read, of one row."""
Decode: TypeAlias = Callable[[Row, Memories], Value]
"""Answers None where the memory was not read or does not apply: then the pointer is shown."""
MakeDecode: TypeAlias = Callable[[int, Parameter], Decode]
"""Makes the decoder of an argument from its place and its parameter."""

ARGUMENTS = tuple(FIELDS[f"arg{number}"] for number in range(6))
"""Where each argument is in a `Row`."""
RESULT = FIELDS["result"]


def entered(memory: Memories, number: int, parameter: Parameter) -> Memory | None:
    """An argument's memory as it was when the call began, None where that is not known."""
    before = memory.get(number | ENTERED)
    reading = parameter.reading
    if before is None and reading is not None and reading.flags & ENTRY:
        return memory.get(number)
    return before


def left(memory: Memories, number: int, parameter: Parameter) -> Memory | None:
    """An argument's memory as the call left it."""
    reading = parameter.reading
    if reading is not None and reading.flags & ENTRY:
        return None
    return memory.get(number)
