"""The memory that the probes share with us, as numpy dtypes.

Each dtype repeats one C struct of probes/bpf; tests compile those headers and compare
every size and offset. Slots carry the ring buffer's 8-byte header, so that a numpy view
of the whole buffer has one item per slot.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

SLOT_SIZE = 64
SLOTS_PER_RECORD = 173
"""At most: a system call, its arguments, what woke it, and MEMORY_SLOTS of memory.h."""
BUSY = np.uint32(1 << 31)
"""BPF_RINGBUF_BUSY_BIT (include/uapi/linux/bpf.h): reserved, not yet written."""
CALL_KIND = 6
SOCKET_EVENT_KIND = 7
ARGUMENTS_KIND = 16
"""This and larger ones continue a record."""
SEQUENCE_KIND = 17
CALL_ARGUMENTS_KIND = 18
WAKE_KIND = 19
MEMORY_KIND = 20
NO_CALL = 0xFFFF
ARGUMENTS_SEEN = 128
"""Bit of operation_slot.sqe_flags: the SQE was read; without an arguments slot it was all zero."""


class Counter(IntEnum):
    """Rows of the per-processor counters (enum counter in record.h)."""

    LOST_OPERATIONS = 0
    LOST_FACTS = 1
    LOST_TABLE = 2
    LOST_INDEX = 3
    LOST_RINGS = 4
    UNTRACKED = 5
    LOST_MEMORY = 6
    FLOOR_EVENTS = 7
    TWIN_EVENTS = 8


_HEADER = [("length", "<u4"), ("page_offset", "<u4")]

OPERATION_SLOT = np.dtype(
    [
        *_HEADER,
        ("kind", "u1"),
        ("opcode", "u1"),
        ("path", "u1"),
        ("sqe_flags", "u1"),
        ("fd", "<i4"),
        ("completed_ns", "<u8"),
        ("submitted_ns", "<u8"),
        ("user_data", "<u8"),
        ("ring", "<u4"),
        ("tgid", "<u4"),
        ("tid", "<u4"),
        ("result", "<i4"),
        ("cqe_flags", "<u4"),
        ("file", "<u4"),
    ]
)

ARGUMENTS_SLOT = np.dtype(
    [
        *_HEADER,
        ("kind", "u1"),
        ("reserved", "u1"),
        ("ioprio", "<u2"),
        ("len", "<u4"),
        ("off", "<u8"),
        ("addr", "<u8"),
        ("op_flags", "<u4"),
        ("buf_index", "<u2"),
        ("personality", "<u2"),
        ("file_index", "<u4"),
        ("chain_position", "<u2"),
        ("reserved2", "<u2"),
        ("addr3", "<u8"),
        ("chain", "<u8"),
    ]
)

SEQUENCE_SLOT = np.dtype(
    [
        *_HEADER,
        ("kind", "u1"),
        ("reserved", "u1", (3,)),
        ("sequence", "<u4"),
        ("previous_ns", "<u8"),
        ("result_file", "<u4"),
        ("second_file", "<u4"),
        ("reserved2", "<u8", (4,)),
    ]
)

CALL_SLOT = np.dtype(
    [
        *_HEADER,
        ("kind", "u1"),
        ("flags", "u1"),
        ("number", "<u2"),
        ("fd", "<i4"),
        ("completed_ns", "<u8"),
        ("submitted_ns", "<u8"),
        ("result", "<i8"),
        ("tgid", "<u4"),
        ("tid", "<u4"),
        ("file", "<u4"),
        ("second_file", "<u4"),
        ("result_file", "<u4"),
        ("reserved", "<u4"),
    ]
)

CALL_ARGUMENTS_SLOT = np.dtype(
    [*_HEADER, ("kind", "u1"), ("reserved", "u1", (7,)), ("argument", "<u8", (6,))]
)

WAKE_SLOT = np.dtype(
    [
        *_HEADER,
        ("kind", "u1"),
        ("wake", "u1"),
        ("waker_number", "<u2"),
        ("waker", "<u4"),
        ("waker_file", "<u4"),
        ("woke", "<u4"),
        ("wakes", "<u2"),
        ("woke_count", "<u2"),
        ("reserved", "<u4"),
        ("woken_ns", "<u8"),
        ("waker_argument", "<u8"),
        ("reserved2", "<u8", (2,)),
    ]
)

MEMORY_SLOT = np.dtype(
    [
        *_HEADER,
        ("kind", "u1"),
        ("argument", "u1"),
        ("bytes", "<u2"),
        ("total", "<u4"),
        ("data", "V48"),
    ]
)

SOCKET_EVENT_SLOT = np.dtype(
    [
        *_HEADER,
        ("kind", "u1"),
        ("event", "u1"),
        ("before", "u1"),
        ("after", "u1"),
        ("file", "<u4"),
        ("ns", "<u8"),
        ("reserved", "<u8", (5,)),
    ]
)


class CallState(IntFlag):
    """Bits of call_slot.flags (enum call_state in record.h)."""

    SLEPT = 1
    NO_RESULT = 2
    UNFINISHED = 4


SQE = np.dtype(
    [
        ("opcode", "u1"),
        ("flags", "u1"),
        ("ioprio", "<u2"),
        ("fd", "<i4"),
        ("off", "<u8"),
        ("addr", "<u8"),
        ("len", "<u4"),
        ("op_flags", "<u4"),
        ("user_data", "<u8"),
        ("buf_index", "<u2"),
        ("personality", "<u2"),
        ("file_index", "<u4"),
        ("addr3", "<u8"),
        ("reserved", "<u8"),
    ]
)
"""struct io_uring_sqe as io_uring_enter(2) documents it, with unions under one name."""

_REQUEST_START = [("submitted_ns", "<u8"), ("user_data", "<u8"), ("tgid", "<u4")]
_REQUEST_FLAGS = [("fd", "<i4"), ("opcode", "u1"), ("path", "u1"), ("sqe_flags", "u1"), ("flags", "u1")]
REQUEST = np.dtype([*_REQUEST_START, ("ring", "<u4"), *_REQUEST_FLAGS])
"""struct request in counting mode."""
STREAM_REQUEST = np.dtype(
    [
        *_REQUEST_START,
        ("tid", "<u4"),
        *_REQUEST_FLAGS,
        ("previous_ns", "<u8"),
        ("chain", "<u8"),
        ("sequence", "<u4"),
        ("chain_position", "<u2"),
        ("ring", "<u2"),
    ]
)
ARGUMENTS_ENTRY = np.dtype([("tag", "<u8"), ("request", STREAM_REQUEST), ("sqe", SQE)])
REQUEST_CALL = 4
"""Bit of request.flags: the entry is a call's."""
CALL_ENTRY = np.dtype(
    [
        ("tag", "<u8"),
        ("submitted_ns", "<u8"),
        ("switches", "<u4"),
        ("waker_number", "<u2"),
        ("reserved", "<u2"),
        ("tgid", "<u4"),
        ("tid", "<u4"),
        ("fd", "<i4"),
        ("number", "<u2"),
        ("wake", "u1"),
        ("flags", "u1"),
        ("woken_ns", "<u8"),
        ("waker_argument", "<u8"),
        ("file", "<u4"),
        ("second_file", "<u4"),
        ("argument", "<u8", (6,)),
        ("waker", "<u4"),
        ("waker_file", "<u4"),
        ("woke", "<u4"),
        ("wakes", "<u2"),
        ("woke_count", "<u2"),
    ]
)
"""An entry of the table of requests in flight that is a call's (struct call in call.h)."""
STREAM_ENTRY = np.dtype([("tag", "<u8"), ("request", STREAM_REQUEST)])
"""Entries of the table of requests in flight; submitted_ns 0: none. The table is an array map of
sets of entries, which makes it an array of entries."""
OPEN = np.dtype([("req", "<u8"), ("count", "<u4"), ("ambiguous", "<u4"), ("request", STREAM_REQUEST)])
"""struct open: a multishot operation, or `count` zero-copy sends that wait for their notification."""


