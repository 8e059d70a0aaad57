"""The line of a system call, without who and when: as strace writes it, then marks in words.

epoll_wait(4<anon_inode:[eventpoll]>, [], 64, 10) = 0 <0.010092> slept woken-by=timer
"""

from __future__ import annotations

from collections.abc import Mapping

from uringtrace.tracer.record import FIRST_CALL, OPCODES, Kind, Wake
from uringtrace.tracer.records import ENTERED
from uringtrace.tracer.source import Thread
from uringtrace.ui.text.call_arguments import CallArguments, DescriptorText
from uringtrace.ui.text.call_memory import ARGUMENTS, Memories
from uringtrace.ui.text.call_result import CallResult
from uringtrace.ui.text.call_structures import set_bits
from uringtrace.ui.text.call_values import quoted, signed32
from uringtrace.ui.text.operation_arguments import FIELDS, Row

_KIND, _OPCODE, _SUBMITTED = FIELDS["kind"], FIELDS["opcode"], FIELDS["submitted_ns"]
_COMPLETED, _SLEPT, _WAKE = FIELDS["completed_ns"], FIELDS["slept"], FIELDS["wake"]
_WAKES, _WAKER, _WAKER_OPCODE = FIELDS["wakes"], FIELDS["waker"], FIELDS["waker_opcode"]
_WAKER_FILE, _WAKER_ARGUMENT = FIELDS["waker_file"], FIELDS["waker_argument"]
_WOKE, _WOKE_COUNT, _HAS_ARGUMENTS = FIELDS["woke"], FIELDS["woke_count"], FIELDS["has_arguments"]

# Plain integers: comparing with members of an IntEnum is what costs most in a line.
_UNFINISHED, _SILENT, _THREAD = int(Kind.UNFINISHED), int(Kind.SILENT), int(Wake.THREAD)
_WAKE_WORDS = {int(wake): wake.name.lower() for wake in Wake}
_MOST_COUNTED = 65535
_POLLS = frozenset({"poll", "ppoll"})
_SELECTS = frozenset({"select", "pselect6"})


def call_name(operation_names: Mapping[int, str], opcode: int) -> str:
    """The call's name; of one that the table does not have, its number as strace writes it."""
    name = operation_names.get(opcode)
    if name is not None:
        return name
    return "syscall_?" if opcode == OPCODES - 1 else f"syscall_{opcode - FIRST_CALL:#x}"


class CallLine:
    """Formats the system calls of one capture that began at `started_ns`."""

    def __init__(
        self,
        operation_names: Mapping[int, str],
        descriptor: DescriptorText,
        started_ns: int,
        *,
        durations: bool,
    ) -> None:
        self._names = operation_names
        self._arguments = CallArguments(operation_names, descriptor)
        self._result = CallResult(operation_names, descriptor)
        self._started_ns = started_ns
        self._durations = durations
        self.threads: Mapping[int, Thread] = {}

    def text(self, row: Row, memory: Memories, took: str) -> str:
        """The line; `took` is ` <0.000012>`, or empty where no duration is known or wanted."""
        opcode, kind = row[_OPCODE], row[_KIND]
        name = self._names.get(opcode) or call_name(self._names, opcode)
        marks = self._marks(name, row, memory)
        if kind == _UNFINISHED:
            known = self._arguments.until_output(opcode, row, memory)
            return f"{name}({known}<unfinished …>{self._age(row)}{marks}"
        call = f"{name}({self._arguments.text(opcode, row, memory)})"
        if kind == _SILENT:
            return f"{call} = ?{marks}"
        if not row[_SUBMITTED] and self._durations:
            took = " <?>"
        return f"{call} = {self._result.text(opcode, row, memory)}{took}{marks}"

    def _age(self, row: Row) -> str:
        """How long it has been running; of one that ran before the capture, at least since then."""
        begun = row[_SUBMITTED]
        seconds, rest = divmod(max(row[_COMPLETED] - (begun or self._started_ns), 0) // 1000, 1_000_000)
        return f" age{'=' if begun else '>'}{seconds}.{rest:06d}"

    def _marks(self, name: str, row: Row, memory: Memories) -> str:
        marks = ""
        if row[_SLEPT]:
            marks = " slept"
        if row[_WAKE]:
            marks += f" woken-by={self._waker(row)}"
            if row[_WAKES] > 1:
                marks += f" woken={_count(row[_WAKES])}"
        if row[_WOKE]:
            more = row[_WOKE_COUNT] - 1
            marks += f" wakes={row[_WOKE]}" + (f"+{_count(more)}" if more > 0 else "")
        if name in _POLLS or name in _SELECTS:
            marks += _scanned(name, row, memory)
        return marks

    def _waker(self, row: Row) -> str:
        wake = row[_WAKE]
        if wake != _THREAD:
            return _WAKE_WORDS.get(wake, str(wake))
        waker, opcode = row[_WAKER], row[_WAKER_OPCODE]
        thread = self.threads.get(waker)
        named = f" {quoted(thread.name.encode())}" if thread is not None and thread.name else ""
        who = f"thread {waker or '?'}{named}"
        if not opcode:
            return who
        first = self._arguments.first(opcode, row[_WAKER_ARGUMENT], row[_WAKER_FILE])
        return f"{who} in {call_name(self._names, opcode)}({first})"


def _count(number: int) -> str:
    """A number of wakes; the record counts no further than 16 bits."""
    return f"{number}…" if number >= _MOST_COUNTED - 1 else str(number)


def _scanned(name: str, row: Row, memory: Memories) -> str:
    """How many descriptors poll or select looked at."""
    if not row[_HAS_ARGUMENTS]:
        return ""
    if name in _POLLS:
        return f" scanned={row[ARGUMENTS[1]] & 0xFFFFFFFF}"
    limit = max(signed32(row[ARGUMENTS[0]]), 0)
    sets = [memory.get(number | ENTERED) for number in (1, 2, 3)]
    wanted = sum(bool(row[ARGUMENTS[number]]) for number in (1, 2, 3))
    known = [each for each in sets if each is not None and len(each.data) * 8 >= limit]
    if len(known) < wanted and limit:
        return ""
    return f" scanned={sum(1 for each in known for _ in set_bits(each.data, limit))}"
