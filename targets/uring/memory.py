"""Memory that the kernel reads and writes for us: mapped once, at addresses that stay.

The buffers of Python objects move and go away; what an operation in flight points to must
not. So everything an SQE names lives in a `Memory`, which is mapped before the server
accepts: later there is no call for memory.
"""

from __future__ import annotations

import ctypes
import mmap


def address_of(buffer: mmap.mmap | bytearray) -> int:
    """The address of a writable buffer; valid as long as the buffer lives and is not resized."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


class Memory:
    """Anonymous private memory of `size` bytes, zeroed, at `address`.

    `bytes` is the whole of it; slices of it copy. `view` gives slices without a copy.
    """

    __slots__ = ("address", "bytes", "size", "view")

    def __init__(self, size: int) -> None:
        self.size = size
        self.bytes = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.address = address_of(self.bytes)
        self.view = memoryview(self.bytes)

    def write(self, offset: int, data: bytes | memoryview) -> int:
        """Put `data` at `offset`; returns its address. Raises ValueError when it does not fit."""
        end = offset + len(data)
        if end > self.size:
            raise ValueError(f"{len(data)} bytes at {offset} are beyond {self.size}")
        self.view[offset:end] = data
        return self.address + offset
