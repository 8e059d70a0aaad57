"""Which opcodes wait for readiness or change an interest list, for one architecture.

Numbers of system calls differ between architectures, and so does struct epoll_event:
on x86-64 it is packed (EPOLL_PACKED, include/uapi/linux/eventpoll.h), elsewhere `data`
is aligned. Invariant: a `ReadinessCalls` belongs to the machine a capture was taken on,
which need not be the one that shows it.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.record import FIRST_CALL, OPCODES, Batch
from uringtrace.tracer.source import Context
from uringtrace.tracer.syscalls.numbers import system_call_names


class Role(IntEnum):
    """What an operation has to do with readiness."""

    NONE = 0
    EPOLL_WAIT = 1
    POLL = 2
    SELECT = 3
    EPOLL_CTL = 4
    RING_EPOLL_CTL = 5
    """io_uring's EPOLL_CTL, of whose struct epoll_event only the address is known."""
    EXEC = 6
    CLOSE_RANGE = 7
    CREATE = 8
    """Returns a descriptor of a new file that epoll can wait for."""
    CLOSE = 9
    SHARE = 10
    """After it somebody else may hold files of the process."""
    CLONE = 11
    CLONE3 = 12
    SENDMSG = 13
    FCNTL = 14


_ROLES = {
    "epoll_wait": Role.EPOLL_WAIT,
    "epoll_pwait": Role.EPOLL_WAIT,
    "epoll_pwait2": Role.EPOLL_WAIT,
    "poll": Role.POLL,
    "ppoll": Role.POLL,
    "select": Role.SELECT,
    "pselect6": Role.SELECT,
    "epoll_ctl": Role.EPOLL_CTL,
    "EPOLL_CTL": Role.RING_EPOLL_CTL,
    "execve": Role.EXEC,
    "execveat": Role.EXEC,
    "close_range": Role.CLOSE_RANGE,
    **dict.fromkeys(("accept", "accept4", "socket", "ACCEPT", "SOCKET"), Role.CREATE),
    **dict.fromkeys(("eventfd", "eventfd2", "timerfd_create"), Role.CREATE),
    **dict.fromkeys(("inotify_init", "inotify_init1", "epoll_create", "epoll_create1"), Role.CREATE),
    **dict.fromkeys(("close", "CLOSE"), Role.CLOSE),
    **dict.fromkeys(("fork", "vfork", "unshare", "pidfd_getfd", "sendmmsg"), Role.SHARE),
    **dict.fromkeys(("io_uring_register", "FILES_UPDATE", "SENDMSG", "SENDMSG_ZC"), Role.SHARE),
    "clone": Role.CLONE,
    "clone3": Role.CLONE3,
    "sendmsg": Role.SENDMSG,
    "fcntl": Role.FCNTL,
}

_RING_OPERATIONS = {
    9: "SENDMSG",
    13: "ACCEPT",
    19: "CLOSE",
    20: "FILES_UPDATE",
    29: "EPOLL_CTL",
    45: "SOCKET",
    48: "SENDMSG_ZC",
}
"""enum io_uring_op (include/uapi/linux/io_uring.h), whose values are ABI."""

_PACKED_EVENT = np.dtype([("events", "<u4"), ("data", "<u8")])
_ALIGNED_EVENT = np.dtype([("events", "<u4"), ("padding", "<u4"), ("data", "<u8")])


@dataclass(frozen=True, slots=True)
class ReadinessCalls:
    """The roles of opcodes, and the layout of what they point to."""

    roles: NDArray[np.uint8]
    """Role of each opcode, shape (OPCODES,)."""
    epoll_event: np.dtype[Any]
    """struct epoll_event: `events` u32 and `data` u64; 12 or 16 bytes."""

    def of(self, operations: Batch) -> NDArray[np.uint8]:
        """The `Role` of each row, shape (n,)."""
        roles: NDArray[np.uint8] = self.roles[np.minimum(operations["opcode"], OPCODES - 1)]
        return roles


def readiness_calls(operation_names: Mapping[int, str], machine: str) -> ReadinessCalls:
    """The roles on `machine`, as `uname -m` names it; `operation_names` is opcode → name."""
    roles = np.zeros(OPCODES, np.uint8)
    for opcode, name in operation_names.items():
        if opcode < OPCODES:
            roles[opcode] = _ROLES.get(name, Role.NONE)
    return ReadinessCalls(roles, _PACKED_EVENT if machine == "x86_64" else _ALIGNED_EVENT)


def calls_of(context: Context) -> ReadinessCalls:
    """The roles in the capture that `context` describes."""
    return readiness_calls(context.operation_names, context.machine)


@cache
def running_calls() -> ReadinessCalls:
    """The roles on the running machine."""
    machine = platform.machine()
    names = {FIRST_CALL + number: name for number, name in system_call_names(machine).items()}
    return readiness_calls(_RING_OPERATIONS | names, machine)
