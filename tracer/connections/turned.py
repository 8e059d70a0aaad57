"""One operation at a turning point, as plain Python values: cheaper to ask than a numpy row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.columns import Fields
from uringtrace.tracer.connections.descriptors import Descriptor
from uringtrace.tracer.record import FIRST_CALL, SQE_FIXED_FILE

ANY_PLACE = 0xFFFF_FFFF
"""Where the kernel chooses the place of a direct descriptor (IORING_FILE_INDEX_ALLOC)."""


class Turned(NamedTuple):
    """Fields of `record.OPERATION`, by their names there."""

    opcode: int
    kind: int
    tgid: int
    tid: int
    fd: int
    result: int
    completed_ns: int
    submitted_ns: int
    sqe_flags: int
    file_index: int
    len: int
    addr: int
    arg0: int
    arg1: int
    arg2: int

    @property
    def is_call(self) -> bool:
        return self.opcode >= FIRST_CALL

    @property
    def identity(self) -> tuple[int, int, int]:
        return self.tid, self.submitted_ns, self.completed_ns

    @property
    def used(self) -> Descriptor:
        """Its first descriptor."""
        direct = not self.is_call and bool(self.sqe_flags & SQE_FIXED_FILE)
        return Descriptor(self.tgid, self.fd, direct)

    @property
    def closed(self) -> Descriptor:
        """The descriptor that close, or CLOSE, closes."""
        if self.is_call:
            return Descriptor(self.tgid, self.arg0 & 0xFFFF_FFFF)
        if self.file_index:
            return Descriptor(self.tgid, self.file_index - 1, True)
        return Descriptor(self.tgid, self.fd)

    @property
    def accepted(self) -> Descriptor:
        """The descriptor that accept, or ACCEPT, made."""
        if self.is_call or not self.file_index:
            return Descriptor(self.tgid, self.result)
        # With a place of its own choice the program gets 0, else the place the kernel chose.
        place = self.result if self.file_index == ANY_PLACE else self.file_index - 1
        return Descriptor(self.tgid, place, True)

    @property
    def option(self) -> tuple[int, int]:
        """Level and name of the socket option that it sets."""
        if self.is_call:
            return self.arg1 & 0xFFFF_FFFF, self.arg2 & 0xFFFF_FFFF
        # struct io_uring_sqe: level and optname share their place with addr.
        return self.addr & 0xFFFF_FFFF, self.addr >> 32

    @property
    def how(self) -> int:
        """What shutdown, or SHUTDOWN, stops."""
        return self.arg1 & 0xFFFF_FFFF if self.is_call else self.len


def turned(batch: Fields, rows: NDArray[np.intp]) -> list[Turned]:
    """The chosen rows, in their order."""
    columns = [batch[name][rows].tolist() for name in Turned._fields]
    return [Turned._make(values) for values in zip(*columns, strict=True)]
