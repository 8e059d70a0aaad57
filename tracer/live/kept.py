"""What is in memory at one moment, as a recording of its own.

It begins with the oldest row that is kept, and its rings count what these rows show. What was
lost, and rows that had to go, are told as losses: the recording is not more complete than the
screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from uringtrace.errors import RecordingError
from uringtrace.tracer.live.picture import Picture, RingNow
from uringtrace.tracer.live.tallies import RingTally
from uringtrace.tracer.recording import Writer
from uringtrace.tracer.recording.chunks import RECORDS, records_chunk
from uringtrace.tracer.source import Context, File, Interest, Losses, OpenSocket, Ring, Socket, Thread

NOT_KEPT = "rows that memory has no room for"


class Kept:
    """The facts of a picture's recent rows; a `FilesAndFacts`."""

    interests: tuple[Interest, ...] = ()

    def __init__(self, picture: Picture) -> None:
        """Raises RecordingError when there is no row."""
        self._picture = picture
        self._parts = picture.recent.parts
        if not self._parts:
            raise RecordingError("no operation is in memory")
        self.ended_ns = picture.at_ns

    @cached_property
    def context(self) -> Context:
        context = self._picture.context
        started_ns = context.started_ns
        if self._picture.recent.dropped:
            started_ns = int(min(part.operations["completed_ns"].min() for part in self._parts))
        since_ns = started_ns - context.started_ns
        return replace(context, started_ns=started_ns, started_unix_ns=context.started_unix_ns + since_ns)

    @property
    def losses(self) -> Losses:
        lost = dict(self._picture.losses.lost)
        if self._picture.recent.dropped:
            lost[NOT_KEPT] = self._picture.recent.dropped
        return Losses(lost, self._picture.losses.untracked)

    @property
    def files(self) -> Mapping[int, File]:
        return self._picture.recent.files

    @cached_property
    def threads(self) -> Mapping[int, Thread]:
        met = (thread.activity for thread in self._picture.threads)
        return {each.tid: Thread(each.tid, each.tgid, each.name) for each in met}

    @cached_property
    def open_sockets(self) -> tuple[OpenSocket, ...]:
        """Where the target listens, which tells its side of the connections: their beginning may not be
        among the rows. Descriptor and inode of these sockets are not known any more."""
        served = {
            (each.local, each.protocol): each.tgid or 0
            for each in self._picture.connections
            if each.role == "server" and each.local is not None
        }
        return tuple(
            OpenSocket(tgid, -1, -number, Socket(_family(address, protocol), protocol, address, None, True))
            for number, ((address, protocol), tgid) in enumerate(served.items(), 1)
        )

    @cached_property
    def rings(self) -> tuple[Ring, ...]:
        tally = RingTally()
        for part in self._parts:
            tally.add(part.operations)
        return tuple(self._ring(ring, tally) for ring in self._picture.rings)

    def _ring(self, ring: RingNow, tally: RingTally) -> Ring:
        of, number = ring.summary, ring.summary.ring
        bits = {name: bit for bit, name in self.context.setup_flag_names.items()}
        flags = of.setup_flags
        return Ring(
            ring=number,
            tgid=of.tgid,
            fd=of.fd,
            flags=None
            if flags is None
            else sum(bits[name] if name in bits else int(name, 16) for name in flags),
            sq_entries=of.sq_entries,
            cq_entries=of.cq_entries,
            sq_thread=of.sq_thread,
            registered_files=of.registered_files,
            registered_buffers=of.registered_buffers,
            submitted=tally.ended[number],
            completions=tally.completions[number],
            overflows=tally.overflows[number],
            dropped=tally.dropped[number],
            messages=tally.messages[number],
            untracked=tally.untracked[number],
        )


def _family(address: str, protocol: str) -> str:
    if protocol == "unix":
        return "unix"
    return "inet6" if address.startswith("[") else "inet"


def record_kept(picture: Picture, path: Path) -> None:
    """Write the recording. Raises RecordingError without rows, and what `Writer` raises."""
    # Somebody waits for it, and no capture depends on its being late.
    with Writer(path, Kept(picture), RECORDS, niceness=0) as writer:
        for part in picture.recent.parts:
            writer.append(records_chunk(part))
