"""What one drain brings: operations, and what was observed beside them.

`Records` flows from every source. Its parts are numpy structured arrays: operations
(`uringtrace.tracer.record`), the user memory that system calls pointed to, and what
happened to the target's sockets. Invariant: `memory["row"]` is an index into the
`operations` of the same `Records`, ascending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.rows import copy_rows, join_rows, take_rows
from uringtrace.tracer.record import OPERATION, Batch

MEMORY_BYTES = 48
"""Bytes in one piece of memory."""

ENTERED = 0x20
"""Added to `MEMORY.argument`: as it was when the call began, where it differs."""
IOVEC, NAME, CONTROL = 0x10, 0x11, 0x12
"""`MEMORY.argument` of what a msghdr points to: msg_iov, msg_name, msg_control (at most 96 bytes)."""

MEMORY = np.dtype(
    [
        ("row", "<u4"),  # index of the operation
        ("argument", "u1"),  # 0 to 5, or one of the codes above
        ("length", "<u2"),  # bytes of this piece, at most MEMORY_BYTES
        ("total", "<u4"),  # bytes there were to read; of strings what was read, with its NUL if reached
        ("data", "V48"),
    ]
)
"""Pieces of user memory; the pieces of one argument follow one another, in order."""


class SocketEventKind(IntEnum):
    ARRIVAL = 1
    """The kernel has new data for the socket or, when it listens, a new connection (sk_data_ready)."""
    STATE = 2
    """The state of a TCP socket changes (inet_sock_set_state): `before` and `after`."""


SOCKET_EVENT = np.dtype(
    [
        ("ns", "<u8"),  # CLOCK_MONOTONIC
        ("file", "<u4"),  # key into the capture's files
        ("kind", "u1"),  # SocketEventKind
        ("before", "u1"),  # TCP states, include/net/tcp_states.h: 1 ESTABLISHED, 7 CLOSE, 8 CLOSE_WAIT, …
        ("after", "u1"),
    ]
)

READINESS = np.dtype(
    [
        ("completed_ns", "<u8"),  # of the waiting call, which (tid, submitted_ns) identifies
        ("submitted_ns", "<u8"),
        ("tgid", "<u4"),
        ("tid", "<u4"),
        ("opcode", "<u2"),  # the waiting call
        ("epoll_fd", "<i4"),  # -1 for poll and select
        ("epoll_file", "<u4"),  # 0 for poll and select
        ("data", "<u8"),  # what the application gave epoll_ctl; 0 for poll and select
        ("mask", "<u4"),  # EPOLL* or POLL* bits
        ("fd", "<i4"),  # -1: not known
        ("file", "<u4"),  # 0: not known
    ]
)
"""One row per descriptor that epoll_wait, poll or select reported as ready."""


@dataclass(frozen=True, slots=True)
class Records:
    """One drain. Each array may be empty; an entirely empty one marks an idle drain."""

    operations: Batch
    memory: NDArray[np.void]
    socket_events: NDArray[np.void]

    def select(self, mask: NDArray[np.bool_]) -> Records:
        """The operations for which `mask` (shape (n,)) holds, with their memory."""
        if mask.all():
            return self
        position = np.cumsum(mask) - 1
        memory = take_rows(self.memory, mask[self.memory["row"]])
        memory["row"] = position[memory["row"]]
        return Records(take_rows(self.operations, mask), memory, self.socket_events)

    def sorted_by_completion(self) -> Records:
        """The same in time order: one processor may deliver what it saw a moment after another's.

        Operations of equal time keep their order.
        """
        completed = self.operations["completed_ns"]
        if (completed[1:] >= completed[:-1]).all():
            return self
        order = np.argsort(completed, kind="stable")
        position = np.empty(order.size, np.uint32)
        position[order] = np.arange(order.size, dtype=np.uint32)
        memory = copy_rows(self.memory)
        memory["row"] = position[memory["row"]]
        # Stable, so that the pieces of an argument stay together and in order.
        memory = take_rows(memory, np.argsort(memory["row"], kind="stable"))
        return Records(take_rows(self.operations, order), memory, self.socket_events)

    def memory_by_row(self) -> dict[int, dict[int, Memory]]:
        """For each row that has any: argument code to its memory."""
        found: dict[int, dict[int, Memory]] = {}
        for row, argument, length, total, data in self.memory.tolist():
            arguments = found.setdefault(row, {})
            before = arguments.get(argument)
            piece = bytes(data)[:length]
            arguments[argument] = Memory((before.data if before else b"") + piece, total)
        return found


@dataclass(frozen=True, slots=True)
class Memory:
    """User memory as far as it was read; `total` is how much there was to read."""

    data: bytes
    total: int

    @property
    def truncated(self) -> bool:
        return len(self.data) < self.total


NO_MEMORY: Mapping[int, Memory] = {}


def join_records(parts: Sequence[Records]) -> Records:
    """Drains that follow each other as one; at least one."""
    if len(parts) == 1:
        return parts[0]
    before = 0
    memory = []
    for part in parts:
        moved = copy_rows(part.memory)
        moved["row"] += before
        memory.append(moved)
        before += len(part.operations)
    return Records(
        join_rows([part.operations for part in parts]),
        join_rows(memory),
        join_rows([part.socket_events for part in parts]),
    )


def only_operations(batch: Batch) -> Records:
    """Records with nothing beside the operations."""
    return Records(batch, np.zeros(0, MEMORY), np.zeros(0, SOCKET_EVENT))


def empty_records() -> Records:
    return only_operations(np.zeros(0, OPERATION))
