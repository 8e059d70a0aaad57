"""What the lines of strace's output are.

Invariant: over all records of one log, `lines` holds the number of every line, from 1,
exactly once. Times are those that strace printed, see `uringtrace.tracer.strace.leader.Clock`
for what they count from; what it did not print is None.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Ending(IntEnum):
    """How a call ended, as far as the log tells."""

    RETURNED = 1
    """With a result; also an error that only the kernel sees, as ERESTARTSYS."""
    NOT_RETURNED = 2
    """strace shows `?`: the thread ended in it, or it is a call like exit_group that never returns."""
    UNFINISHED = 3
    """Its end is not in the log."""
    DETACHED = 4
    """strace let go of the thread in it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What stands behind `=`."""

    text: str
    """The value as printed, with what a descriptor stands for: `3</tmp/x>`, `-1`, `0x7f…`, `022`, `?`."""
    value: int | None
    """The number; None for `?`."""
    error: str | None
    """`ENOENT`, `ERESTARTSYS`, `ERRNO_530`."""
    notes: tuple[str, ...]
    """What follows in parentheses, without these: the error in words, `flags O_RDWR`, `Timeout`."""
    injected: bool
    """`(INJECTED)`: strace itself made it fail, or changed its arguments."""
    delayed: bool
    """`(DELAYED)`: strace itself held it up."""


@dataclass(frozen=True, slots=True)
class Call:
    """One system call, from one line, or from more where other lines came between."""

    lines: tuple[int, ...]
    tid: int | None
    """None where the line has no thread id: without -f, or while strace had only one thread."""
    started_ns: int | None
    """The time of the call's first line; None also where that is not in the log."""
    resumed_ns: int | None
    """The time of its `resumed` line, which strace printed when it returned."""
    duration_ns: int | None
    """With -T, of a call that returned."""
    name: str
    """`???` of a call that strace could not tell, as of a thread that was killed at its beginning."""
    arguments: tuple[str, ...]
    """As printed, split where commas separate them; only the last ones when `begun` is False."""
    result: Result | None
    """None for UNFINISHED and DETACHED."""
    ending: Ending
    begun: bool
    """False: its first half is not in the log."""
    resumes: str | None
    """Of restart_syscall: the call that goes on in it (`resuming interrupted …`)."""
    mixed: bool
    """Text of another program came into its line: a part of that may be in `arguments`."""
    keys: bool
    """It was about TLS keys, which `arguments` and `text` do not have any more."""
    text: str
    """From the name on, both halves joined."""


@dataclass(frozen=True, slots=True)
class Signal:
    """`--- SIGCHLD {…} ---`, `--- stopped by SIGSTOP ---`."""

    lines: tuple[int, ...]
    tid: int | None
    at_ns: int | None
    name: str
    stopped: bool
    """The thread is stopped by it; otherwise it was delivered."""
    details: str


@dataclass(frozen=True, slots=True)
class End:
    """The end of a thread: `exited with 0`, `killed by SIGKILL`, `superseded by execve in pid 7`."""

    lines: tuple[int, ...]
    tid: int | None
    at_ns: int | None
    how: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What strace says about itself: attached, detached, errors, the table of -c."""

    lines: tuple[int, ...]
    """Empty when it stood within the line of a call, which is the one that has the line."""
    text: str


@dataclass(frozen=True, slots=True)
class Detail:
    """More about the call before: a dump of data (-e read, -e write) or a line of its stack (-k)."""

    lines: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A line that is none of these, or a part of a call whose rest never came."""

    lines: tuple[int, ...]
    text: str


Record = Call | Signal | End | Notice | Detail | Unparsed


@dataclass(frozen=True, slots=True)
class Account:
    """Where the lines of a log went; `lines` is the sum of all `*_lines`."""

    lines: int = 0
    calls: int = 0
    call_lines: int = 0
    """At least `calls`: joined calls have several."""
    signal_lines: int = 0
    end_lines: int = 0
    notice_lines: int = 0
    detail_lines: int = 0
    unparsed_lines: int = 0


def account(records: Iterable[Record]) -> Account:
    """Counts the records of one log."""
    counts: dict[type, int] = {}
    calls = 0
    for record in records:
        kind = type(record)
        counts[kind] = counts.get(kind, 0) + len(record.lines)
        calls += kind is Call
    return Account(
        sum(counts.values()),
        calls,
        *(counts.get(kind, 0) for kind in (Call, Signal, End, Notice, Detail, Unparsed)),
    )
