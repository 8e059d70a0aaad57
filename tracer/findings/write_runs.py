"""Runs of writes: what one side of a connection writes before it reads again.

A run is closed by the read that follows it, the one that finds the peer's end included. Runs go on over
drains. Invariant: every write belongs to one run, and one that announces more (MSG_MORE) does not count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.moves import OUT, MoveRules
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.record import OPCODES
from uringtrace.tracer.source import Context

_MOST_OPEN = 1 << 17
_MSG_MORE = 0x8000
_FLAGS_IN = {"sendto": "arg3", "sendmsg": "arg2", "SEND": "op_flags", "SENDMSG": "op_flags"}

RUN = np.dtype(
    [
        ("file", "<u4"),
        ("fd", "<i4"),
        ("tgid", "<u4"),
        ("tid", "<u4"),
        ("call", "?"),  # system calls, no operations of io_uring
        ("writes", "<u4"),
        ("smallest", "<i8"),  # bytes
        ("largest", "<i8"),
        ("bytes", "<i8"),
        ("first_ns", "<u8"),  # when the first write was done
        ("last_ns", "<u8"),
        ("read_ns", "<u8"),  # when something was read again; 0: not yet
    ]
)
_OF_THE_FIRST = ("file", "fd", "tgid", "tid")


class WriteRuns:
    """Of all sockets of a capture."""

    def __init__(self, context: Context) -> None:
        self._rules = MoveRules(context.operation_names)
        opcodes = {name: opcode for opcode, name in context.operation_names.items()}
        self._flags_in = [(opcodes[name], field) for name, field in _FLAGS_IN.items() if name in opcodes]
        self._tells_more = np.zeros(OPCODES, bool)
        self._tells_more[[opcode for opcode, _ in self._flags_in]] = True
        self._open = np.zeros(0, RUN)
        """Runs that no read has closed yet, by file."""
        self.wrote = False
        """Anything was written at all."""
        self.evicted = 0

    @property
    def still_open(self) -> NDArray[np.void]:
        """Runs that no read has closed yet, dtype `RUN`."""
        return self._open

    def observe(self, step: Step) -> NDArray[np.void]:
        """The runs of several writes that ended in this drain, of dtype `RUN`, and a few of one; files may be
        of any kind."""
        direction = self._rules.direction(step.column("opcode"))
        # The end of the stream is read too: 0 bytes.
        moved = step.completed & (step.column("result") >= (direction == OUT))
        moved &= (direction > 0) & (step.column("file") > 0)
        rows = np.flatnonzero(moved)
        if not len(rows):
            return self._open[:0]
        rows = rows[_by_file(step.column("file")[rows])]
        file, out = step.column("file")[rows], direction[rows] == OUT
        new_file = np.ones(len(rows), bool)
        new_file[1:] = file[1:] != file[:-1]
        fresh = new_file.copy()
        fresh[1:] |= out[1:] != out[:-1]
        self.wrote |= bool(out.any())
        start = np.flatnonzero(fresh)
        first, length = new_file[start], np.diff(np.append(start, len(rows)))
        last = np.append(first[1:], True)
        # A write alone between two reads is the rule, and no run.
        chosen = np.flatnonzero(out[start] & ((length > 1) | first | last))
        runs = self._runs(step, rows, start[chosen], length[chosen])
        inside = ~last[chosen]
        runs["read_ns"][inside] = step.column("completed_ns")[rows[start[chosen[inside] + 1]]]
        began = np.flatnonzero(first)
        read_ns = np.where(out[start[began]], 0, step.column("completed_ns")[rows[start[began]]])
        ended = self._go_on(runs, file[start[began]], read_ns)
        self._keep(runs[~inside])
        return np.concatenate([ended, runs[inside]])

    def _go_on(
        self, runs: NDArray[np.void], files: NDArray[np.uint32], read_ns: NDArray[np.uint64]
    ) -> NDArray[np.void]:
        """Runs from before that end here: what is done first on each of `files` is a read, at `read_ns`,
        or (0) a write that goes on with them; then `runs` has the whole."""
        place = np.searchsorted(self._open["file"], files)
        known = place < len(self._open)
        known[known] = self._open["file"][place[known]] == files[known]
        place, read_ns = place[known], read_ns[known]
        ended = self._open[place[read_ns > 0]]
        ended["read_ns"] = read_ns[read_ns > 0]
        goes_on = self._open[place[read_ns == 0]]
        if len(goes_on):
            # The first of a file in `runs`, which is ordered by file.
            mine = np.searchsorted(runs["file"], goes_on["file"])
            runs[mine] = _joined(goes_on, runs[mine])
        stays = np.ones(len(self._open), bool)
        stays[place] = False
        self._open = self._open[stays]
        return ended

    def _runs(
        self, step: Step, rows: NDArray[np.intp], start: NDArray[np.intp], length: NDArray[np.intp]
    ) -> NDArray[np.void]:
        """One for each of these stretches of `rows`."""
        runs = np.zeros(len(start), RUN)
        if not len(start):
            return runs
        head = rows[start]
        for name in _OF_THE_FIRST:
            runs[name] = step.column(name)[head]
        runs["call"] = step.call[head]
        runs["first_ns"] = step.column("completed_ns")[head]
        runs["last_ns"] = step.column("completed_ns")[rows[start + length - 1]]
        begin = np.cumsum(length) - length
        rows = rows[np.arange(length.sum()) + np.repeat(start - begin, length)]
        sizes = step.column("result")[rows]
        runs["smallest"] = np.minimum.reduceat(sizes, begin)
        runs["largest"] = np.maximum.reduceat(sizes, begin)
        runs["bytes"] = np.add.reduceat(sizes, begin)
        whole = np.ones(len(rows), np.int64)
        several = np.flatnonzero(self._tells_more[step.column("opcode")[rows]])
        if len(several):
            whole[several] = ~self._more(step, rows[several])
        runs["writes"] = np.add.reduceat(whole, begin)
        return runs

    def _more(self, step: Step, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of these writes say that more follows."""
        opcode = step.column("opcode")[rows]
        more = np.zeros(len(rows), bool)
        for number, field in self._flags_in:
            mine = np.flatnonzero(opcode == number)
            if len(mine):
                more[mine] = step.column(field)[rows[mine]].astype(np.uint64) & np.uint64(_MSG_MORE) != 0
        return more

    def _keep(self, runs: NDArray[np.void]) -> None:
        self._open = np.concatenate([self._open, runs])
        if len(self._open) > _MOST_OPEN:
            newest = np.argsort(self._open["last_ns"], kind="stable")[-_MOST_OPEN:]
            self.evicted += len(self._open) - _MOST_OPEN
            self._open = self._open[newest]
        self._open = self._open[np.argsort(self._open["file"], kind="stable")]


def _by_file(file: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Their order by file, in each in the order of time."""
    low = file.min()
    if int(file.max()) - int(low) < 1 << 16:
        # Sixteen bits are sorted by counting, several times as fast.
        return np.argsort((file - low).astype(np.uint16), kind="stable")
    return np.argsort(file, kind="stable")


def _joined(before: NDArray[np.void], after: NDArray[np.void]) -> NDArray[np.void]:
    joined = after.copy()
    for name in (*_OF_THE_FIRST, "call", "first_ns"):
        joined[name] = before[name]
    joined["writes"] += before["writes"]
    joined["bytes"] += before["bytes"]
    joined["smallest"] = np.minimum(before["smallest"], after["smallest"])
    joined["largest"] = np.maximum(before["largest"], after["largest"])
    return joined
