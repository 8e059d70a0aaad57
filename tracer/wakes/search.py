"""The way back from an answer to the read of its request, over the wake-ups in between.

A thread that writes the answer came from its last wait. Whoever ended that wait is followed in the same way,
until the thread that read the request is reached. Each wait is tried once, and of all only so many.

A wait on a futex that follows another wait is taken for a lock, which the thread met on its way: the earlier
wait is tried first, unless the thread had told anybody anything in between or waited for the same thing
before. Where nobody who ended a wait leads to the read, the thread itself is followed further back.
"""

from __future__ import annotations

from dataclasses import dataclass

from uringtrace.tracer.record import Wake
from uringtrace.tracer.wakes.kept import Row
from uringtrace.tracer.wakes.window import Edge, Window

_DEEPEST = 200
"""Hand-overs of one request."""
_MOST_WAITS = 8192
"""Looked at for one request; then it counts as not seen."""


@dataclass(frozen=True, slots=True)
class Left:
    """A thread left a wait that `edge` had ended."""

    row: Row
    edge: Edge


@dataclass(frozen=True, slots=True)
class Waited:
    """A thread left a wait that does not lead any further."""

    row: Row
    skipped: bool = False
    """It was a wait for many things, and what of them led to the answer was not seen."""


@dataclass(frozen=True, slots=True)
class Lost:
    """From here on backwards nothing was seen: the thread had been awake, or was woken by a stranger."""

    tid: int
    ns: int


Link = Left | Waited | Lost


class Search:
    """For one request, read by thread `reader` at `read_ns`."""

    def __init__(self, window: Window, reader: int, read_ns: int) -> None:
        self._window = window
        self._reader = reader
        self._read_ns = read_ns
        self._failed: set[int] = set()
        self._left = 0
        """Waits that may still be looked at."""

    def path(self, tid: int, until_ns: int) -> list[Link]:
        """From thread `tid` at `until_ns` back to the read; ends with `Lost` where it does not get there."""
        for lossy in (False, True):
            self._failed.clear()
            self._left = _MOST_WAITS
            found = self._reach(tid, until_ns, 0, lossy=lossy)
            if found is not None:
                return found
        return [Lost(tid, until_ns)]

    def _reach(self, tid: int, until_ns: int, depth: int, *, lossy: bool) -> list[Link] | None:
        """`lossy`: a way that ends before the read is one as well."""
        if depth > _DEEPEST:
            return None
        links: list[Link] = []
        here = tid == self._reader
        newest = until_ns
        for place in self._window.waits(tid, self._read_ns, until_ns):
            row = self._window.row(place)
            self._left -= 1
            if row.number in self._failed or self._left < 0:
                return None
            if here and 0 < row.submitted_ns <= self._read_ns:
                # The request was read while the thread was in this wait, as io_uring's operations are.
                return [*links, Waited(row)]
            burst = self._burst(row)
            for length in range(len(burst), 0, -1):
                through = self._through(burst[length - 1], depth, lossy=lossy)
                if through is not None:
                    return [*links, *(Waited(each) for each in burst[: length - 1]), *through]
            self._failed.add(row.number)
            if here and self._window.is_loop_wait(row):
                return [*links, Waited(row, skipped=True)]
            if lossy and not here and (0 < row.woken_ns < self._read_ns or row.wake == Wake.THREAD):
                # It had been woken before the request was read, or by a thread of which nothing is known.
                moment = row.woken_ns if row.woken_ns >= self._read_ns else row.completed_ns
                return [*links, Lost(tid, moment)]
            links.append(Waited(row))
            newest = row.submitted_ns or newest
        if here:
            return links
        return [*links, Lost(tid, newest)] if lossy else None

    def _through(self, row: Row, depth: int, *, lossy: bool) -> list[Link] | None:
        """Over those who ended a wait."""
        for edge in self._window.edges(row):
            if edge.ns < self._read_ns or not self._window.knows(edge.tid):
                continue
            rest = self._reach(edge.tid, edge.ns, depth + 1, lossy=lossy)
            if rest is not None:
                return [Left(row, edge), *rest]
        return None

    def _burst(self, newest: Row) -> list[Row]:
        """A wait, and those before it that a lock may stand in front of; newest first."""
        burst, tid = [newest], newest.tid
        seen = {self._window.key(newest)}
        for place in self._window.waits(tid, self._read_ns, newest.completed_ns - 1):
            if not self._window.is_lock(burst[-1]):
                break
            row = self._window.row(place)
            key = self._window.key(row)
            if key in seen or self._window.told_anybody(tid, row.completed_ns, burst[-1].submitted_ns):
                break
            seen.add(key)
            burst.append(row)
        return burst
