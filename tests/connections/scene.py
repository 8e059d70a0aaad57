"""Little scenes of sockets: files, calls and events on a clock, for the tracker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from tests.fakes import STARTED_NS, call, context, row, rows
from uringtrace.tracer.connections import Connection, ConnectionTracker
from uringtrace.tracer.record import OPERATION, Batch
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records, SocketEventKind
from uringtrace.tracer.source import File, OpenSocket, Socket

ESTABLISHED, SYN_SENT, FIN_WAIT1, FIN_WAIT2, CLOSE, CLOSE_WAIT, LAST_ACK = 1, 2, 4, 5, 7, 8, 9
CLIENT = "10.0.0.9:4000"
SERVER = "10.0.0.1:80"
LISTENER = 1
"""The file number of a scene's listening socket."""
WITH_STATES = context(probes=("inet_sock_set_state",))


def tcp(local: str | None, remote: str | None, *, listening: bool = False) -> Socket:
    family = "inet6" if (local or remote or "").startswith("[") else "inet"
    return Socket(family, "tcp", local, remote, listening)


def unix(local: str | None, remote: str | None = None, *, listening: bool = False) -> Socket:
    return Socket("unix", "unix", local, remote, listening)


@dataclass
class Scene:
    """Records written down one by one; `at` is in ns after the start of the capture."""

    files: dict[int, File] = field(default_factory=dict)
    operations: list[Batch] = field(default_factory=list)
    events: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    memory: list[tuple[int, int, bytes]] = field(default_factory=list)
    open_sockets: tuple[OpenSocket, ...] = ()

    def __post_init__(self) -> None:
        self.socket(LISTENER, tcp(SERVER, None, listening=True))

    def socket(self, file: int, socket: Socket, inode: int | None = None) -> int:
        self.files[file] = File(file, "", 8, 1000 + file if inode is None else inode, socket)
        return file

    def accepted(self, file: int, at: int, fd: int = 7, remote: str = CLIENT, **fields: object) -> int:
        """A connection that accept4 returned."""
        self.socket(file, tcp(SERVER, remote))
        self.call("accept4", 3, at=at, file=LISTENER, result=fd, result_file=file, **fields)
        return file

    def call(self, name: str, *arguments: int, at: int, took: int = 10, **fields: object) -> None:
        """A call that returned `at`; its first argument is its descriptor if it has a file."""
        fd = arguments[0] if arguments and "file" in fields else -1
        self.operations.append(
            call(name, *arguments, after_ns=at - took, took_ns=took, **{"fd": fd, **fields})
        )

    def read(self, file: int, size: int, at: int, *, fd: int = 7, room: int = 4096, **fields: object) -> None:
        self.call("read", fd, 0x7000, room, at=at, file=file, result=size, **fields)

    def write(self, file: int, size: int, at: int, *, fd: int = 7, **fields: object) -> None:
        self.call("write", fd, 0x7000, max(size, 1), at=at, file=file, result=size, **fields)

    def io_uring(self, name: str, at: int, took: int = 10, **fields: object) -> None:
        self.operations.append(row(name, after_ns=at - took, took_ns=took, **fields))

    def remember(self, argument: int, data: bytes) -> None:
        """Memory of the operation written down last."""
        self.memory.append((len(self.operations) - 1, argument, data))

    def arrival(self, file: int, at: int) -> None:
        self.events.append((STARTED_NS + at, file, SocketEventKind.ARRIVAL, 0, 0))

    def state(self, file: int, before: int, after: int, at: int) -> None:
        self.events.append((STARTED_NS + at, file, SocketEventKind.STATE, before, after))

    def records(self, start: int = 0, end: int = 2**62) -> Records:
        """What happened from `start` to before `end`, in the order in which it was written down."""
        chosen = [
            (number, batch)
            for number, batch in enumerate(self.operations)
            if start <= int(batch["completed_ns"][0]) - STARTED_NS < end
        ]
        place = {number: index for index, (number, _) in enumerate(chosen)}
        memory = np.zeros(0, MEMORY)
        pieces = [
            (place[number], argument, len(data), len(data), data.ljust(48, b"\0"))
            for number, argument, data in self.memory
            if number in place
        ]
        if pieces:
            memory = np.array(pieces, MEMORY)
        events = [event for event in self.events if start <= event[0] - STARTED_NS < end]
        return Records(
            rows(*(batch for _, batch in chosen)) if chosen else np.zeros(0, OPERATION),
            memory,
            np.array(events, SOCKET_EVENT) if events else np.zeros(0, SOCKET_EVENT),
        )

    def tracker(self, splits: Sequence[int] = (), context: object = WITH_STATES) -> ConnectionTracker:
        """Fed with the scene, cut at these times."""
        tracker = ConnectionTracker(context)  # type: ignore[arg-type]
        edges = [0, *sorted(splits), 2**62]
        for start, end in pairwise(edges):
            tracker.add(self.records(start, end), self.files, self.open_sockets)
        return tracker

    def connections(
        self, splits: Sequence[int] = (), context: object = WITH_STATES
    ) -> tuple[Connection, ...]:
        return self.tracker(splits, context).connections(self.open_sockets)

    def only(self, context: object = WITH_STATES) -> Connection:
        (connection,) = self.connections(context=context)
        return connection


def at(moment: int | None) -> int | None:
    """A moment of a connection as the scene counts."""
    return None if moment is None else moment - STARTED_NS
