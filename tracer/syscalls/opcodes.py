"""The opcodes of system calls: what an operation's opcode says which call it is."""

from __future__ import annotations

from uringtrace.probes.slots import CALL_LIMIT
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.syscalls.numbers import system_call_names

OTHER_CALLS = "other_calls"
"""Name of the last opcode: calls of foreign tables, such as i386, and numbers beyond the last row."""


def call_names(machine: str) -> dict[int, str]:
    """Opcode → name of every system call; those without a known name are called by their number."""
    names = system_call_names(machine)
    numbered = {number: names.get(number, f"syscall_{number}") for number in range(CALL_LIMIT - 1)}
    return {FIRST_CALL + number: name for number, name in {**numbered, CALL_LIMIT - 1: OTHER_CALLS}.items()}
