"""The rows that chains are made of, for as long as a request may need them.

Of each record that may matter its few fields that do are kept, of each wait what it found ready. Invariant:
at most about `MOST_ROWS` rows, the newest; `since_ns` says from when on they are all there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.moves import MoveRules
from uringtrace.tracer.readiness.calls import Role, calls_of
from uringtrace.tracer.readiness.causes import CAUSE, CauseKind
from uringtrace.tracer.readiness.explain import Explainer
from uringtrace.tracer.record import OPCODES, OPERATION, Kind, Wake, is_call
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, FilesAndFacts

MOST_ROWS = 1 << 20
_MOST_PEERS = 1 << 12

_NAMES = """
submitted_ns completed_ns woken_ns result waker_argument arg0 arg1 arg2 arg3 arg4 ring tgid tid fd file
second_file result_file len op_flags cqe_flags waker waker_file woke opcode waker_opcode ioprio kind path
wake sqe_flags slept has_arguments
"""
KEPT = np.dtype([("number", "<u8"), *((name, OPERATION[name]) for name in _NAMES.split())])
"""A record; `number` counts all that came, from 0."""

READY = np.dtype(
    [("number", "<u8"), ("file", "<u4"), *((f"cause_{name}", CAUSE[name]) for name in CAUSE.names or ())]
)
"""A descriptor that the wait `number` reported, and what had made it ready."""


class Row(NamedTuple):
    """One row of dtype KEPT as plain values."""

    number: int
    submitted_ns: int
    completed_ns: int
    woken_ns: int
    result: int
    waker_argument: int
    arg0: int
    arg1: int
    arg2: int
    arg3: int
    arg4: int
    ring: int
    tgid: int
    tid: int
    fd: int
    file: int
    second_file: int
    result_file: int
    len: int
    op_flags: int
    cqe_flags: int
    waker: int
    waker_file: int
    woke: int
    opcode: int
    waker_opcode: int
    ioprio: int
    kind: int
    path: int
    wake: int
    sqe_flags: int
    slept: bool
    has_arguments: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows that follow one another, in the order of completion, and what their waits found ready."""

    rows: NDArray[np.void]
    """dtype KEPT"""
    ready: NDArray[np.void]
    """dtype READY, ascending by `number`"""
    peers: Mapping[int, int]
    """Of ends of unix sockets, by file number, the other end: what a thread writes to that this one reads."""


class Kept:
    """Takes records, keeps the newest."""

    def __init__(self, context: Context, facts: FilesAndFacts, most_rows: int = MOST_ROWS) -> None:
        self._explainer = Explainer(context, facts.interests)
        self._roles = calls_of(context).roles
        self._rules = MoveRules(context.operation_names)
        self._pieces: list[Piece] = []
        self._most = most_rows
        self._count = 0
        self._next = 0
        self._peers: dict[int, int] = {}
        self.since_ns = 0
        """Nothing that completed from then on was given up; 0: nothing at all was."""

    def add(self, records: Records, facts: FilesAndFacts) -> None:
        """Take in the next records, in the order of time."""
        operations = records.operations
        explained = self._explainer.add(records, facts.files)
        opcode = np.minimum(operations["opcode"], np.uint16(OPCODES - 1))
        waits = self._roles[opcode]
        calls = is_call(operations)
        chosen = calls & (
            operations["slept"]
            | (operations["wake"] != 0)
            | (operations["woke"] != 0)
            | (operations["result_file"] != 0)
        )
        chosen |= (waits == Role.EPOLL_WAIT) | (waits == Role.POLL) | (waits == Role.SELECT)
        chosen |= (self._rules.direction(opcode) > 0) & (operations["file"] > 0)
        chosen &= operations["kind"] == Kind.COMPLETION
        place = np.flatnonzero(chosen)
        rows = np.zeros(len(place), KEPT)
        rows["number"] = self._next + place
        for name in _NAMES.split():
            rows[name] = operations[name][place]
        rows["opcode"] = opcode[place]
        located, causes = explained.located, explained.causes
        ready = np.zeros(len(located.row), READY)
        ready["number"], ready["file"] = self._next + located.row, located.readiness["file"]
        for name in CAUSE.names or ():
            ready[f"cause_{name}"] = causes[name]
        self._learn_peers(rows, ready, facts)
        self._next += len(operations)
        self._pieces.append(Piece(rows, ready, self._peers))
        self._count += len(rows)

    @property
    def full(self) -> bool:
        """There are so many that the oldest will go."""
        return self._count > self._most

    def drop(self) -> None:
        """Give up the older half."""
        while self._count > self._most // 2 and self._pieces:
            gone = self._pieces.pop(0)
            self._count -= len(gone.rows)
            if len(gone.rows):
                self.since_ns = max(self.since_ns, int(gone.rows["completed_ns"].max()) + 1)

    def during(self, begin_ns: int, end_ns: int) -> Piece:
        """What completed since `begin_ns` and had begun by `end_ns`."""
        rows, ready = [np.zeros(0, KEPT)], [np.zeros(0, READY)]
        for piece in self._pieces:
            chosen = (piece.rows["completed_ns"] >= np.uint64(begin_ns)) & (
                piece.rows["submitted_ns"] <= np.uint64(end_ns)
            )
            if chosen.any():
                found = piece.rows[chosen]
                rows.append(found)
                ready.append(piece.ready[np.isin(piece.ready["number"], found["number"])])
        return Piece(np.concatenate(rows), np.concatenate(ready), dict(self._peers))

    def _learn_peers(self, rows: NDArray[np.void], ready: NDArray[np.void], facts: FilesAndFacts) -> None:
        """The kernel names no peer of a unix socket: a write to one that woke a reader of another does."""
        if len(self._peers) >= _MOST_PEERS:
            return
        woken = rows[(rows["wake"] == Wake.THREAD) & (rows["waker_file"] > 0)]
        unix = [file for file in np.unique(ready["file"]).tolist() if is_unix(facts, file)]
        told = ready[np.isin(ready["number"], woken["number"]) & np.isin(ready["file"], unix)]
        number, first, count = np.unique(told["number"], return_index=True, return_counts=True)
        alone = count == 1
        waker = woken["waker_file"][np.searchsorted(woken["number"], number[alone])]
        pairs = np.unique(np.stack([told["file"][first[alone]], waker], axis=1), axis=0)
        for file, other in pairs.tolist():
            if file != other and is_unix(facts, other):
                self._peers.setdefault(file, other)


def is_unix(facts: FilesAndFacts, number: int) -> bool:
    """The file is a unix socket."""
    file = facts.files.get(number)
    return file is not None and file.socket is not None and file.socket.family == "unix"


def written(ready: NDArray[np.void]) -> NDArray[np.bool_]:
    """Of rows of dtype READY: a thread had written to it."""
    mask: NDArray[np.bool_] = (ready["cause_kind"] == CauseKind.WRITTEN) & (ready["cause_tid"] > 0)
    return mask
