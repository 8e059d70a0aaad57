"""A ring of provided buffers: the kernel picks one for each receive, we give it back.

With it a multishot RECV needs no buffer of its own while it waits. The ring (struct
io_uring_buf_ring, Linux 5.19) is shared memory too: giving a buffer back is a store, no
call. Invariant: each buffer is either in the ring or with the server, never twice in it.
"""

from __future__ import annotations

import struct

from uringtrace.targets.uring.constants import CQE_BUFFER_SHIFT, REGISTER_PBUF_RING
from uringtrace.targets.uring.memory import Memory, address_of
from uringtrace.targets.uring.ring import Ring

_ENTRY = struct.Struct("<QIH")  # struct io_uring_buf: address, length, buffer id
_ENTRY_SIZE = 16
_TAIL_AT = 7  # as a 16-bit word: the tail lies over the reserved part of the first entry
_REGISTRATION = struct.Struct("<QIHH3Q")


class Buffers:
    """`count` buffers (a power of two) of `size` bytes each, registered as group `group`.

    Raises OSError when the kernel refuses; EINVAL before Linux 5.19.
    """

    def __init__(self, ring: Ring, count: int, size: int, *, group: int = 0) -> None:
        if count & (count - 1) or not 0 < count <= 1 << 15:
            raise ValueError(f"{count} is no power of two up to 32768")
        self.count, self.size, self.group = count, size, group
        self._data = Memory(count * size)
        self._ring = Memory(max(count * _ENTRY_SIZE, 4096))
        self._mask = count - 1
        self._words = self._ring.view.cast("H")
        self._tail = 0
        registration = bytearray(_REGISTRATION.pack(self._ring.address, count, group, 0, 0, 0, 0))
        ring.register(REGISTER_PBUF_RING, address_of(registration), 1)
        for buffer in range(count):
            self.recycle(buffer)

    def data(self, flags: int, length: int) -> bytes:
        """A copy of the `length` bytes that a CQE with `flags` left in its buffer."""
        at = (flags >> CQE_BUFFER_SHIFT) * self.size
        return self._data.bytes[at : at + length]

    def take(self, flags: int, length: int) -> bytes:
        """`data`, and the buffer given back at once."""
        buffer = flags >> CQE_BUFFER_SHIFT
        at = buffer * self.size
        data = self._data.bytes[at : at + length]
        self.recycle(buffer)
        return data

    def recycle(self, buffer: int) -> None:
        """Give buffer number `buffer` back to the kernel."""
        tail = self._tail
        _ENTRY.pack_into(
            self._ring.bytes,
            (tail & self._mask) * _ENTRY_SIZE,
            self._data.address + buffer * self.size,
            self.size,
            buffer,
        )
        self._tail = tail = (tail + 1) & 0xFFFF
        self._words[_TAIL_AT] = tail
