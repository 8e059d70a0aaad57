"""The records that flow through everything: numpy structured dtypes and their codes.

`OPERATION` is the batch dtype every source yields and every sink takes. One row is
one completion of an io_uring operation (one CQE), one system call, or one of the
special kinds in `Kind`. An io_uring operation is identified by `(ring, submitted_ns)`:
submissions to one ring are serialised by its lock, so no two share a timestamp. A
system call has ring 0 and is identified by `(tid, submitted_ns)`. All times are
CLOCK_MONOTONIC nanoseconds. A value that was not observed is 0 where the table below
says so.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """What one row of a batch stands for."""

    COMPLETION = 1
    """A CQE of an operation, or a system call that returned. With `submitted_ns` 0 it was begun
    before the capture: of an io_uring operation `fd` (-1) and the SQE's fields are not known either."""
    UNTRACKED = 2
    """A CQE of an operation that is not known: `submitted_ns` is 0, `opcode` is 255."""
    MESSAGE = 3
    """A CQE that another ring's MSG_RING posted here: no operation of this ring."""
    SILENT = 4
    """An operation that ended without a CQE (IOSQE_CQE_SKIP_SUCCESS). When and with
    what result is not observable: `completed_ns` is when that was noticed, `result` 0.
    Of system calls: one that does not return, as exit_group."""
    UNFINISHED = 5
    """Still in flight when the capture ended: `completed_ns` is the end of the capture.
    A system call whose thread ended in it: `completed_ns` is the end of the thread."""


class Path(IntFlag):
    """How the kernel carried an operation out; bits, because one may do several."""

    INLINE = 0
    POLL = 1
    """Armed a poll handler and was retried (io_uring_poll_arm)."""
    IO_WQ = 2
    """Was handed to a worker thread (io_uring_queue_async_work)."""
    DEFERRED = 4
    """Waited for the requests before it (IOSQE_IO_DRAIN; io_uring_defer)."""
    REJECTED = 8
    """The kernel refused the SQE itself (io_uring_req_failed)."""
    OVERFLOW = 16
    """Its CQE found the completion queue full and went to the overflow list."""
    DROPPED = 32
    """Its CQE was lost: the kernel had no memory for the overflow list."""
    AMBIGUOUS = 64
    """Several open multishot operations of this ring share the user_data: which of
    them this CQE belongs to cannot be told."""


class Wake(IntEnum):
    """What made a thread runnable that slept in a system call, the last time it did."""

    NONE = 0
    """It did not sleep, or that was not seen."""
    TIMER = 1
    """A high-resolution timer that expired."""
    NETWORK = 2
    """Work of the network's receive softirq: data, a connection or its end arrived."""
    THREAD = 3
    """A thread: `waker`, inside the call `waker_opcode` where it is a target's."""
    INTERRUPT = 4
    """Another interrupt or softirq."""


CQE_F_BUFFER = 1 << 0
CQE_F_MORE = 1 << 1
CQE_F_SOCK_NONEMPTY = 1 << 2
CQE_F_NOTIF = 1 << 3
CQE_BUFFER_SHIFT = 16

SQE_FIXED_FILE = 1 << 0
SQE_IO_DRAIN = 1 << 1
SQE_IO_LINK = 1 << 2
SQE_IO_HARDLINK = 1 << 3
SQE_ASYNC = 1 << 4
SQE_BUFFER_SELECT = 1 << 5
SQE_CQE_SKIP_SUCCESS = 1 << 6

UNKNOWN_OPCODE = 255
FIRST_CALL = 256
"""Opcodes of system calls: this plus the call's number on the running architecture."""
OPCODES = FIRST_CALL + 1024
"""Every opcode is below. The last one stands for all system calls beyond."""