SEEN_FILE = np.dtype(
    [
        ("inode", "<u8"),
        ("socket", "u1", (16,)),
        ("file", "<u4"),
        ("generation", "<u4"),
        ("settled", "<u4"),
        ("name", "<u4"),
    ]
)
"""struct seen_file (file.h): an open file that has a number."""

RING = np.dtype(
    [
        ("ctx", "<u8"),
        ("number", "<u4"),
        ("seen", "<u4"),
        ("submitted", "<u8"),
        ("hidden", "<u8"),
        ("superseded", "<u8"),
        ("batches", "<u8"),
        ("in_flight_max", "<u8"),
        ("sq_head", "<u4"),
        ("chain_position", "<u4"),
        ("ended", "<u8"),
        ("completions", "<u8"),
        ("flush_ns", "<u8"),
        ("flush_tail", "<u4"),
        ("flush_open", "<u4"),
        ("last_finished", "<u8"),
        ("overflows", "<u8"),
        ("dropped", "<u8"),
        ("messages", "<u8"),
        ("untracked", "<u8"),
        ("tgid", "<u4"),
        ("fd", "<i4"),
        ("flags", "<u4"),
        ("sq_entries", "<u4"),
        ("cq_entries", "<u4"),
        ("files", "<u4"),
        ("buffers", "<u4"),
        ("sq_thread", "<u4"),
        ("created_ns", "<u8"),
        ("padding", "u1", (16,)),
    ]
)
RING_LIMIT = 4096


