"""The vocabulary of the filter language, and what strace has that does not apply."""

from __future__ import annotations

from collections.abc import Mapping

from uringtrace.tracer.record import Path, Wake

OPERATION_WORDS = ("op", "operation", "trace", "t")
"""`trace=` and `t=` are strace's spelling."""

INTERFACES = ("io_uring", "syscall")

NUMBERS: Mapping[str, tuple[int, int]] = {
    "ring": (0, 2**32 - 1),
    "pid": (0, 2**32 - 1),
    "tid": (0, 2**32 - 1),
    "waker": (0, 2**32 - 1),
    "woke": (0, 2**32 - 1),
    "user_data": (0, 2**64 - 1),
    "result": (-(2**63), 2**63 - 1),
    "latency": (0, 2**64 - 1),
}
"""Words that compare, with the range of their column; `latency` in nanoseconds."""

LIST_WORDS = (*OPERATION_WORDS, "interface", "fd", "file", "peer", "local", "path", "wake", "error")
"""Words that take a list and know only = and !=."""

PROPERTIES = (
    "error",
    "slept",
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

WAKES: Mapping[str, Wake] = {
    "network": Wake.NETWORK,
    "timer": Wake.TIMER,
    "thread": Wake.THREAD,
    "interrupt": Wake.INTERRUPT,
}

CONNECTIVES = ("and", "or", "not")

WORDS = tuple(dict.fromkeys((*LIST_WORDS, *NUMBERS, *PROPERTIES)))

EXAMPLES: Mapping[str, str] = {
    **dict.fromkeys(OPERATION_WORDS, "READ"),
    "interface": "syscall",
    "fd": "3",
    "file": "/etc/hosts",
    "peer": "10.0.0.0/8",
    "local": ":8080",
    "path": "io-wq",
    "wake": "timer",
    "latency": "1ms",
    "user_data": "0x2a",
}
"""A value of each word whose values are not simply numbers."""

LATENCY_UNITS: Mapping[str, int] = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}

_SIGNALS = "signals are not traced; strace -e signal=… shows them"
_TAMPERING = "uringtrace never changes what the target sees; strace -e inject=… does"
_STATUS = "write error, not error or unfinished, or use -z and -Z"
_READS = "payload bytes are never captured; to choose reads on a descriptor: read and fd=3"
_WRITES = "payload bytes are never captured; to choose writes on a descriptor: write and fd=3"
_LENGTH = "lines are always abbreviated; --json has all arguments"
_DESCRIPTORS = "descriptors are always shown with what they are"
_QUIET = "use -q"

STRACE_HINTS: Mapping[str, str] = {
    "signal": _SIGNALS,
    "signals": _SIGNALS,
    "s": _SIGNALS,
    "inject": _TAMPERING,
    "fault": _TAMPERING,
    "status": _STATUS,
    "read": _READS,
    "reads": _READS,
    "r": _READS,
    "write": _WRITES,
    "writes": _WRITES,
    "w": _WRITES,
    "abbrev": _LENGTH,
    "a": _LENGTH,
    "verbose": _LENGTH,
    "v": _LENGTH,
    "raw": "--json has the raw arguments",
    "x": "--json has the raw arguments",
    "quiet": _QUIET,
    "silence": _QUIET,
    "q": _QUIET,
    "decode-fds": _DESCRIPTORS,
    "decode-fd": _DESCRIPTORS,
    "decode-pids": "process ids are shown as this machine counts them",
    "decode-pid": "process ids are shown as this machine counts them",
    "trace-fds": "write fd=3,7",
    "trace-fd": "write fd=3,7",
    "fds": "write fd=3,7",
    "secontext": "security contexts are not captured",
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
