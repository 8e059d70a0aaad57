"""What the tracer itself uses: its processor time with that of its children.

The children are those that live: the process that converts a recording is one. A target that
this process launched is a child too, and is left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

from uringtrace.tracer.procfs import PROC

_SECOND_NS = 1_000_000_000


class SelfCost:
    """Share of one processor over about the last second."""

    def __init__(
        self,
        own_ns: Callable[[], int] = time.process_time_ns,
        children: Callable[[Collection[int]], dict[int, int]] | None = None,
    ) -> None:
        """`own_ns` is this process's processor time; `children` gives that of each child but the excluded."""
        self._own_ns = own_ns
        self._children = children or children_ns
        self._before: tuple[int, int, dict[int, int]] | None = None
        self._share: float | None = None

    def share(self, now_ns: int, excluded: Collection[int] = ()) -> float | None:
        """None in the first second. Look at least once a second for it to mean that."""
        if self._before is not None and now_ns - self._before[0] < _SECOND_NS:
            return self._share
        own, children = self._own_ns(), self._children(excluded)
        if self._before is not None:
            then, own_before, children_before = self._before
            used = own - own_before
            used += sum(max(0, ns - children_before.get(pid, 0)) for pid, ns in children.items())
            self._share = used / (now_ns - then)
        self._before = now_ns, own, children
        return self._share


def children_ns(excluded: Collection[int], proc: Path = PROC) -> dict[int, int]:
    """Processor time of this process's living children (proc_tid_children(5), proc_pid_schedstat).

    Empty where the kernel does not list them (CONFIG_PROC_CHILDREN).
    """
    found: dict[int, int] = {}
    for listing in _readable(proc / "self" / "task", "children"):
        for word in listing.split():
            pid = int(word)
            if pid not in excluded and (ticks := _processor_ns(proc / word / "stat")) is not None:
                found[pid] = ticks
    return found


def _readable(folder: Path, name: str) -> list[str]:
    texts = []
    try:
        for task in folder.iterdir():
            texts.append((task / name).read_text())
    except OSError:
        return texts
    return texts


def _processor_ns(stat: Path) -> int | None:
    """utime and stime of proc_pid_stat(5)."""
    try:
        fields = stat.read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) * (_SECOND_NS // os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return None
