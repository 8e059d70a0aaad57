"""What has arrived and was not read yet: data on sockets, connections on listeners.

Of a socket the first arrival since the last read that the program made counts, of a listener each
connection until it is accepted. A read may leave data behind without a further arrival: how long
that lies is not known, and not said.
"""

from __future__ import annotations

import errno
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.by_slot import order_of
from uringtrace.tracer.connections.moves import IN, MoveRules
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.record import OPCODES
from uringtrace.tracer.records import SocketEventKind
from uringtrace.tracer.source import Context

LATE_NS = 20_000_000
"""What is read sooner is not kept."""
_KEPT = 8192
_MOST_PENDING = 1 << 17
_MOST_QUEUED = 1 << 16
_TCP_CLOSE = 7

_PENDING = np.dtype([("file", "<u4"), ("ns", "<u8")])
"""A file with data that was not read: its first arrival."""


@dataclass(frozen=True, slots=True)
class LateRead:
    """Data, or a connection, that lay in the kernel for long."""

    file: int
    arrived_ns: int
    read_ns: int
    """When it was read; of what still lies there, the moment of asking."""
    tid: int
    """Who read it; 0: nobody yet."""
    listener: bool

    @property
    def ns(self) -> int:
        return self.read_ns - self.arrived_ns


class Unread:
    """Follows arrivals and reads of one capture."""

    def __init__(self, context: Context) -> None:
        names = context.operation_names
        self._rules = MoveRules(names)
        opcodes = {name: opcode for opcode, name in names.items()}
        self._accepts = np.zeros(OPCODES, bool)
        self._accepts[[opcodes[name] for name in ("accept", "accept4", "ACCEPT") if name in opcodes]] = True
        self._pending = np.zeros(0, _PENDING)
        self._queues: dict[int, deque[int]] = {}
        """Of each listener the arrivals of those that wait to be accepted."""
        self._accepting: set[int] = set()
        self.late: deque[LateRead] = deque(maxlen=_KEPT)
        self.evicted = 0

    def observe(self, step: Step) -> None:
        events = step.records.socket_events
        arrivals = events[events["kind"] == SocketEventKind.ARRIVAL]
        ends = events[(events["kind"] == SocketEventKind.STATE) & (events["after"] == _TCP_CLOSE)]
        accepts = np.flatnonzero(step.completed & self._accepts[step.column("opcode")])
        self._accepting.update(np.unique(step.column("file")[accepts]).tolist())
        if not len(arrivals) and not len(self._pending) and not self._queues:
            return
        listening = self._listeners(step, arrivals["file"])
        of_listener = np.isin(arrivals["file"], listening)
        self._queue(step, arrivals[of_listener], accepts)
        self._match(step, arrivals[~of_listener], ends)

    def _listeners(self, step: Step, files: NDArray[np.uint32]) -> list[int]:
        """Files that listen, among those that something arrived for."""
        found = []
        for number in np.unique(files).tolist():
            file = step.files.get(number)
            known = file is not None and file.socket is not None and file.socket.listening
            if known or number in self._accepting:
                found.append(number)
        return found

    def _queue(self, step: Step, arrivals: NDArray[np.void], accepts: NDArray[np.intp]) -> None:
        if not len(arrivals) and not self._queues:
            return
        for file, ns in zip(arrivals["file"].tolist(), arrivals["ns"].tolist(), strict=True):
            queue = self._queues.setdefault(file, deque(maxlen=_MOST_QUEUED))
            self.evicted += len(queue) == _MOST_QUEUED
            queue.append(ns)
        columns = (step.column(name)[accepts].tolist() for name in ("file", "result", "completed_ns", "tid"))
        for file, result, ns, tid in zip(*columns, strict=True):
            waiting = self._queues.get(file)
            if not waiting:
                continue
            if result == -errno.EAGAIN:
                while waiting and waiting[0] <= ns:
                    waiting.popleft()
            elif result >= 0:
                arrived = waiting.popleft()
                if ns - arrived >= LATE_NS:
                    self.late.append(LateRead(file, arrived, ns, tid, listener=True))

    def _match(self, step: Step, arrivals: NDArray[np.void], ends: NDArray[np.void]) -> None:
        reads = step.completed & (self._rules.direction(step.column("opcode")) == IN)
        row = np.flatnonzero(reads & (step.column("file") > 0))
        before = self._pending
        first = len(before) + len(arrivals)
        file = np.concatenate([before["file"], arrivals["file"], step.column("file")[row], ends["file"]])
        ns = np.concatenate([before["ns"], arrivals["ns"], step.column("completed_ns")[row], ends["ns"]])
        if not len(file):
            return
        # By file, then by time; of one moment in the order above.
        order = np.argsort(ns, kind="stable")
        order = order[order_of(file[order])]
        file, ns, arrival = file[order], ns[order], order < first
        place = np.arange(len(order))
        fresh = np.ones(len(order), bool)
        fresh[1:] = (file[1:] != file[:-1]) | ~arrival[:-1]
        run = np.maximum.accumulate(np.where(fresh, place, 0))
        since = ns[run]
        taking = ~arrival & ~fresh & (order < first + len(row))
        for index in np.flatnonzero(taking & (ns >= since + np.uint64(LATE_NS))).tolist():
            tid = int(step.column("tid")[row[order[index] - first]])
            late = LateRead(int(file[index]), int(since[index]), int(ns[index]), tid, listener=False)
            self.late.append(late)
        last = np.ones(len(order), bool)
        last[:-1] = file[1:] != file[:-1]
        waiting = np.flatnonzero(last & arrival)
        pending = np.zeros(len(waiting), _PENDING)
        pending["file"], pending["ns"] = file[waiting], since[waiting]
        if len(pending) > _MOST_PENDING:
            self.evicted += len(pending) - _MOST_PENDING
            pending = pending[np.sort(np.argsort(pending["ns"], kind="stable")[:_MOST_PENDING])]
        self._pending = pending

    def lying(self, at_ns: int) -> list[LateRead]:
        """What lies unread at this moment, for long."""
        old = self._pending[self._pending["ns"] + np.uint64(LATE_NS) <= np.uint64(max(at_ns, LATE_NS))]
        found = [
            LateRead(file, ns, at_ns, 0, listener=False)
            for file, ns in zip(old["file"].tolist(), old["ns"].tolist(), strict=True)
        ]
        for file, queue in self._queues.items():
            found += [LateRead(file, ns, at_ns, 0, listener=True) for ns in queue if ns + LATE_NS <= at_ns]
        return found
