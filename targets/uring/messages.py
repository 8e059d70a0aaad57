"""The structures that operations point to, packed into memory of the caller's.

Sources: struct user_msghdr (include/linux/socket.h) and cmsg(3) for x86-64, struct
__kernel_timespec (include/uapi/linux/time_types.h).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from uringtrace.targets.uring.memory import Memory

_TIMESPEC = struct.Struct("<qq")
_MSGHDR = struct.Struct("<QI4xQQQQi4x")  # name, namelen, iov, iovlen, control, controllen, flags
_IOVEC = struct.Struct("<QQ")
_CMSGHDR = struct.Struct("<Qii")  # len, level, type
_CONTROL_LENGTH = struct.Struct("<Q")

TIMESPEC_SIZE = _TIMESPEC.size
MESSAGE_SIZE = _MSGHDR.size + _IOVEC.size
"""A msghdr with its one iovec."""
_CONTROL_AT = 40
_FLAGS_AT = 48


class Control(NamedTuple):
    """One control message (cmsghdr)."""

    level: int
    type: int
    data: bytes


def control_space(length: int) -> int:
    """CMSG_SPACE: bytes that one control message with `length` bytes of data takes."""
    return _CMSGHDR.size + (length + 7) // 8 * 8


def write_timespec(memory: Memory, offset: int, duration_ns: int) -> int:
    """A duration for TIMEOUT, LINK_TIMEOUT or EXT_ARG; returns its address."""
    return memory.write(offset, _TIMESPEC.pack(*divmod(duration_ns, 1_000_000_000)))


def write_message(
    memory: Memory, offset: int, address: int, length: int, *, control: int = 0, control_size: int = 0
) -> int:
    """A msghdr for SENDMSG or RECVMSG with one buffer; returns its address.

    `address` and `length` are the buffer's; `control` and `control_size` those of the
    control messages, 0 for none. Takes MESSAGE_SIZE bytes.
    """
    vector = memory.address + offset + _MSGHDR.size
    header = _MSGHDR.pack(0, 0, vector, 1, control, control_size, 0)
    return memory.write(offset, header + _IOVEC.pack(address, length))


def write_control(memory: Memory, offset: int, control: Control) -> int:
    """One control message to send; returns its address. Takes `control_space` bytes."""
    header = _CMSGHDR.pack(_CMSGHDR.size + len(control.data), control.level, control.type)
    return memory.write(offset, header + control.data)


def message_flags(memory: Memory, offset: int) -> int:
    """The `msg_flags` that a RECVMSG left in the msghdr at `offset` (MSG_EOR, MSG_CTRUNC…)."""
    return int.from_bytes(memory.bytes[offset + _FLAGS_AT : offset + _FLAGS_AT + 4], "little")


def first_control(memory: Memory, offset: int, control_offset: int) -> Control | None:
    """The first control message that a RECVMSG received, None when there is none.

    `offset` is that of the msghdr, whose controllen the kernel sets to what it wrote, and
    `control_offset` that of the control buffer.
    """
    (written,) = _CONTROL_LENGTH.unpack_from(memory.bytes, offset + _CONTROL_AT)
    if written < _CMSGHDR.size:
        return None
    length, level, kind = _CMSGHDR.unpack_from(memory.bytes, control_offset)
    start = control_offset + _CMSGHDR.size
    return Control(level, kind, memory.bytes[start : control_offset + length])
