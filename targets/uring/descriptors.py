"""Real file descriptors, or direct ones: slots of the ring's registered files.

Direct ones are opened, used and closed without ever being in the process's table
(io_uring_register_files(3), io_uring_prep_accept_direct(3)).
"""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

from uringtrace.errors import CapabilityError
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.ring import Ring


@dataclass(frozen=True, slots=True)
class Descriptors:
    """How SQEs name what is open. Real ones are not inherited by a program that is started."""

    direct: bool

    @property
    def sqe_flags(self) -> int:
        """Of an SQE that uses one."""
        return c.SQE_FIXED_FILE if self.direct else 0

    @property
    def new(self) -> int:
        """`file_index` of an SQE that opens one."""
        return c.FILE_INDEX_ALLOC if self.direct else 0

    @property
    def open_flags(self) -> int:
        """Of OPENAT."""
        return os.O_RDONLY if self.direct else os.O_RDONLY | os.O_CLOEXEC

    @property
    def accept_flags(self) -> int:
        """Of ACCEPT."""
        return 0 if self.direct else socket.SOCK_CLOEXEC

    def push_close(self, ring: Ring, user_data: int, descriptor: int) -> None:
        """Queue the CLOSE of one."""
        if self.direct:
            ring.push(c.OP_CLOSE, user_data, 0, file_index=descriptor + 1)
        else:
            ring.push(c.OP_CLOSE, user_data, descriptor)


def register_slots(ring: Ring, count: int) -> None:
    """Free slots for direct descriptors; `CapabilityError` where the limit of files is lower."""
    try:
        ring.register_files(count)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        raise CapabilityError(
            f"the limit of open files is below the {count} that the ring registers", "raise `ulimit -n`"
        ) from None
