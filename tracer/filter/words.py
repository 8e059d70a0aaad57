"""The vocabulary of the filter language, and what strace has that does not apply."""

from __future__ import annotations

from collections.abc import Mapping

from uringtrace.tracer.record import Path

OPERATION_WORDS = ("op", "operation", "trace", "t")
"""`trace=` and `t=` are strace's spelling."""

NUMBERS: Mapping[str, tuple[int, int]] = {
    "ring": (0, 2**32 - 1),
    "pid": (0, 2**32 - 1),
    "tid": (0, 2**32 - 1),
    "user_data": (0, 2**64 - 1),
    "result": (-(2**31), 2**31 - 1),
    "latency": (0, 2**64 - 1),
}
"""Words that compare, with the range of their column; `latency` in nanoseconds."""

LIST_WORDS = (*OPERATION_WORDS, "fd", "path", "error")
"""Words that take a list and know only = and !=."""

PROPERTIES = (
    "error",
    "multishot",
    "notification",
    "linked",
    "silent",
    "untracked",
    "unfinished",
    "message",
)
"""Words that stand alone."""

PATHS: Mapping[str, Path] = {
    "inline": Path.INLINE,
    "poll": Path.POLL,
    "io-wq": Path.IO_WQ,
    "drained": Path.DEFERRED,
    "rejected": Path.REJECTED,
    "overflow": Path.OVERFLOW,
    "dropped": Path.DROPPED,
    "ambiguous": Path.AMBIGUOUS,
}
"""As log lines show them; `inline` is neither `poll` nor `io-wq`."""

CONNECTIVES = ("and", "or", "not")

WORDS = tuple(dict.fromkeys((*LIST_WORDS, *NUMBERS, *PROPERTIES)))

LATENCY_UNITS: Mapping[str, int] = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}

STRACE_HINTS: Mapping[str, str] = {
    "signal": "signals are not traced; strace -e signal=… shows them",
    "signals": "signals are not traced; strace -e signal=… shows them",
    "inject": "uringtrace never changes what the target sees; strace -e inject=… does",
    "fault": "uringtrace never changes what the target sees; strace -e fault=… does",
    "status": "write error, not error, or use -z and -Z",
    "read": "payload bytes are never captured; to choose reads on a descriptor: op=READ and fd=3",
    "write": "payload bytes are never captured; to choose writes on a descriptor: op=WRITE and fd=3",
    "reads": "payload bytes are never captured; to choose reads on a descriptor: op=READ and fd=3",
    "writes": "payload bytes are never captured; to choose writes on a descriptor: op=WRITE and fd=3",
    "abbrev": "arguments are always abbreviated in lines; --json has all of them",
    "verbose": "arguments are always abbreviated in lines; --json has all of them",
    "raw": "--json has the raw arguments",
    "quiet": "use -q",
    "decode-fds": "descriptors are always shown with what they are",
    "trace-fds": "write fd=3,7",
    "kvm": "virtual machines are not traced",
}
"""Qualifiers of strace(1) that have no meaning here."""

SPELLING_HINTS: Mapping[str, str] = {
    "&&": "write and",
    "&": "write and",
    "||": "write or",
    "|": "write or",
    "AND": "write and",
    "OR": "write or",
    "NOT": "write not",
}