class RingSeen(IntEnum):
    """Bits of ring.seen (enum ring_facts in ring.h): which facts are known."""

    CREATED = 1
    FD = 2
    SQ_HEAD = 4
    SIZES = 8
    REGISTERED = 16
    SQ_THREAD = 32


CALL_LIMIT = 1024
"""System call numbers the probes tell apart; larger ones share the last row."""
NO_ARGUMENT = 255


class CallFlag(IntFlag):
    """Bits of CALL_TRAITS.flags (enum call_flags in syscall.c)."""

    RESULT_IS_DESCRIPTOR = 1
    NO_RETURN = 2
    """It has no result: exit, exit_group."""
    MOVES_BYTES = 4
    """Its positive result is a number of bytes."""
    BEGINS_THREAD = 8
    """Returns a second time, in the new thread: fork, clone."""
    MAKES_FILE = 16
    """Its descriptor stands for a file that was not there before and shares its inode with others
    of its kind: an eventfd, an epoll instance. Its struct file may be an old one used again."""
    MAY_DUPLICATE = 32
    """Its result is a descriptor when its second argument is F_DUPFD or F_DUPFD_CLOEXEC: fcntl."""
    SETS_OPTION = 64
    """setsockopt: nothing is read of an option that begins with a key."""
    MAY_TIME_OUT = 128
    """futex: its timeout is read only where the operation has one, else the argument is a number."""


class Capture(IntEnum):
    """How a piece of user memory is found and measured (enum capture_form in syscall.c)."""

    NONE = 0
    STRING = 1
    """NUL-terminated, at most `size` bytes."""
    FIXED = 2
    """`size` bytes."""
    ADDRESS = 3
    """A socket address whose length is the next argument."""
    RETURNED_ADDRESS = 4
    """A socket address whose length is behind the next argument, a pointer to u32."""
    COUNTED = 5
    """As many items of `size` bytes as the next argument says."""
    RETURNED = 6
    """As many items of `size` bytes as the result says."""
    MESSAGE = 7
    """A struct msghdr of 56 bytes, and what it points to (records.IOVEC, NAME, CONTROL)."""
    SETS = 8
    """The three fd_sets of select, in this argument and the next two, each as many whole u64 as
    arg0 descriptors need, at most 128 bytes. Captured when the call begins and when it returns."""


class CaptureFlag(IntFlag):
    """Added to a capture's form."""

    OUTPUT = 0x80
    """Written by the kernel: read only when the call did not fail."""
    ENTRY = 0x40
    """Read when the call begins instead of when it returns."""


CALL_TRAITS = np.dtype(
    [
        ("descriptor", "u1"),  # argument that is the first descriptor, NO_ARGUMENT: none
        ("second", "u1"),  # and the second
        ("flags", "u1"),  # CallFlag
        ("reserved", "u1"),
        ("capture", [("argument", "u1"), ("form", "u1"), ("size", "<u2")], (3,)),  # form NONE: unused
    ]
)
"""What the probes need to know of a system call; an array of CALL_LIMIT, by number. Memory is read
when the call returns: by then the kernel has brought it in, and a fault cannot hide it."""


Slots = NDArray[np.void]
"""One-dimensional array of dtype `OPERATION_SLOT`; items of kinds ARGUMENTS_KIND and
SEQUENCE_KIND follow the operation they belong to and are viewed with their own dtype."""
