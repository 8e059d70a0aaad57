"""What stands in front of a line of strace: thread, time, and what other options add.

Source of the forms: printleader() in strace's strace.c, versions 5.10 to 6.16.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Clock(Enum):
    """What the times of a log count from."""

    NONE = "none"
    TIME_OF_DAY = "time of day"
    """-t, -tt: nanoseconds since midnight, local time: it begins anew at midnight."""
    UNIX = "unix"
    """-ttt: nanoseconds since 1970, CLOCK_REALTIME."""
    STEPS = "steps"
    """-r alone: nanoseconds since the line before, CLOCK_MONOTONIC. `parse` adds them up, so its times
    count from the first line, and are late by nothing but early by up to one unit for each line."""


class ThreadForm(Enum):
    """How lines name their thread."""

    NONE = "none"
    COLUMN = "column"
    """`812 `: -f with -o."""
    BRACKET = "bracket"
    """`[pid   812] `: -f without -o, only while strace has more than one thread."""


@dataclass(frozen=True, slots=True)
class Leader:
    """The beginning of one line; None is what it does not have."""

    end: int
    """Where the rest begins."""
    tid: int | None
    form: ThreadForm
    clock: Clock
    """Of `time_ns`: an absolute time goes before a step where both are printed."""
    time_ns: int | None
    precision_ns: int | None
    """One unit of the last digit."""
    has_step: bool
    has_command: bool
    """-Y: the thread's name."""
    has_context: bool
    """--secontext."""
    has_number: bool
    """-n: the call's number."""
    has_instruction: bool
    """-i: the instruction pointer."""


_SECOND = 1_000_000_000
_LEADER = re.compile(
    r"""
    (?:\[pid\ +(?P<bracket>\d{1,7})(?P<named><[^<>]*>)?\][ ]
      |(?P<column>\d{1,7})(?P<called><[^<>]*>)?\ +)?
    (?P<context>\[[^\]\s:]+:[^\]\s]+\]\ )?
    (?:(?P<hour>[0-2]\d):(?P<minute>[0-5]\d):(?P<second>[0-6]\d)(?:\.(?P<day_part>\d{1,9}))?[ ]
      |(?P<unix>[1-8]?\d{9})(?:\.(?P<unix_part>\d{1,9}))?\ )?
    (?:\(\+\ *(?P<step>\d{1,9})(?:\.(?P<step_part>\d{1,9}))?\)[ ]
      |\ *(?P<alone>\d{1,8})(?:\.(?P<alone_part>\d{1,9}))?\ )?
    (?P<number>\[[\ \d]{3}\d\]\ )?
    (?P<instruction>\[(?:[0-9a-f]{8,16}|\?{8,16})\]\ )?
    """,
    re.VERBOSE,
)


def nanoseconds(seconds: str, part: str | None) -> int:
    """Of `12` and the digits behind the point."""
    return int(seconds) * _SECOND + (int(part.ljust(9, "0")) if part else 0)


def precision(part: str | None) -> int:
    """One unit of the last of the digits behind the point, in nanoseconds."""
    return int(10 ** (9 - len(part))) if part else _SECOND


def parse_leader(line: str) -> Leader:
    """The beginning of any line; one without has `end` 0."""
    matched = _LEADER.match(line)
    assert matched is not None, "every part of the pattern may be absent"
    (
        bracket, named, column, called, context, hour, minute, second, day_part, unix, unix_part,
        step, _, alone, alone_part, number, instruction,
    ) = matched.groups()  # fmt: skip
    time_ns = precision_ns = None
    clock = Clock.NONE
    if unix is not None:
        clock, time_ns, precision_ns = Clock.UNIX, nanoseconds(unix, unix_part), precision(unix_part)
    elif hour is not None:
        clock, precision_ns = Clock.TIME_OF_DAY, precision(day_part)
        time_ns = (int(hour) * 3600 + int(minute) * 60) * _SECOND + nanoseconds(second, day_part)
    elif alone is not None:
        clock, time_ns, precision_ns = Clock.STEPS, nanoseconds(alone, alone_part), precision(alone_part)
    form = ThreadForm.NONE
    if bracket is not None:
        form = ThreadForm.BRACKET
    elif column is not None:
        form = ThreadForm.COLUMN
    tid = bracket or column
    return Leader(
        matched.end(),
        int(tid) if tid else None,
        form,
        clock,
        time_ns,
        precision_ns,
        step is not None or alone is not None,
        bool(named or called),
        context is not None,
        number is not None,
        instruction is not None,
    )
