"""strace's output in the form in which two runs are compared: everything in it must be understood."""

from __future__ import annotations

from dataclasses import dataclass

from uringtrace.tracer.strace import Call, Detail, End, Notice, Signal, Unparsed
from uringtrace.tracer.strace import parse as parse_lines


@dataclass(frozen=True, slots=True)
class StraceCall:
    """One system call, as text; what strace wrote about it is not interpreted further."""

    tid: int
    name: str
    arguments: tuple[str, ...]
    result: str
    """`3</tmp/x>`, `-1`, `0x7f…`; `?` where strace shows none."""
    error: str | None
    """`ENOENT`, `ERESTARTSYS`."""
    note: str
    """What follows in parentheses: the error in words, the flags, the ready descriptors."""
    started_ns: int | None = None
    """CLOCK_REALTIME, with -ttt."""
    duration_ns: int | None = None
    """With -T, of a call that returned."""


@dataclass(frozen=True, slots=True)
class StraceOutput:
    """Each in the order of the output; a call stands where its first half stood."""

    calls: tuple[StraceCall, ...]
    signals: tuple[Signal, ...]
    ends: tuple[End, ...]


class UnknownLine(ValueError):
    """A line that is not understood, or half a call; the message says which."""


def parse(text: str) -> StraceOutput:
    """All of what `strace -f -o FILE` wrote; raises `UnknownLine`."""
    calls: list[Call] = []
    signals: list[Signal] = []
    ends: list[End] = []
    for record in parse_lines(text.splitlines()):
        match record:
            case Call(begun=True, tid=int()):
                calls.append(record)
            case Signal():
                signals.append(record)
            case End():
                ends.append(record)
            case Call(text=line) | Notice(text=line) | Detail(text=line) | Unparsed(text=line):
                raise UnknownLine(f"line {', '.join(map(str, record.lines))}: {line}")
    calls.sort(key=lambda call: call.lines[0])
    return StraceOutput(tuple(map(_compared, calls)), tuple(signals), tuple(ends))


def _compared(call: Call) -> StraceCall:
    result = call.result
    return StraceCall(
        call.tid or 0,
        call.name,
        call.arguments,
        result.text if result else "?",
        result.error if result else None,
        result.notes[0] if result and result.notes else "",
        call.started_ns,
        call.duration_ns,
    )
