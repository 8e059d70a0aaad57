"""One line per row, as strace users write a call: arguments, result, duration, marks.

The order is fixed, so that lines can be cut and compared:
who, when, NAME(arguments), = result, duration, what is special, ring, user_data, link.
Lines of system calls are those of strace (`call_line`) and have no ring and no user_data.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from time import localtime, strftime

import numpy as np

from uringtrace.tracer.record import (
    CQE_BUFFER_SHIFT,
    CQE_F_BUFFER,
    CQE_F_MORE,
    CQE_F_NOTIF,
    FIRST_CALL,
    OPERATION,
    SQE_BUFFER_SELECT,
    SQE_FIXED_FILE,
    Batch,
    Kind,
    Path,
    duration_ns,
)
from uringtrace.tracer.records import NO_MEMORY, Memory, Records, only_operations
from uringtrace.tracer.source import Context, File, Thread
from uringtrace.tracer.statistics import ZERO_COPY_OPERATIONS
from uringtrace.ui.text.call_line import CallLine
from uringtrace.ui.text.call_result import failure
from uringtrace.ui.text.flags import CQE_FLAGS, SQE_FLAGS, decode
from uringtrace.ui.text.operation_arguments import FIELDS, ArgumentsText, Row

_RESULT, _CQE_FLAGS, _SEQUENCE = FIELDS["result"], FIELDS["cqe_flags"], FIELDS["sequence"]
_KIND, _PATH, _SQE_FLAGS, _OPCODE = FIELDS["kind"], FIELDS["path"], FIELDS["sqe_flags"], FIELDS["opcode"]
_TGID, _TID, _RING, _USER_DATA = FIELDS["tgid"], FIELDS["tid"], FIELDS["ring"], FIELDS["user_data"]
_CHAIN, _POSITION, _COMPLETED = FIELDS["chain"], FIELDS["chain_position"], FIELDS["completed_ns"]
_RESULT_FILE = FIELDS["result_file"]

# Plain integers: comparing with members of an IntEnum is what costs most in a line.
_COMPLETION, _UNFINISHED, _SILENT = int(Kind.COMPLETION), int(Kind.UNFINISHED), int(Kind.SILENT)
_MESSAGE = int(Kind.MESSAGE)
_NO_OPERATION = frozenset({int(Kind.UNTRACKED), _MESSAGE})
_FLAG_BITS = (1 << CQE_BUFFER_SHIFT) - 1
_SHOWN_OTHERWISE = CQE_F_BUFFER | CQE_F_NOTIF
_ZERO_COPY_COPIED = -(2**31)
_CHAINS_KEPT = 65536


class TimeStyle(Enum):
    """How a line says when it completed; the names are strace's options."""

    NONE = ""
    RELATIVE = "r"
    CLOCK = "t"
    CLOCK_MICROSECONDS = "tt"
    UNIX = "ttt"


