"""The system calls in the output of `uringtrace log`, in the form strace's are read into."""

from __future__ import annotations

import re

from tests.strace.strace_output import StraceCall, UnknownLine
from uringtrace.tracer.strace.arguments import split_arguments

_LINE = re.compile(r"\[pid (?P<tgid>\d+) tid (?P<tid>\d+)\] (?P<call>(?P<name>\w+)\(.*)")
_RESULT = re.compile(
    r" = (?P<value>\?|0x[0-9a-f]+|-?\d+)(?P<file><(?!\d+\.\d{6}>)(?:->|[^<>])*>)?"
    r"(?: (?P<error>E[A-Z][A-Z0-9]*|ERRNO_\d+))?"
    r"(?: \((?P<note>[^()]*(?:\([^()]*\)[^()]*)*)\))?"
)
_UNFINISHED = "<unfinished …>"


def parse_log(text: str) -> tuple[StraceCall, ...]:
    """The calls in the order of the lines; operations of io_uring are left out.

    An unfinished call has the result `?`, as in strace's output.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        matched = _LINE.match(line)
        if matched is None:
            raise UnknownLine(f"line {number} is no operation: {line}")
        if not matched["name"].islower():
            continue
        call, unfinished, _ = matched["call"].partition(_UNFINISHED)
        if unfinished:
            call = f"{call}) = ?"
        try:
            arguments, end = split_arguments(call, len(matched["name"]) + 1)
        except ValueError as error:
            raise UnknownLine(f"line {number}: {error}: {line}") from None
        result = _RESULT.match(call, end)
        if result is None:
            raise UnknownLine(f"line {number}: no result: {line}")
        value, note = result["value"] + (result["file"] or ""), result["note"] or ""
        found.append(
            StraceCall(int(matched["tid"]), matched["name"], arguments, value, result["error"], note)
        )
    return tuple(found)
