"""The rows around one request, to be asked thread by thread.

Invariant: `rows` ascend by completion, and so do the waits of each thread.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.moves import OUT, MoveRules
from uringtrace.tracer.readiness.calls import Role, calls_of
from uringtrace.tracer.record import Wake, is_call
from uringtrace.tracer.source import FilesAndFacts
from uringtrace.tracer.wakes.kept import Piece, Row, written

RING_WAIT = "io_uring_enter"
_LOCK = "futex"
_CELL = 8
"""glibc's condition variables wait on two words in turn, which share eight bytes."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A thread that made a wait end, or made ready what the wait found."""

    tid: int
    ns: int
    """When it did."""
    wrote: bool
    """It wrote before, and did not have to wake."""
    opcode: int
    """Of its call; 0: none, or not known."""
    file: int
    address: int | None
    """Of a futex."""


class Window:
    """Rows of the threads that may have to do with the connection whose files are `own`."""

    def __init__(self, piece: Piece, own: frozenset[int], facts: FilesAndFacts) -> None:
        context = facts.context
        order = np.argsort(piece.rows["completed_ns"], kind="stable")
        self._rows = rows = piece.rows[order]
        self.names = context.operation_names
        self._roles = calls_of(context).roles
        self._direction = MoveRules(context.operation_names).direction(rows["opcode"])
        self._own = own
        self._peers = piece.peers
        self._pairs = {*piece.peers, *piece.peers.values()}
        self._files = facts.files
        self._moves_socket = (self._direction > 0) & self._is_socket(rows["file"])
        self._ready: dict[int, list[tuple[Any, ...]]] = {}
        for each in piece.ready.tolist():
            self._ready.setdefault(each[0], []).append(each)
        told = np.isin(rows["number"], piece.ready["number"][written(piece.ready)])
        named = np.isin(piece.ready["file"], [*own, *piece.peers])
        reports = np.isin(rows["number"], piece.ready["number"][named])
        waits = is_call(rows) & (rows["slept"] | (rows["wake"] > 0) | told | reports)
        self._waits = self._by_thread(waits)
        self._all = self._by_thread(np.ones(len(rows), bool))
        self._completed: list[int] = rows["completed_ns"].tolist()

    def row(self, place: int) -> Row:
        return Row._make(self._rows[place].item())

    def waits(self, tid: int, since_ns: int, until_ns: int) -> Iterator[int]:
        """Places of the waits of a thread that ended after `since_ns` and until `until_ns`, newest first."""
        places = self._waits.get(tid, [])
        begin, end = self._bounds(places, since_ns, until_ns)
        return (places[index] for index in range(end - 1, begin - 1, -1))

    def move(self, ns: int, direction: int) -> int | None:
        """Place of the operation on the connection that completed at `ns` and moved data this way."""
        mine = np.isin(self._rows["file"], list(self._own)) & (self._direction == direction)
        found = np.flatnonzero(
            mine & (self._rows["completed_ns"] == np.uint64(ns)) & (self._rows["result"] > 0)
        )
        return int(found[-1]) if len(found) else None

    def call_at(self, tid: int, ns: int) -> Row | None:
        """The call that a thread was in at a moment."""
        return self._at(self._all.get(tid, []), ns)

    def wait_at(self, tid: int, ns: int) -> Row | None:
        """The wait that a thread was in at a moment."""
        return self._at(self._waits.get(tid, []), ns)

    def _at(self, places: list[int], ns: int) -> Row | None:
        index = bisect_right(places, ns, key=lambda place: self._completed[place] - 1)
        for place in places[index : index + 1]:
            row = self.row(place)
            if 0 < row.submitted_ns <= ns:
                return row
        return None

    def others(self, tid: int, since_ns: int, until_ns: int) -> int:
        """How many other connections a thread moved data on."""
        places = self._between(self._all.get(tid, []), since_ns, until_ns)
        chosen = [place for place in places if self._moves_socket[place]]
        files = set(self._rows["file"][chosen].tolist())
        # Both ends of a pair belong to the target: it is how threads tell each other, not a connection.
        return len(files - self._own - self._pairs)

    def rouses(self, waker: int, call: str, since_ns: int, until_ns: int) -> Row | None:
        """The first call of this name that ended in between and that thread `waker` ended."""
        rows = self._rows
        chosen = (rows["waker"] == waker) & (rows["woken_ns"] >= np.uint64(since_ns))
        for place in np.flatnonzero(chosen & (rows["completed_ns"] <= np.uint64(until_ns))).tolist():
            if self.names.get(int(rows["opcode"][place])) == call:
                return self.row(place)
        return None

    def reports(self, row: Row) -> bool:
        """The wait found the connection ready."""
        return any(file in self._own for _, file, *_ in self._ready.get(row.number, ()))

    def edges(self, row: Row) -> list[Edge]:
        """Who may have ended the wait, the best witness first."""
        found = []
        if row.wake == Wake.THREAD and row.waker:
            address = row.waker_argument if self.names.get(row.waker_opcode) == _LOCK else None
            found.append(Edge(row.waker, row.woken_ns, False, row.waker_opcode, row.waker_file, address))
        for _, file, kind, tid, opcode, before_ns in self._ready.get(row.number, ()):
            if kind and tid and all(edge.tid != tid for edge in found):
                found.append(Edge(tid, row.completed_ns - before_ns, True, opcode, file, None))
            writer = self._writer(file, row.completed_ns)
            if writer is not None and all(edge.tid != writer.tid for edge in found):
                found.append(writer)
        return found

    def _writer(self, file: int, until_ns: int) -> Edge | None:
        """Who last wrote to the other end of a unix socket."""
        other = self._peers.get(file)
        if other is None:
            return None
        rows = self._rows
        wrote = (rows["file"] == other) & (self._direction == OUT) & (rows["result"] > 0)
        found = np.flatnonzero(wrote & (rows["submitted_ns"] <= np.uint64(until_ns)))
        if not len(found):
            return None
        row = self.row(int(found[-1]))
        return Edge(row.tid, min(row.completed_ns, until_ns), True, row.opcode, other, None)

    def knows(self, tid: int) -> bool:
        """Anything of this thread is in the window."""
        return tid in self._all

    def key(self, row: Row) -> tuple[int, int]:
        """What a wait was on: the same for two waits for the same thing."""
        return row.opcode, row.arg0 // _CELL if self.is_lock(row) else row.file

    def is_lock(self, row: Row) -> bool:
        """It waited on a futex, as for a lock or a condition."""
        return self.names.get(row.opcode) == _LOCK

    def is_loop_wait(self, row: Row) -> bool:
        """It waited for many things at once."""
        role = int(self._roles[row.opcode])
        return role in (Role.EPOLL_WAIT, Role.POLL, Role.SELECT) or self.names.get(row.opcode) == RING_WAIT

    def told_anybody(self, tid: int, since_ns: int, until_ns: int) -> bool:
        """Between two moments the thread wrote something, or woke somebody."""
        places = self._between(self._all.get(tid, []), since_ns, until_ns)
        return any(int(self._rows["woke"][place]) or self._direction[place] == OUT for place in places)

    def _is_socket(self, files: NDArray[np.uint32]) -> NDArray[np.bool_]:
        numbers, inverse = np.unique(files, return_inverse=True)
        known = [self._files.get(number) for number in numbers.tolist()]
        mask = np.array([file is not None and file.socket is not None for file in known], bool)
        return mask[inverse]

    def _by_thread(self, chosen: NDArray[np.bool_]) -> dict[int, list[int]]:
        places = np.flatnonzero(chosen)
        tid = self._rows["tid"][places]
        order = np.argsort(tid, kind="stable")
        numbers, first = np.unique(tid[order], return_index=True)
        parts = np.split(places[order], first[1:])
        return {
            number: part.tolist() for number, part in zip(numbers.tolist(), parts, strict=len(numbers) > 0)
        }

    def _between(self, places: list[int], since_ns: int, until_ns: int) -> list[int]:
        begin, end = self._bounds(places, since_ns, until_ns)
        return places[begin:end]

    def _bounds(self, places: list[int], since_ns: int, until_ns: int) -> tuple[int, int]:
        begin = bisect_right(places, since_ns, key=self._completed.__getitem__)
        end = bisect_right(places, until_ns, key=self._completed.__getitem__)
        return begin, end
