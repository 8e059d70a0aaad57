"""What strace 6 writes with `-f -o FILE`, line by line, as values.

Takes the options that change only what a line carries beside its call: -ttt, -T, -y, -yy, -s.
Invariant: every line is a call, a signal, an end of a thread, or an error; the two halves
of an interrupted call are one call, which stands where its first half stood.
Source of the forms: strace(1), "Description" and "Output format".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


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
class Signal:
    """A signal that was delivered."""

    tid: int
    name: str
    details: str


@dataclass(frozen=True, slots=True)
class End:
    """The end of a thread: `exited with 0`, `killed by SIGKILL`."""

    tid: int
    how: str


@dataclass(frozen=True, slots=True)
class StraceOutput:
    """Each in the order of the output."""

    calls: tuple[StraceCall, ...]
    signals: tuple[Signal, ...]
    ends: tuple[End, ...]


class UnknownLine(ValueError):
    """A line that is none of the known forms; the message says which and why."""


_LINE = re.compile(r"(?P<tid>\d+) +(?:(?P<seconds>\d+)\.(?P<microseconds>\d{6}) )?(?P<event>.*)")
_SIGNAL = re.compile(r"--- (?P<name>SIG\w+|stopped by SIG\w+) ?(?P<details>.*?) ?---")
_END = re.compile(r"\+\+\+ (?P<how>.*) \+\+\+")
_BEGUN = re.compile(r"(?P<first>\w+\(.*?) ?<unfinished \.\.\.>")
_RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<second>.*)")
_NEVER_RETURNED = " <unfinished ...>) = ?"
_NAME = re.compile(r"(?P<name>\w+)\(")
_DURATION = re.compile(r" <(?P<seconds>\d+)\.(?P<microseconds>\d{6})>$")
_RESULT = re.compile(
    r" += (?P<value>\?|-?\d+|0x[0-9a-f]+)"
    r"(?P<file><.*>(?:\(deleted\))?)?"
    r"(?: (?P<error>E[A-Z][A-Z0-9]*|ERRNO_\d+))?"
    r"(?: \((?P<note>.*)\))?"
)


@dataclass(slots=True)
class _Reading:
    calls: list[StraceCall | None] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    begun: dict[int, tuple[int, str, int | None]] = field(default_factory=dict)
    """Thread → place among the calls, first half, start."""


def parse(text: str) -> StraceOutput:
    """Every line of the output; raises `UnknownLine` for one that has none of the forms.

    A call whose thread ended in it, or which the output leaves unfinished, has the result `?`.
    """
    reading = _Reading()
    for number, line in enumerate(text.splitlines(), 1):
        try:
            _read_line(reading, line)
        except ValueError as error:
            raise UnknownLine(f"line {number}: {error}: {line}") from None
    for tid in list(reading.begun):
        _never_returned(reading, tid)
    calls = tuple(call for call in reading.calls if call is not None)
    return StraceOutput(calls, tuple(reading.signals), tuple(reading.ends))


def _read_line(reading: _Reading, line: str) -> None:
    matched = _LINE.fullmatch(line)
    if matched is None:
        raise ValueError("no thread id")
    tid, event = int(matched["tid"]), matched["event"]
    started_ns = _nanoseconds(matched)
    if signal := _SIGNAL.fullmatch(event):
        reading.signals.append(Signal(tid, signal["name"], signal["details"]))
    elif end := _END.fullmatch(event):
        reading.ends.append(End(tid, end["how"]))
        if tid in reading.begun:
            _never_returned(reading, tid)
    elif begun := _BEGUN.fullmatch(event):
        if tid in reading.begun:
            raise ValueError("the thread is in a call already")
        reading.begun[tid] = (len(reading.calls), begun["first"], started_ns)
        reading.calls.append(None)
    elif resumed := _RESUMED.fullmatch(event):
        if tid not in reading.begun:
            raise ValueError("nothing to resume")
        place, first, started_ns = reading.begun.pop(tid)
        if not first.startswith(f"{resumed['name']}("):
            raise ValueError(f"another call had begun: {first}")
        reading.calls[place] = parse_call(first + resumed["second"], tid, started_ns)
    else:
        reading.calls.append(parse_call(event, tid, started_ns))


def _never_returned(reading: _Reading, tid: int) -> None:
    place, first, started_ns = reading.begun.pop(tid)
    reading.calls[place] = parse_call(f"{first}{_NEVER_RETURNED}", tid, started_ns)


def _nanoseconds(matched: re.Match[str]) -> int | None:
    if matched["seconds"] is None:
        return None
    return int(matched["seconds"]) * 1_000_000_000 + int(matched["microseconds"]) * 1000


def parse_call(text: str, tid: int, started_ns: int | None = None) -> StraceCall:
    """`name(arguments) = result …`; raises `ValueError` saying what is not so."""
    text = text.removesuffix(" ")
    duration_ns = None
    if duration := _DURATION.search(text):
        duration_ns = _nanoseconds(duration)
        text = text[: duration.start()]
    named = _NAME.match(text)
    if named is None:
        raise ValueError("no call")
    if text.endswith(_NEVER_RETURNED):
        arguments, _ = split_arguments(text[: -len(_NEVER_RETURNED)] + ")", named.end())
        return StraceCall(tid, named["name"], arguments, "?", None, "", started_ns, duration_ns)
    arguments, end = split_arguments(text, named.end())
    result = _RESULT.fullmatch(text, end)
    if result is None:
        raise ValueError("no result")
    return StraceCall(
        tid,
        named["name"],
        arguments,
        result["value"] + (result["file"] or ""),
        result["error"],
        result["note"] or "",
        started_ns,
        duration_ns,
    )


_OPENING, _CLOSING = "([{", ")]}"


def split_arguments(text: str, start: int) -> tuple[tuple[str, ...], int]:
    """The arguments from `start`, just behind the opening parenthesis, and where the closing one ends.

    Commas in strings, comments, brackets and behind descriptors (`<…>`) do not separate.
    """
    arguments: list[str] = []
    depth, position, begin = 0, start, start
    while position < len(text):
        character = text[position]
        if character == '"':
            position = _after_string(text, position)
            continue
        if text.startswith("/*", position):
            position = _after(text, "*/", position)
            continue
        if character == "<":
            position = _after_file(text, position)
            continue
        if character == ")" and depth == 0:
            last = text[begin:position].strip()
            # `f()` has none, and a call that did not return may end in a comma.
            return tuple([*arguments, last] if last else arguments), position + 1
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == "," and depth == 0:
            arguments.append(text[begin:position].strip())
            begin = position + 1
        position += 1
    raise ValueError("the arguments do not end")


def _after_string(text: str, position: int) -> int:
    position += 1
    while text[position : position + 1] != '"':
        if position >= len(text):
            raise ValueError("a string does not end")
        position += 2 if text[position] == "\\" else 1
    return position + 1


def _after(text: str, what: str, position: int) -> int:
    found = text.find(what, position)
    if found < 0:
        raise ValueError(f"no {what}")
    return found + len(what)


def _after_file(text: str, position: int) -> int:
    """Behind `<…>`, which says what a descriptor stands for; `<` and `>` in a path are escaped there."""
    if text.startswith("<<", position):
        return position + 2
    depth = 0
    while position < len(text):
        if text[position] == "<":
            depth += 1
        elif text[position] == ">" and text[position - 1] != "-":
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    raise ValueError("a descriptor's <…> does not end")
