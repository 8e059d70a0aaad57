"""A program that misuses a ring in one way, so many times as it says: its argument is the way."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import time

from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.memory import Memory, address_of
from uringtrace.targets.uring.ring import Ring

TIMES = 150
CHAINS = 40
PAIRS = 5
IDLE_SECONDS = 1.5
_UNREGISTER_FILES = 3
"""IORING_UNREGISTER_FILES (include/uapi/linux/io_uring.h)."""
NOWHERE = 9999
"""No descriptor."""


def _take(ring: Ring, count: int) -> None:
    while count:
        ring.enter(1)
        while ring.pop() is not None:
            count -= 1


def errors() -> None:
    """Reads of a descriptor that is not open."""
    ring, memory = Ring(8), Memory(4096)
    for _ in range(TIMES):
        ring.push(c.OP_READ, 1, NOWHERE, memory.address, 16)
        _take(ring, 1)


def links() -> None:
    """Chains whose first operation fails."""
    ring, memory = Ring(8), Memory(4096)
    for _ in range(CHAINS):
        ring.push(c.OP_READ, 1, NOWHERE, memory.address, 16, flags=c.SQE_IO_LINK)
        ring.push(c.OP_NOP, 2)
        _take(ring, 2)


def overlap() -> None:
    """Two reads into the same memory, both in flight."""
    ring, memory = Ring(8), Memory(4096)
    pipes = [os.pipe(), os.pipe()]
    for _ in range(PAIRS):
        for number, (reading, _) in enumerate(pipes):
            ring.push(c.OP_READ, 1, reading, memory.address + 8 * number, 16)
        ring.submit()
        for _, writing in pipes:
            os.write(writing, b"x" * 16)
        _take(ring, 2)


def unmapped() -> None:
    """Memory unmapped under a read; the pipe has something for it only afterwards."""
    ring = Ring(8)
    for _ in range(PAIRS):
        # What one read could not have stays in its pipe.
        reading, writing = os.pipe()
        memory = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        ring.push(c.OP_READ, 1, reading, address_of(memory), 16)
        ring.submit()
        libc = ctypes.CDLL(None)
        libc.munmap(ctypes.c_void_p(address_of(memory)), ctypes.c_size_t(1 << 20))
        os.write(writing, b"x" * 16)
        _take(ring, 1)
        # Nothing is mapped there any more, and Python would unmap it again.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))


def unregistered() -> None:
    """Registered files unregistered under a read."""
    for _ in range(PAIRS):
        ring, memory = Ring(8), Memory(4096)
        reading, writing = os.pipe()
        ring.register_files(1)
        ring.update_files(0, [reading])
        ring.push(c.OP_READ, 1, 0, memory.address, 16, flags=c.SQE_FIXED_FILE)
        ring.submit()
        ring.register(_UNREGISTER_FILES, 0, 0)
        os.write(writing, b"x" * 16)
        _take(ring, 1)


def asleep() -> None:
    """An SQPOLL thread that sleeps after a millisecond, and work that comes more seldom."""
    ring = Ring(8, c.SETUP_SQPOLL, idle_ms=1)
    for _ in range(TIMES):
        deadline = time.monotonic() + 1
        while not ring.sq_flags & c.SQ_NEED_WAKEUP and time.monotonic() < deadline:
            os.sched_yield()
        ring.push(c.OP_NOP, 1)
        ring.publish()
        while ring.pop() is None:
            os.sched_yield()


def leaked() -> None:
    """Reads in flight on descriptors that were closed, for longer than anybody would want."""
    ring, memory = Ring(64), Memory(4096)
    for number in range(PAIRS):
        reading, _ = os.pipe()
        ring.push(c.OP_READ, 1, reading, memory.address + 16 * number, 16)
        ring.submit()
        os.close(reading)
    time.sleep(IDLE_SECONDS)


def unused() -> None:
    """A ring and nothing in it."""
    ring = Ring(8)
    time.sleep(IDLE_SECONDS)
    ring.close()


if __name__ == "__main__":
    WAYS = (errors, links, overlap, unmapped, unregistered, asleep, leaked, unused)
    {way.__name__: way for way in WAYS}[sys.argv[1]]()
