"""Records of waits and interest lists for tests, built from plain values."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from tests.fakes import CALL_NAMES, OPERATION_NAMES, STARTED_NS, call
from uringtrace.tracer.readiness.calls import readiness_calls
from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import MEMORY, MEMORY_BYTES, SOCKET_EVENT, Records, empty_records

CALLS = readiness_calls(OPERATION_NAMES | CALL_NAMES, "x86_64")
ALIGNED_CALLS = readiness_calls(OPERATION_NAMES | CALL_NAMES, "aarch64")
EPOLLIN, EPOLLOUT, EPOLLET = 1, 4, 1 << 31
ADD, DEL, MOD = 1, 2, 3

Memories = Mapping[int, bytes] | Mapping[int, tuple[bytes, int]]


def with_memory(operation: Batch, memory: Mapping[int, bytes | tuple[bytes, int]]) -> Records:
    """One operation and its memory: argument → bytes, or (bytes, total)."""
    pieces = []
    for argument, value in memory.items():
        data, total = value if isinstance(value, tuple) else (value, len(value))
        for start in range(0, max(len(data), 1), MEMORY_BYTES):
            part = data[start : start + MEMORY_BYTES]
            pieces.append((0, argument, len(part), total, part.ljust(MEMORY_BYTES, b"\xee")))
    return Records(operation, np.array(pieces, MEMORY), np.zeros(0, SOCKET_EVENT))


def joined(parts: Sequence[Records]) -> Records:
    """All records as one drain."""
    if not parts:
        return empty_records()
    memories, first = [], 0
    for part in parts:
        memory = part.memory.copy()
        memory["row"] += first
        memories.append(memory)
        first += part.operations.size
    return Records(
        np.concatenate([part.operations for part in parts]),
        np.concatenate(memories),
        np.concatenate([part.socket_events for part in parts]),
    )


def events_bytes(events: Sequence[tuple[int, int]], aligned: bool = False) -> bytes:
    """An array of struct epoll_event from (events, data)."""
    return b"".join(struct.pack("<IIQ" if aligned else "<IQ", *_padded(event, aligned)) for event in events)


def _padded(event: tuple[int, int], aligned: bool) -> tuple[int, ...]:
    return (event[0], 0xAAAAAAAA, event[1]) if aligned else event


def epoll_wait(
    events: Sequence[tuple[int, int]],
    *,
    at: int = 1000,
    began: int | None = None,
    file: int = 9,
    fd: int = 4,
    name: str = "epoll_wait",
    aligned: bool = False,
    **fields: object,
) -> Records:
    """A wait on `file` that returned these (events, data) `at` ns after the start."""
    values = {"result": len(events), "fd": fd, "file": file, **_times(at, began), **fields}
    operation = call(name, fd, 0x7F00, 64, 2**64 - 1, **values)  # type: ignore[arg-type]
    return with_memory(operation, {1: events_bytes(events, aligned)} if events else {})


def epoll_ctl(
    operation: int,
    fd: int,
    data: int | None = None,
    events: int = EPOLLIN,
    *,
    at: int = 1000,
    began: int | None = None,
    file: int = 9,
    epoll_fd: int = 4,
    second_file: int | None = None,
    **fields: object,
) -> Records:
    """A successful change of the list of `file`; the file of `fd` is fd + 100 if not given."""
    second = fd + 100 if second_file is None else second_file
    values = {"fd": epoll_fd, "file": file, "second_file": second, **_times(at, began), **fields}
    row = call("epoll_ctl", epoll_fd, operation, fd, 0x7F00, **values)  # type: ignore[arg-type]
    return with_memory(row, {} if data is None else {3: events_bytes([(events, data)])})


def _times(at: int, began: int | None) -> dict[str, int]:
    begin = at - 1 if began is None else began
    return {"completed_ns": STARTED_NS + at, "submitted_ns": STARTED_NS + begin}


def pollfds(*entries: tuple[int, int, int]) -> bytes:
    """An array of struct pollfd from (fd, events, revents)."""
    return b"".join(struct.pack("<iHH", *entry) for entry in entries)


def fd_set(fds: Sequence[int], nfds: int) -> bytes:
    """The words of an fd_set that select reads for nfds descriptors."""
    value = sum(1 << fd for fd in fds)
    return value.to_bytes((nfds + 63) // 64 * 8, "little")
