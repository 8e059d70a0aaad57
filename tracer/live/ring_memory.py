"""How full the queues of a ring are, from the memory that it shares with its process.

`struct io_rings` (include/linux/io_uring_types.h) begins with head and tail of both queues, then
has their masks. Reading these 24 bytes costs the same for a ring of any size, and takes no lock.
Invariant: what does not have the masks of the ring is not believed, so a kernel that lays it out
otherwise tells nothing; nor does one that lets nobody read these pages, or a ring in memory of
the application's own (IORING_SETUP_NO_MMAP).
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

from uringtrace.tracer.procfs import PROC

_RINGS = struct.Struct("=6I")
"""Head and tail of the SQ, of the CQ, the mask of the SQ, of the CQ."""
_MAPPING = re.compile(
    r"^([0-9a-f]+)-[0-9a-f]+ \S+ 0+ \S+ (\d+) +anon_inode:\[io_uring\]$", re.MULTILINE | re.ASCII
)
"""A mapping of IORING_OFF_SQ_RING, which is 0 (io_uring_setup(2)), in /proc/PID/maps (proc_pid_maps(5))."""
_WORD = 0xFFFF_FFFF


def mapped_fills(
    tgid: int, fd: int, sq_entries: int, cq_entries: int, proc: Path = PROC
) -> tuple[int | None, int | None]:
    """Entries that wait in the two queues of the ring that `fd` is; None where that cannot be told."""
    folder = proc / str(tgid)
    try:
        inode = (folder / "fd" / str(fd)).stat().st_ino
        maps = (folder / "maps").read_text(encoding="utf-8", errors="backslashreplace")
        address = ring_address(maps, inode)
        if address is None:
            return None, None
        memory = os.open(folder / "mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(memory, _RINGS.size, address)
        finally:
            os.close(memory)
    except (OSError, OverflowError):
        return None, None
    return fills_in(data, sq_entries, cq_entries)


def ring_address(maps: str, inode: int) -> int | None:
    """Where the ring with this inode is mapped; None: nowhere, or rings cannot be told apart here.

    Each ring has an inode of its own since Linux 5.16 (io_uring_get_file in io_uring/io_uring.c).
    """
    found = {int(address, 16) for address, number in _MAPPING.findall(maps) if int(number) == inode}
    return found.pop() if len(found) == 1 else None


def fills_in(data: bytes, sq_entries: int, cq_entries: int) -> tuple[int | None, int | None]:
    """Of the beginning of `struct io_rings`."""
    if len(data) < _RINGS.size:
        return None, None
    sq_head, sq_tail, cq_head, cq_tail, sq_mask, cq_mask = _RINGS.unpack_from(data)
    if (sq_mask, cq_mask) != (sq_entries - 1, cq_entries - 1):
        return None, None
    return waiting(sq_head, sq_tail, sq_entries), waiting(cq_head, cq_tail, cq_entries)


def waiting(head: int, tail: int, entries: int) -> int | None:
    """Entries between the two counters of 32 bits; None: more than there can be."""
    between = (tail - head) & _WORD
    return between if between <= entries else None
