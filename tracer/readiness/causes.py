"""Why a descriptor was ready: who last wrote to it, or when data last arrived for it.

Of an eventfd and of a pipe, whose ends are two files with one inode, the last successful
write that began before the wait returned; where the thread that woke the waiter did so in a
call on the same file, that one. Of a socket the last arrival, or the end that its peer sent.
The peer of a unix socket is not known, and a write to it says nothing here. Invariant: a
cause is something that was seen to happen before the wait returned, with its age; that it
alone made the descriptor ready is not claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.readiness.calls import ReadinessCalls
from uringtrace.tracer.readiness.latest import Latest
from uringtrace.tracer.readiness.waits import LocatedReadiness
from uringtrace.tracer.record import OPCODES, Batch, Kind, Wake
from uringtrace.tracer.records import Records, SocketEventKind
from uringtrace.tracer.source import File

_READABLE = 0x1 | 0x2 | 0x8 | 0x10 | 0x40 | 0x2000
"""POLLIN, POLLPRI, POLLERR, POLLHUP, POLLRDNORM, POLLRDHUP (include/uapi/linux/eventpoll.h)."""
_ENDED = 0x10 | 0x2000
_TCP_CLOSE, _TCP_CLOSE_WAIT = 7, 8


class CauseKind(IntEnum):
    NONE = 0
    """None was seen."""
    WRITTEN = 1
    """`tid` wrote, in the operation `opcode`."""
    ARRIVED = 2
    """The kernel had data for the socket or, when it listens, a connection."""
    ENDED = 3
    """The peer of the TCP connection ended it, or its own half."""


CAUSE = np.dtype(
    [
        ("kind", "u1"),  # CauseKind
        ("tid", "<u4"),  # 0: not a thread
        ("opcode", "<u2"),
        ("before_ns", "<u8"),  # how long before the wait returned
    ]
)

_WRITE = np.dtype([("key", "<u8"), ("ns", "<u8"), ("ended_ns", "<u8"), ("tid", "<u4"), ("opcode", "<u2")])
_EVENT = np.dtype([("key", "<u8"), ("ns", "<u8")])

_WRITES = frozenset({"write", "writev", "pwrite64", "pwritev", "pwritev2", "sendfile", "vmsplice"})
_RING_WRITES = frozenset({"WRITE", "WRITEV", "WRITE_FIXED", "WRITEV_FIXED", "SPLICE", "TEE"})
_WRITES_TO_SECOND = frozenset({"splice", "tee"})
"""Calls whose second descriptor is the one written to; io_uring's name it first."""


class FileKind(IntEnum):
    OTHER = 0
    WRITTEN = 1
    """An eventfd or a pipe."""
    SOCKET = 2


