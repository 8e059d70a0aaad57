"""Reads a BPF ring buffer by mapping it: whole runs of records per step, no callbacks.

Layout (kernel/bpf/ringbuf.c): one page with the consumer position, one with the
producer position, then the data twice in a row, so that a run that wraps is contiguous.
Each record starts with a u32 length whose top bit means "still being written".
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from threading import Lock

import numpy as np

from uringtrace.probes.rows import copy_rows
from uringtrace.probes.slots import (
    ARGUMENTS_KIND,
    BUSY,
    OPERATION_SLOT,
    SLOT_SIZE,
    SLOTS_PER_RECORD,
    Slots,
)

_DISCARD = 1 << 30
_HEADER_SIZE = 8
LONGEST_RUN = 16_384
"""Slots copied at once, 1 MiB: bounds our memory, and what is decoded fits the cache."""


class RingBuffer:
    """The consumer's side of one BPF_MAP_TYPE_RINGBUF; only one may exist per map."""

    def __init__(self, descriptor: int, size: int) -> None:
        """`size` is the data size in bytes, a power of two and of pages."""
        page = mmap.PAGESIZE
        self.size = size
        self._consumer_page = mmap.mmap(descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._producer_pages = mmap.mmap(
            descriptor, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page
        )
        self._consumer = np.frombuffer(self._consumer_page, np.uint64, 1)
        self._producer = np.frombuffer(self._producer_pages, np.uint64, 1)
        self._data = np.frombuffer(self._producer_pages, np.uint8, 2 * size, offset=page)
        self._fence = Lock()

    def _positions(self) -> tuple[int, int]:
        produced = int(self._producer[0])
        # Taking a lock orders this load before the loads of the records.
        with self._fence:
            return int(self._consumer[0]), produced

    @property
    def fill(self) -> float:
        """Share of the buffer that waits to be read, 0 to 1."""
        consumed, produced = self._positions()
        return (produced - consumed) / self.size

    def read_slots(self) -> Slots:
        """The next complete 64-byte slots, copied; their space is free for the kernel again.

        At most about `LONGEST_RUN`, whole records only, up to the first record that is
        still being written.
        """
        consumed, produced = self._positions()
        start = consumed % self.size
        run = self._data[start : start + produced - consumed].view(OPERATION_SLOT)
        if len(run) > LONGEST_RUN:
            following = run[LONGEST_RUN : LONGEST_RUN + SLOTS_PER_RECORD]
            # A busy record's kind is still that of an earlier lap.
            begins = (following["kind"] < ARGUMENTS_KIND) | (following["length"] & BUSY != 0)
            run = run[: LONGEST_RUN + int(np.argmax(begins) if begins.any() else len(following))]
        busy = np.flatnonzero(run["length"] & BUSY)
        if len(busy):
            run = run[: busy[0]]
        slots = copy_rows(run)
        self._consumer[0] = consumed + len(slots) * SLOT_SIZE
        return slots

    def read_records(self) -> Iterator[bytes]:
        """Complete records of any size, one by one: for the few facts."""
        consumed, produced = self._positions()
        while consumed < produced:
            start = consumed % self.size
            length = int(self._data[start : start + 4].view(np.uint32)[0])
            if length & int(BUSY):
                return
            size = length & ~_DISCARD
            record = self._data[start + _HEADER_SIZE : start + _HEADER_SIZE + size].tobytes()
            consumed += (size + _HEADER_SIZE + 7) & ~7
            self._consumer[0] = consumed
            if not length & _DISCARD:
                yield record
