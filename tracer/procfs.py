"""What /proc tells of rings and processes, without touching the target.

The ring's own lines in /proc/PID/fdinfo/FD are written by io_uring_show_fdinfo
(io_uring/fdinfo.c): `SqMask:`, `SqThread:`, `UserFiles:` and so on.
"""

from __future__ import annotations

import re
from pathlib import Path

from uringtrace.tracer.source import Ring

PROC = Path("/proc")
_RING_LINK = "anon_inode:[io_uring]"
_LINE = re.compile(r"^(\w+):[ \t]*(\S+)", re.MULTILINE)


def process_rings(pid: int, proc: Path = PROC) -> tuple[Ring, ...]:
    """The rings among the descriptors of a process, numbered 0; empty when it is gone."""
    rings = []
    try:
        links = list((proc / str(pid) / "fd").iterdir())
    except OSError:
        return ()
    for link in sorted(links, key=lambda link: int(link.name)):
        try:
            if str(link.readlink()) == _RING_LINK:
                text = (proc / str(pid) / "fdinfo" / link.name).read_text()
                rings.append(parse_ring(pid, int(link.name), text))
        except OSError:
            continue
    return tuple(rings)


def parse_ring(pid: int, fd: int, fdinfo: str) -> Ring:
    """A ring from the text of its fdinfo; fields that this kernel does not print are None."""
    fields = dict(_LINE.findall(fdinfo))

    def number(name: str) -> int | None:
        try:
            return int(fields[name], 0)
        except (KeyError, ValueError):
            return None

    sq_mask, cq_mask, sq_thread = number("SqMask"), number("CqMask"), number("SqThread")
    return Ring(
        ring=0,
        tgid=pid,
        fd=fd,
        flags=None,
        sq_entries=None if sq_mask is None else sq_mask + 1,
        cq_entries=None if cq_mask is None else cq_mask + 1,
        sq_thread=sq_thread if sq_thread is not None and sq_thread > 0 else None,
        registered_files=number("UserFiles"),
        registered_buffers=number("UserBufs"),
    )
