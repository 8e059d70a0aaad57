"""What this kernel's io_uring can: asked and tried, its version is not looked at."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

from uringtrace.errors import CapabilityError
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.buffers import Buffers
from uringtrace.targets.uring.ring import Completion, Ring


def demand(ring: Ring, opcodes: Iterable[int]) -> None:
    """Raise `CapabilityError` naming the operations that this kernel does not know."""
    missing = sorted(set(opcodes) - ring.supported())
    if missing:
        names = ", ".join(c.OPERATION_NAMES[opcode] for opcode in missing)
        raise CapabilityError(f"this kernel's io_uring has no {names}", "a newer kernel has")


def provided_buffers(ring: Ring, count: int, size: int) -> Buffers:
    """`Buffers`, or `CapabilityError` where the kernel has no such rings."""
    try:
        return Buffers(ring, count, size)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise CapabilityError(
            "this kernel's io_uring has no rings of provided buffers (IORING_REGISTER_PBUF_RING: EINVAL)",
            "they came with Linux 5.19",
        ) from None


def try_multishot_receive(ring: Ring, buffers: Buffers, user_data: int) -> int:
    """Receive one byte from ourselves by a multishot RECV; returns its completions.

    Raises `CapabilityError` where the kernel has none. Nothing else may be in flight.
    """
    near, far = socket.socketpair()
    with near, far:
        far.send(b"?")
        far.shutdown(socket.SHUT_WR)
        ring.push(
            c.OP_RECV, user_data, near.fileno(), flags=c.SQE_BUFFER_SELECT,
            ioprio=c.RECV_MULTISHOT, buffer=buffers.group,
        )  # fmt: skip
        completions = [_next(ring)]
        while completions[-1].flags & c.CQE_F_MORE:
            completions.append(_next(ring))
    if completions[0].result == -errno.EINVAL:
        raise CapabilityError(
            "this kernel's io_uring has no multishot RECV (EINVAL)", "it came with Linux 6.0"
        )
    for completion in completions:
        if completion.flags & c.CQE_F_BUFFER:
            buffers.recycle(completion.flags >> c.CQE_BUFFER_SHIFT)
    return len(completions)


def _next(ring: Ring) -> Completion:
    while (completion := ring.pop()) is None:
        ring.wait()
    return completion