class LineFormatter:
    """Formats the records of one capture; remembers chain numbers and the line before."""

    def __init__(
        self,
        context: Context,
        files: Mapping[int, File],
        *,
        time_style: TimeStyle = TimeStyle.NONE,
        durations: bool = True,
        limit: int | None = None,
    ) -> None:
        self._names = context.operation_names
        self._arguments = ArgumentsText(context.operation_names, files, limit)
        self._call = CallLine(
            context.operation_names, self._descriptor, context.started_ns, durations=durations
        )
        self._time_style = time_style
        self._timestamps = time_style is not TimeStyle.NONE
        self._durations = durations
        self._unix_offset_ns = context.started_unix_ns - context.started_ns
        self._previous_ns: int | None = None
        self._chains: dict[tuple[int, int], int] = {}
        self._chains_seen = 0
        self._zero_copy = {code for code, name in self._names.items() if name in ZERO_COPY_OPERATIONS}

    def lines(
        self,
        records: Records | Batch,
        files: Mapping[int, File],
        threads: Mapping[int, Thread] | None = None,
    ) -> list[str]:
        """One string per row, without line end; `files` and `threads` are the source's of now."""
        if not isinstance(records, Records):
            records = only_operations(records)
        self._arguments.files = files
        if threads is not None:
            self._call.threads = threads
        batch = records.operations
        duration, known = duration_ns(batch)
        # Whole microseconds, rounded: strace shows six digits, and so do we.
        microseconds = np.where(known, (duration + np.uint64(500)) // np.uint64(1000), 0).tolist()
        rows = zip(*(batch[name].tolist() for name in OPERATION.names or ()), strict=True)
        memory = records.memory_by_row()
        line = self._line
        timed = zip(rows, microseconds, known.tolist(), strict=True)
        return [
            line(row, took, seen, memory.get(number, NO_MEMORY))
            for number, (row, took, seen) in enumerate(timed)
        ]

    def _descriptor(self, number: int, file: int) -> str:
        return self._arguments.descriptor(number, file, False)

    def _line(self, row: Row, microseconds: int, timed: bool, memory: Mapping[int, Memory]) -> str:
        kind = row[_KIND]
        who = _who(row[_TGID], row[_TID])
        when = self._when(row[_COMPLETED]) if self._timestamps else ""
        took = ""
        if timed and self._durations:
            seconds, rest = divmod(microseconds, 1_000_000)
            took = f" <{seconds}.{rest:06d}>"
        opcode = row[_OPCODE]
        if opcode >= FIRST_CALL:
            return f"{who}{when}{self._call.text(row, memory, took)}"
        where = f" ring={row[_RING]} user_data={row[_USER_DATA]:#x}"
        if kind in _NO_OPERATION:
            word, what = ("message", "(from another ring)") if kind == _MESSAGE else ("untracked", "?(…)")
            marks = _marks(kind, 0, row[_CQE_FLAGS] & _FLAG_BITS, 0)
            return (
                f"{who}{when}{what} = {_result(row[_RESULT])} {word}{marks}{_buffer(row[_CQE_FLAGS])}{where}"
            )
        call = f"{self._names.get(opcode) or f'OP_{opcode}'}({self._arguments.text(row)})"
        flags = row[_CQE_FLAGS]
        marks = _marks(kind, row[_PATH], flags & _FLAG_BITS, row[_SQE_FLAGS])
        link = f" link={self._chain(row)}/{row[_POSITION]}" if row[_CHAIN] else ""
        if kind == _COMPLETION and not row[_SEQUENCE] and not flags:
            return f"{who}{when}{call} = {self._result(row)}{took}{marks}{where}{link}"
        if kind == _UNFINISHED:
            age = took.replace(" <", " age=").rstrip(">")
            return f"{who}{when}{call} <unfinished …>{age}{marks}{where}{link}"
        if kind == _SILENT:
            return f"{who}{when}{call} = ? no CQE{marks}{where}{link}"
        if kind != _COMPLETION:
            return f"{who}{when}{call} = ? kind={kind}{marks}{where}{link}"
        if flags & CQE_F_NOTIF:
            copied = " (copied)" if row[_RESULT] == _ZERO_COPY_COPIED else ""
            return f"{who}{when}{call} = notification{copied}{took}{marks}{where}{link}"
        ending = ""
        sequence = row[_SEQUENCE]
        if sequence and opcode not in self._zero_copy:
            if sequence > 1:
                took = took.replace(" <", " +").rstrip(">")
            took = f" #{sequence}{took}"
            if not flags & CQE_F_MORE:
                ending = f" ended={self._ending(row)}"
        buffer = _buffer(flags)
        return f"{who}{when}{call} = {self._result(row)}{took}{ending}{marks}{buffer}{where}{link}"

    def _result(self, row: Row) -> str:
        """The result; with its file where it is a new descriptor."""
        result: int = row[_RESULT]
        return self._descriptor(result, row[_RESULT_FILE]) if row[_RESULT_FILE] else _result(result)

    def _ending(self, row: Row) -> str:
        """Why a multishot operation posted its last CQE, as far as that one tells."""
        result = row[_RESULT]
        if result in _ENDINGS:
            return _ENDINGS[result]
        if result < 0:
            return errno.errorcode.get(-result, str(result))
        if row[_PATH] & Path.OVERFLOW:
            return "cq-overflow"
        name = self._names.get(row[_OPCODE], "")
        if result == 0 and name in _STREAMS:
            return "end-of-file"
        return "last"

    def _chain(self, row: Row) -> int:
        """A short number for the chain, the same for all its operations."""
        key = (row[_RING], row[_CHAIN])
        number = self._chains.get(key)
        if number is None:
            self._chains_seen += 1
            number = self._chains[key] = self._chains_seen
            if len(self._chains) > _CHAINS_KEPT:
                del self._chains[next(iter(self._chains))]
        return number

    def _when(self, completed_ns: int) -> str:
        style = self._time_style
        if style is TimeStyle.RELATIVE:
            delta = 0 if self._previous_ns is None else completed_ns - self._previous_ns
            self._previous_ns = completed_ns
            sign, delta = ("-", -delta) if delta < 0 else ("", delta)
            return f"{sign}{delta // 1_000_000_000}.{delta // 1000 % 1_000_000:06d} "
        seconds, nanoseconds = divmod(completed_ns + self._unix_offset_ns, 1_000_000_000)
        if style is TimeStyle.UNIX:
            return f"{seconds}.{nanoseconds // 1000:06d} "
        if style is TimeStyle.CLOCK:
            return f"{_clock(seconds)} "
        return f"{_clock(seconds)}.{nanoseconds // 1000:06d} "


_ENDINGS = {-errno.ECANCELED: "cancelled", -errno.ENOBUFS: "no-buffers"}
_STREAMS = frozenset({"RECV", "RECVMSG", "READ_MULTISHOT", "RECV_ZC"})


@lru_cache(1024)
def _clock(seconds: int) -> str:
    """HH:MM:SS in local time; a moment the C library cannot represent stays a number."""
    try:
        return strftime("%H:%M:%S", localtime(seconds))
    except (OverflowError, OSError, ValueError):
        return str(seconds)


@lru_cache(4096)
def _who(tgid: int, tid: int) -> str:
    return f"[pid {tgid or '?'} tid {tid or '?'}] "


def _result(result: int) -> str:
    return str(result) if result >= 0 else failure(result)


@lru_cache(65536)
def _marks(kind: int, path: int, cqe_flags: int, sqe_flags: int) -> str:
    """Path, CQE flags and SQE flags as words; what a line shows elsewhere is left out."""
    words = [name for bit, name in _PATH_WORDS.items() if path & bit]
    if kind == Kind.COMPLETION and not path & (Path.POLL | Path.IO_WQ):
        words.insert(0, "inline")
    shown = cqe_flags & ~_SHOWN_OTHERWISE
    if shown:
        words.append(decode(shown, CQE_FLAGS))
    asked = sqe_flags & ~(SQE_FIXED_FILE | SQE_BUFFER_SELECT)
    if asked:
        words.append(decode(asked, SQE_FLAGS))
    return "".join(f" {word}" for word in words)


_PATH_WORDS = {
    Path.POLL: "poll",
    Path.IO_WQ: "io-wq",
    Path.DEFERRED: "drained",
    Path.REJECTED: "rejected",
    Path.OVERFLOW: "overflow",
    Path.DROPPED: "dropped",
    Path.AMBIGUOUS: "ambiguous",
    128: "path=0x80",
}


def _buffer(cqe_flags: int) -> str:
    return f" buffer={cqe_flags >> CQE_BUFFER_SHIFT}" if cqe_flags & CQE_F_BUFFER else ""