class FileKeys:
    """What kind of thing a file number is, and what several numbers of one thing have in common."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {0: (FileKind.OTHER, 0)}

    def of(
        self, numbers: NDArray[np.uint32], files: Mapping[int, File]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
        """`FileKind` and key of each file; OTHER where it is not known."""
        unique, inverse = np.unique(numbers, return_inverse=True)
        each = [self._one(number, files) for number in unique.tolist()]
        kinds = np.array([kind for kind, _ in each], np.uint8)
        keys = np.array([key for _, key in each], np.uint64)
        return kinds[inverse], keys[inverse]

    def forget(self, numbers: Iterable[int]) -> NDArray[np.uint64]:
        """The keys that these had."""
        gone = {self._known.pop(number)[1] for number in numbers if number in self._known}
        return np.array(sorted(gone), np.uint64)

    def _one(self, number: int, files: Mapping[int, File]) -> tuple[int, int]:
        known = self._known.get(number)
        if known is None:
            file = files.get(number)
            if file is None:
                return FileKind.OTHER, 0
            known = self._known[number] = _kind_and_key(number, file)
        return known


def _kind_and_key(number: int, file: File) -> tuple[int, int]:
    if file.description.startswith("anon_inode:[eventfd"):
        return FileKind.WRITTEN, number
    if file.description.startswith("pipe:[") and file.inode:
        return FileKind.WRITTEN, 1 << 62 | file.inode
    if file.socket is not None:
        return FileKind.SOCKET, 1 << 62 | file.inode if file.inode else number
    return FileKind.OTHER, number


class Causes:
    """Remembers who wrote where and what arrived, and says it of readiness."""

    def __init__(self, operation_names: Mapping[int, str], calls: ReadinessCalls) -> None:
        self._calls = calls
        self._writes_to = np.zeros(OPCODES, np.uint8)
        for opcode, name in operation_names.items():
            if opcode < OPCODES:
                self._writes_to[opcode] = (name in _WRITES | _RING_WRITES) + 2 * (name in _WRITES_TO_SECOND)
        self._keys = FileKeys()
        self._writes = Latest(_WRITE)
        self._arrivals = Latest(_EVENT)
        self._ends = Latest(_EVENT)

    def add(self, records: Records, files: Mapping[int, File]) -> None:
        """Take in what was written and what arrived in `records`."""
        self._writes.add(self._written(records.operations, files))
        events = records.socket_events
        kinds, keys = self._keys.of(events["file"], files)
        arrived = (events["kind"] == SocketEventKind.ARRIVAL) & (kinds == FileKind.SOCKET)
        ended = (events["kind"] == SocketEventKind.STATE) & (kinds == FileKind.SOCKET)
        ended &= (events["after"] == _TCP_CLOSE) | (events["after"] == _TCP_CLOSE_WAIT)
        for latest, mask in ((self._arrivals, arrived), (self._ends, ended)):
            seen = np.zeros(np.count_nonzero(mask), _EVENT)
            seen["key"], seen["ns"] = keys[mask], events["ns"][mask]
            latest.add(seen)

    def forget(self, files: Iterable[int]) -> None:
        """Of these numbers nothing comes any more."""
        keys = self._keys.forget(files)
        for latest in (self._writes, self._arrivals, self._ends):
            latest.forget(np.isin(latest.items["key"], keys))

    def of(self, located: LocatedReadiness, operations: Batch, files: Mapping[int, File]) -> NDArray[np.void]:
        """The cause of each readiness of the records last added, dtype `CAUSE`."""
        readiness, row = located
        causes = np.zeros(readiness.size, CAUSE)
        if not readiness.size:
            return causes
        kinds, keys = self._keys.of(readiness["file"], files)
        readable = readiness["mask"] & _READABLE != 0
        self._name_writers(causes, np.flatnonzero(readable & (kinds == FileKind.WRITTEN)), readiness, keys)
        self._name_wakers(causes, row, operations, kinds, keys, files, readable)
        sockets = readable & (kinds == FileKind.SOCKET)
        completed = readiness["completed_ns"]
        self._date(causes, np.flatnonzero(sockets), self._arrivals, CauseKind.ARRIVED, keys, completed)
        ended = np.flatnonzero(sockets & (readiness["mask"] & _ENDED != 0))
        self._date(causes, ended, self._ends, CauseKind.ENDED, keys, completed)
        return causes

    def _written(self, operations: Batch, files: Mapping[int, File]) -> NDArray[np.void]:
        to = self._writes_to[np.minimum(operations["opcode"], OPCODES - 1)]
        rows = np.flatnonzero(
            (to != 0) & (operations["kind"] == Kind.COMPLETION) & (operations["result"] > 0)
        )
        target = np.where(to[rows] == 1, operations["file"][rows], operations["second_file"][rows])
        kinds, keys = self._keys.of(target, files)
        rows, keys = rows[kinds == FileKind.WRITTEN], keys[kinds == FileKind.WRITTEN]
        writes = np.zeros(rows.size, _WRITE)
        began, ended = operations["submitted_ns"][rows], operations["completed_ns"][rows]
        writes["key"] = keys
        # The waiter may be gone before the write returns that woke it.
        writes["ns"] = np.where(began == 0, ended, began)
        writes["ended_ns"] = ended
        writes["tid"], writes["opcode"] = operations["tid"][rows], operations["opcode"][rows]
        return writes

    def _name_writers(
        self,
        causes: NDArray[np.void],
        asked: NDArray[np.int64],
        readiness: NDArray[np.void],
        keys: NDArray[np.uint64],
    ) -> None:
        completed = readiness["completed_ns"][asked]
        writes = self._writes.at(keys[asked], completed)
        found = writes["ns"] != 0
        chosen, writes, completed = asked[found], writes[found], completed[found]
        causes["kind"][chosen] = CauseKind.WRITTEN
        causes["tid"][chosen], causes["opcode"][chosen] = writes["tid"], writes["opcode"]
        causes["before_ns"][chosen] = completed - np.minimum(completed, writes["ended_ns"])

    def _name_wakers(
        self,
        causes: NDArray[np.void],
        row: NDArray[np.int64],
        operations: Batch,
        kinds: NDArray[np.uint8],
        keys: NDArray[np.uint64],
        files: Mapping[int, File],
        readable: NDArray[np.bool_],
    ) -> None:
        """Where a thread woke the waiter in a call on the very file, that is the write."""
        waker_kinds, waker_keys = self._keys.of(operations["waker_file"][row], files)
        woken = operations["slept"][row] & (operations["wake"][row] == Wake.THREAD) & readable
        same = woken & (kinds == FileKind.WRITTEN) & (waker_kinds == FileKind.WRITTEN) & (waker_keys == keys)
        wrote = self._writes_to[np.minimum(operations["waker_opcode"][row], OPCODES - 1)] == 1
        chosen = np.flatnonzero(same & wrote)
        wait = operations[row[chosen]]
        causes["kind"][chosen] = CauseKind.WRITTEN
        causes["tid"][chosen], causes["opcode"][chosen] = wait["waker"], wait["waker_opcode"]
        causes["before_ns"][chosen] = wait["completed_ns"] - np.minimum(
            wait["completed_ns"], wait["woken_ns"]
        )

    def _date(
        self,
        causes: NDArray[np.void],
        asked: NDArray[np.int64],
        latest: Latest,
        kind: CauseKind,
        keys: NDArray[np.uint64],
        completed: NDArray[np.uint64],
    ) -> None:
        events = latest.at(keys[asked], completed[asked])
        found = events["ns"] != 0
        chosen = asked[found]
        causes["kind"][chosen] = kind
        causes["before_ns"][chosen] = completed[chosen] - events["ns"][found]
