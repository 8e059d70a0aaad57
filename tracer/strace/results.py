"""What stands behind the arguments of a call: its result, notes on it, and its duration."""

from __future__ import annotations

import re

from uringtrace.tracer.strace.arguments import FILE
from uringtrace.tracer.strace.leader import nanoseconds, precision
from uringtrace.tracer.strace.records import Result

_DURATION = re.compile(r" <(\d{1,9})(?:\.(\d{1,9}))?>$")
_VALUE = re.compile(
    rf"""
    \ *=\ (?P<value>\?|0x[0-9a-f]{{1,16}}|-?\d{{1,20}})
    (?P<file>{FILE})?
    (?:\ /\*[^*]*\*/)?                                     # a process id in strace's own namespace
    (?:\ (?P<error>E[A-Z][A-Z0-9_]*|ERRNO_\d{{1,9}})(?=\ \(|\Z))?
    (?:\ <unavailable>)?
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r" *= (-?\d{1,20}|0x[0-9a-f]{1,16})(?: <(\d{1,9})\.(\d{1,9})>)?")
"""Most results: a number, and maybe a duration."""
_NOTE = re.compile(r' \(((?:[^()"]|"(?:[^"\\]|\\.)*+"|\((?:[^()"]|"(?:[^"\\]|\\.)*+")*+\))*+)\)')


class NoResultError(ValueError):
    """The text is no result."""


def parse_result(text: str, start: int) -> tuple[Result, int | None]:
    """The result in `text` from `start` to its end, and the duration in nanoseconds.

    Raises `NoResultError`.
    """
    if plain := _PLAIN.fullmatch(text, start):
        value, seconds, part = plain.groups()
        duration_ns = None if seconds is None else nanoseconds(seconds, part)
        return Result(value, _number(value), None, (), False, False), duration_ns
    duration_ns = None
    end = len(text)
    if text.endswith(">") and (duration := _DURATION.search(text, start)):
        duration_ns = nanoseconds(duration[1], duration[2])
        end = duration.start()
    matched = _VALUE.match(text, start, end)
    if matched is None:
        raise NoResultError("no result")
    value = matched["value"]
    error = matched["error"]
    if matched.end() == end and error is None:
        return Result(value + (matched["file"] or ""), _number(value), None, (), False, False), duration_ns
    notes, position = [], matched.end()
    while note := _NOTE.match(text, position, end):
        notes.append(note[1])
        position = note.end()
    if text[position:end].strip():
        raise NoResultError("more than a result")
    injected = any(note.startswith("INJECTED") for note in notes)
    kept = tuple(note for note in notes if note != "DELAYED" and not note.startswith("INJECTED"))
    delayed = "DELAYED" in notes
    return Result(
        value + (matched["file"] or ""), _number(value), error, kept, injected, delayed
    ), duration_ns


def duration_precision(text: str) -> int | None:
    """One unit of the last digit of the duration at the end of the text, in nanoseconds."""
    duration = _DURATION.search(text)
    return precision(duration[2]) if duration else None


def _number(text: str) -> int | None:
    if text == "?":
        return None
    if text.startswith("0x"):
        return int(text, 16)
    # umask prints its result as octal.
    return int(text, 8) if text.startswith("0") and text.strip("01234567") == "" else int(text)
