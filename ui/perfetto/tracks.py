"""The tracks of a trace, described when they are first used: processes, threads, rings, connections.

System calls are on their thread's own track. What may overlap is on lanes, which Perfetto shows
as one track since they share a merge key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from uringtrace.ui.perfetto.lanes import Lanes
from uringtrace.ui.perfetto.packets import Packets


@dataclass(frozen=True, slots=True)
class Connection:
    """A row of `connections`, what a track needs of it."""

    number: int
    tgid: int | None
    title: str
    began_ns: int | None
    ended_ns: int | None


@dataclass(slots=True)
class _Lanes:
    parent: int
    title: str
    merged: str
    lanes: Lanes
    uuids: list[int]


class Tracks:
    """Numbers of tracks by what they are of."""

    def __init__(
        self,
        packets: Packets,
        threads: Mapping[int, tuple[int, str | None]],
        rings: Mapping[int, tuple[int, int | None]],
    ) -> None:
        """`threads`: tid → process and name; `rings`: number → process and descriptor."""
        self._packets = packets
        self._threads = threads
        self._rings = rings
        self._next = count(1)
        self._processes: dict[int, int] = {}
        self._thread_tracks: dict[int, int] = {}
        self._laned: dict[tuple[str, int], _Lanes] = {}
        self._groups: dict[int, int] = {}

    def knows_thread(self, tid: int) -> bool:
        """Whether the thread is one of the target's."""
        return tid in self._threads

    def process(self, tgid: int) -> int:
        uuid = self._processes.get(tgid)
        if uuid is None:
            uuid = self._processes[tgid] = next(self._next)
            _, name = self._threads.get(tgid, (tgid, None))
            self._packets.process(uuid, tgid, name)
        return uuid

    def thread(self, tid: int, tgid: int | None = None) -> int:
        """The thread's own track; `tgid` where the thread is not one that was met by name."""
        uuid = self._thread_tracks.get(tid)
        if uuid is None:
            known, name = self._threads.get(tid, (tgid, None))
            process = tid if known is None else known
            parent = self.process(process)
            uuid = self._thread_tracks[tid] = next(self._next)
            self._packets.thread(uuid, parent, process, tid, name)
        return uuid

    def readiness(self, tid: int, tgid: int) -> int:
        """Beside the calls of a thread: what its waits reported."""
        laned = self._laned.get(("readiness", tid))
        if laned is None:
            laned = self._lanes("readiness", tid, self.thread(tid, tgid), f"readiness of {tid}")
        return self._lane(laned, 0)

    def call(self, tid: int, tgid: int | None, began_ns: int, ended_ns: int) -> int:
        """Where a system call goes: the thread's own track, if none that overlaps is there."""
        laned = self._laned.get(("calls", tid))
        if laned is None:
            own = self.thread(tid, tgid)
            laned = self._lanes("calls", tid, own, f"calls of {tid}")
            laned.uuids.append(own)
        return self._lane(laned, laned.lanes.place(began_ns, ended_ns))

    def ring(self, ring: int, tgid: int | None, began_ns: int, ended_ns: int) -> int:
        """Where an operation of io_uring goes."""
        laned = self._laned.get(("ring", ring))
        if laned is None:
            owner, fd = self._rings.get(ring, (tgid, None))
            parent = 0 if owner is None else self.process(owner)
            described = "" if fd is None else f" (fd {fd})"
            laned = self._lanes("ring", ring, parent, f"ring {ring}{described}")
        return self._lane(laned, laned.lanes.place(began_ns, ended_ns))

    def connection(self, connection: Connection, began_ns: int, ended_ns: int) -> int:
        """Where the life of a connection goes, and what moved over it."""
        laned = self._laned.get(("connection", connection.number))
        if laned is None:
            parent = self._group(connection.tgid)
            laned = self._lanes("connection", connection.number, parent, connection.title)
        return self._lane(laned, laned.lanes.place(began_ns, ended_ns))

    def capture(self) -> int:
        uuid = next(self._next)
        self._packets.track(uuid, 0, "capture")
        return uuid

    def _group(self, tgid: int | None) -> int:
        if tgid is None:
            return 0
        uuid = self._groups.get(tgid)
        if uuid is None:
            parent = self.process(tgid)
            uuid = self._groups[tgid] = next(self._next)
            self._packets.track(uuid, parent, "connections")
        return uuid

    def _lanes(self, kind: str, number: int, parent: int, title: str) -> _Lanes:
        laned = _Lanes(parent, title, f"{kind} {number}", Lanes(), [])
        self._laned[kind, number] = laned
        return laned

    def _lane(self, laned: _Lanes, number: int) -> int:
        while len(laned.uuids) <= number:
            uuid = next(self._next)
            self._packets.track(uuid, laned.parent, laned.title, laned.merged)
            laned.uuids.append(uuid)
        return laned.uuids[number]