OPERATION = np.dtype(
    [
        ("submitted_ns", "<u8"),  # 0: submission not seen
        ("completed_ns", "<u8"),
        ("user_data", "<u8"),
        ("previous_ns", "<u8"),  # multishot: the completion before this one; 0: none
        ("chain", "<u8"),  # submitted_ns of the first of its chain; 0: not linked
        ("off", "<u8"),  # SQE fields as the application wrote them, see has_arguments
        ("addr", "<u8"),
        ("addr3", "<u8"),
        ("ring", "<u4"),  # number of the ring in this capture, from 1
        ("tgid", "<u4"),  # process and thread that submitted (the SQPOLL thread for SQPOLL)
        ("tid", "<u4"),
        ("result", "<i8"),
        ("cqe_flags", "<u4"),
        ("fd", "<i4"),  # descriptor, or index when SQE_FIXED_FILE is set; -1: none, or not known
        ("file", "<u4"),  # key into the capture's files; 0: not known
        ("sequence", "<u4"),  # multishot: number of this completion, from 1; 0: single
        ("len", "<u4"),
        ("op_flags", "<u4"),
        ("file_index", "<u4"),
        ("ioprio", "<u2"),
        ("buf_index", "<u2"),
        ("personality", "<u2"),
        ("chain_position", "<u2"),  # 0: first, or not linked
        ("opcode", "<u2"),  # enum io_uring_op of the running kernel; 255: not known; see FIRST_CALL
        ("kind", "u1"),
        ("path", "u1"),
        ("sqe_flags", "u1"),
        ("has_arguments", "?"),  # the SQE fields, or the call's arguments, were captured
        ("result_file", "<u4"),  # file of the new descriptor that `result` is; 0: not known
        # The rest, but for second_file, is of system calls only. `fd` and `file` are those of the
        # first descriptor argument.
        ("arg0", "<u8"),
        ("arg1", "<u8"),
        ("arg2", "<u8"),
        ("arg3", "<u8"),
        ("arg4", "<u8"),
        ("arg5", "<u8"),
        ("second_file", "<u4"),  # file of the second descriptor argument, or of splice_fd_in
        ("slept", "?"),  # the thread gave up its processor to wait
        ("wake", "u1"),  # Wake
        ("wakes", "<u2"),  # how often it was woken in the call; 65535 or more: 65535
        ("waker", "<u4"),  # thread that woke it; 0: none, or not a thread
        ("waker_opcode", "<u2"),  # the waker's system call; 0: none, or not known
        ("waker_file", "<u4"),  # file of that call's first descriptor
        ("waker_argument", "<u8"),  # that call's first argument
        ("woken_ns", "<u8"),
        ("woke", "<u4"),  # the thread that this call woke, the last of `woke_count`; 0: none
        ("woke_count", "<u2"),
    ]
)
"""One row per completion or system call; packed, little endian."""

Batch = NDArray[np.void]
"""One-dimensional array of dtype `OPERATION`, in the order of the ring buffer."""


def is_call(batch: Batch) -> NDArray[np.bool_]:
    """Rows that are system calls, shape (n,); the others are io_uring's."""
    mask: NDArray[np.bool_] = batch["opcode"] >= FIRST_CALL
    return mask


def latency_ns(batch: Batch) -> NDArray[np.uint64]:
    """Nanoseconds from submission to completion, shape (n,); 0 where not observed."""
    seen = batch["submitted_ns"] != 0
    return np.where(seen, batch["completed_ns"] - batch["submitted_ns"], np.uint64(0))


def duration_ns(batch: Batch) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """The duration a person sees, and where there is one; both of shape (n,).

    From submission to completion; from the completion before it where there is one;
    for UNFINISHED rows the age. SILENT, UNTRACKED and MESSAGE rows have none.
    """
    kind = batch["kind"]
    known = (batch["submitted_ns"] != 0) & ((kind == Kind.COMPLETION) | (kind == Kind.UNFINISHED))
    repeated = known & (kind == Kind.COMPLETION) & (batch["sequence"] > 1) & (batch["previous_ns"] != 0)
    start = np.where(repeated, batch["previous_ns"], batch["submitted_ns"])
    return np.where(known, batch["completed_ns"] - start, np.uint64(0)), known
