"""`accept-queue-full`: connections wait to be accepted, as many as the listener has room for.

A listener keeps up to `backlog` + 1 connections (sk_acceptq_is_full, include/net/sock.h). What comes
while they are there is dropped, and the client tries again after a second, then two. The drops are
counted for the whole machine only; that the queue was full is known from what arrived and what was
accepted, where listen(2), which has the backlog, was seen. net.core.somaxconn may bound it further: then
it was full sooner than is said here.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.findings.finding import (
    Confidence,
    Evidence,
    Finding,
    Severity,
    Verdict,
    Window,
    found,
    not_applicable,
)
from uringtrace.tracer.findings.room import Room
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.records import SocketEventKind

_MOST_LISTENERS = 4096


@dataclass(slots=True)
class _Listener:
    room: int
    """Connections that it keeps."""
    fd: int
    tid: int
    """Who called listen."""
    depth: int = 0
    most: int = 0
    times: int = 0
    full_ns: int = 0
    since_ns: int = 0
    """Since when it is full; 0: it is not."""
    first_ns: int = 0
    last_ns: int = 0


class AcceptQueueFull:
    tag: ClassVar[str] = "accept-queue-full"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._listen = shared.opcode("listen")
        self._accepts = shared.mask("accept", "accept4", "ACCEPT")
        self._listeners: dict[int, _Listener] = {}
        """By inode: a socket gets another file number when it begins to listen."""
        self._files: dict[int, int] = {}
        """File numbers by which listeners are known since then, and their inodes."""
        self._room = Room(_MOST_LISTENERS)

    def observe(self, step: Step) -> None:
        if step.has_calls:
            self._note_listeners(step)
        if not self._listeners:
            return
        events = step.records.socket_events
        events = events[events["kind"] == SocketEventKind.ARRIVAL]
        rows = np.flatnonzero(step.completed & self._accepts[step.column("opcode")])
        if len(self._files) < len(self._listeners):
            self._name_listeners(step, np.concatenate([events["file"], step.column("file")[rows]]))
        known = list(self._files)
        events = events[np.isin(events["file"], known)]
        rows = rows[np.isin(step.column("file")[rows], known)]
        result = step.column("result")[rows]
        told = (result >= 0) | (result == -errno.EAGAIN)
        rows, result = rows[told], result[told]
        if not len(events) and not len(rows):
            return
        file = np.concatenate([events["file"], step.column("file")[rows]])
        ns = np.concatenate([events["ns"], step.column("completed_ns")[rows]])
        change = np.concatenate([np.ones(len(events), np.int64), np.where(result >= 0, -1, 0)])
        order = np.argsort(ns, kind="stable")
        for number in np.unique(file).tolist():
            mine = order[file[order] == number]
            _follow(self._listeners[self._files[number]], ns[mine], change[mine])

    def _name_listeners(self, step: Step, files: NDArray[np.uint32]) -> None:
        for number in np.unique(files).tolist():
            file = step.files.get(number)
            if file is not None and file.inode in self._listeners:
                self._files[number] = file.inode

    def _note_listeners(self, step: Step) -> None:
        rows = np.flatnonzero(step.returned & (step.column("opcode") == self._listen))
        for row in step.operations[rows]:
            file = step.files.get(int(row["file"]))
            if row["result"] != 0 or file is None or not self._room.has(self._listeners, file.inode):
                continue
            # What is negative is taken as unsigned and cut down to somaxconn (__sys_listen, net/socket.c).
            backlog = int(row["arg1"]) & 0xFFFFFFFF
            before = self._listeners.get(file.inode)
            if before is not None:
                before.room = backlog + 1
            else:
                self._listeners[file.inode] = _Listener(backlog + 1, int(row["fd"]), int(row["tid"]))

    def judge(self, moment: Moment) -> Verdict:
        if not any(each.most for each in self._listeners.values()):
            return not_applicable(self.tag, "a listener whose listen(2) was seen, and connections to it")
        findings = [
            self._finding(moment, file, self._listeners[inode])
            for file, inode in self._files.items()
            if self._listeners[inode].times
        ]
        return found(self.tag, findings, evicted=self._room.evicted)

    def _finding(self, moment: Moment, file: int, listener: _Listener) -> Finding:
        full_ns = listener.full_ns
        if listener.since_ns:
            full_ns += max(0, moment.at_ns - listener.since_ns)
        last_ns = moment.at_ns if listener.since_ns else listener.last_ns
        return Finding(
            self.tag,
            Severity.WARNING,
            Confidence.HIGH,
            "the queue of connections to be accepted is full",
            moment.thread(listener.tid, fd=listener.fd, file=file),
            (
                Evidence(
                    f"{listener.times:,} times it held {listener.room:,} connections, as many as the backlog "
                    f"of {listener.room - 1:,} allows, for {full_ns / 1e6:,.0f} ms in all",
                    {
                        "times": listener.times,
                        "held": listener.room,
                        "backlog": listener.room - 1,
                        "full_ns": full_ns,
                    },
                ),
                Evidence("how many were dropped meanwhile the kernel counts for the whole machine only"),
            ),
            "Whoever comes meanwhile is dropped without a word, and tries again after one second, then two.",
            "Accept sooner (a thread or turn for it alone, more workers), or a larger backlog, up to "
            "net.core.somaxconn.",
            Window(listener.first_ns, last_ns),
        )


def _follow(listener: _Listener, ns: NDArray[np.uint64], change: NDArray[np.int64]) -> None:
    """Arrivals (1), accepts (-1), and accepts that found nothing (0), in the order of time."""
    for at_ns, step in zip(ns.tolist(), change.tolist(), strict=True):
        # Below nothing: what arrived before listen(2) was seen, or before the capture.
        listener.depth = max(0, listener.depth + step) if step else 0
        listener.most = max(listener.most, listener.depth)
        if listener.depth >= listener.room and not listener.since_ns:
            listener.since_ns = at_ns
            listener.times += 1
            listener.first_ns = listener.first_ns or at_ns
        elif listener.depth < listener.room and listener.since_ns:
            listener.full_ns += at_ns - listener.since_ns
            listener.since_ns, listener.last_ns = 0, at_ns
