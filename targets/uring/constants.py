"""The numbers of io_uring's interface, by the kernel's names without their prefix.

Source: include/uapi/linux/io_uring.h. Plain integers, not enumerations: the servers combine
them for every operation, and combining members of an IntFlag costs more than the operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

OPERATION_NAMES: Final = (
    "NOP", "READV", "WRITEV", "FSYNC", "READ_FIXED", "WRITE_FIXED", "POLL_ADD", "POLL_REMOVE",
    "SYNC_FILE_RANGE", "SENDMSG", "RECVMSG", "TIMEOUT", "TIMEOUT_REMOVE", "ACCEPT", "ASYNC_CANCEL",
    "LINK_TIMEOUT", "CONNECT", "FALLOCATE", "OPENAT", "CLOSE", "FILES_UPDATE", "STATX", "READ", "WRITE",
    "FADVISE", "MADVISE", "SEND", "RECV", "OPENAT2", "EPOLL_CTL", "SPLICE", "PROVIDE_BUFFERS",
    "REMOVE_BUFFERS", "TEE", "SHUTDOWN", "RENAMEAT", "UNLINKAT", "MKDIRAT", "SYMLINKAT", "LINKAT",
    "MSG_RING", "FSETXATTR", "SETXATTR", "FGETXATTR", "GETXATTR", "SOCKET", "URING_CMD", "SEND_ZC",
    "SENDMSG_ZC",
)  # fmt: skip
"""Index: the opcode (enum io_uring_op)."""

OP_NOP: Final = 0
OP_POLL_ADD: Final = 6
OP_SENDMSG: Final = 9
OP_RECVMSG: Final = 10
OP_TIMEOUT: Final = 11
OP_ACCEPT: Final = 13
OP_ASYNC_CANCEL: Final = 14
OP_OPENAT: Final = 18
OP_CLOSE: Final = 19
OP_STATX: Final = 21
OP_READ: Final = 22
OP_WRITE: Final = 23
OP_SEND: Final = 26
OP_RECV: Final = 27
OP_SPLICE: Final = 30
OP_SHUTDOWN: Final = 34
OP_URING_CMD: Final = 46
OP_SEND_ZC: Final = 47

SETUP_IOPOLL: Final = 1 << 0
SETUP_SQPOLL: Final = 1 << 1
SETUP_SQ_AFF: Final = 1 << 2
SETUP_CQSIZE: Final = 1 << 3
SETUP_CLAMP: Final = 1 << 4
SETUP_ATTACH_WQ: Final = 1 << 5
SETUP_R_DISABLED: Final = 1 << 6
SETUP_SUBMIT_ALL: Final = 1 << 7
SETUP_COOP_TASKRUN: Final = 1 << 8
SETUP_TASKRUN_FLAG: Final = 1 << 9
SETUP_SINGLE_ISSUER: Final = 1 << 12
SETUP_DEFER_TASKRUN: Final = 1 << 13

SETUP_NAMES: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        SETUP_IOPOLL: ("IOPOLL", "5.1"),
        SETUP_SQPOLL: ("SQPOLL", "5.1"),
        SETUP_SQ_AFF: ("SQ_AFF", "5.1"),
        SETUP_CQSIZE: ("CQSIZE", "5.5"),
        SETUP_CLAMP: ("CLAMP", "5.6"),
        SETUP_ATTACH_WQ: ("ATTACH_WQ", "5.6"),
        SETUP_R_DISABLED: ("R_DISABLED", "5.10"),
        SETUP_SUBMIT_ALL: ("SUBMIT_ALL", "5.18"),
        SETUP_COOP_TASKRUN: ("COOP_TASKRUN", "5.19"),
        SETUP_TASKRUN_FLAG: ("TASKRUN_FLAG", "5.19"),
        SETUP_SINGLE_ISSUER: ("SINGLE_ISSUER", "6.0"),
        SETUP_DEFER_TASKRUN: ("DEFER_TASKRUN", "6.1"),
    }
)
"""Set-up flags, oldest first: name, and the Linux that brought it (io_uring_setup(2)).

The version only goes into messages; what a kernel can is found by trying.
"""

FEAT_SINGLE_MMAP: Final = 1 << 0
FEAT_NODROP: Final = 1 << 1
FEAT_EXT_ARG: Final = 1 << 8

OFF_SQ_RING: Final = 0
OFF_SQES: Final = 0x10000000

SQ_NEED_WAKEUP: Final = 1 << 0
SQ_CQ_OVERFLOW: Final = 1 << 1
SQ_TASKRUN: Final = 1 << 2

ENTER_GETEVENTS: Final = 1 << 0
ENTER_SQ_WAKEUP: Final = 1 << 1
ENTER_SQ_WAIT: Final = 1 << 2
ENTER_EXT_ARG: Final = 1 << 3

SQE_FIXED_FILE: Final = 1 << 0
SQE_IO_DRAIN: Final = 1 << 1
SQE_IO_LINK: Final = 1 << 2
SQE_IO_HARDLINK: Final = 1 << 3
SQE_ASYNC: Final = 1 << 4
SQE_BUFFER_SELECT: Final = 1 << 5
SQE_CQE_SKIP_SUCCESS: Final = 1 << 6

CQE_F_BUFFER: Final = 1 << 0
CQE_F_MORE: Final = 1 << 1
CQE_F_SOCK_NONEMPTY: Final = 1 << 2
CQE_F_NOTIF: Final = 1 << 3
CQE_BUFFER_SHIFT: Final = 16

ACCEPT_MULTISHOT: Final = 1 << 0
"""`ioprio` of ACCEPT."""
RECVSEND_POLL_FIRST: Final = 1 << 0
RECV_MULTISHOT: Final = 1 << 1
"""`ioprio` of RECV and RECVMSG."""

FILE_INDEX_ALLOC: Final = 0xFFFFFFFF
"""`file_index`: the kernel chooses a free slot of the registered files and answers with it."""

SOCKET_URING_OP_SETSOCKOPT: Final = 3
"""`offset` of URING_CMD on a socket (Linux 6.7)."""

REGISTER_BUFFERS: Final = 0
REGISTER_FILES: Final = 2
REGISTER_FILES_UPDATE: Final = 6
REGISTER_PROBE: Final = 8
REGISTER_PBUF_RING: Final = 22

OP_SUPPORTED: Final = 1 << 0
"""Flag of one opcode in the answer to REGISTER_PROBE."""


def setup_flag_names(flags: int) -> list[str]:
    """The names of set-up flags, oldest first."""
    return [name for flag, (name, _) in SETUP_NAMES.items() if flags & flag]
