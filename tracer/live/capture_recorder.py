"""Writes what a running capture brings to a recording as well, from one moment to another.

The feed hands every drain to `append` before it looks at it, so that recording and screen see
each once. The recording is one of its own: it begins when `start` was called, and its rings
and losses count from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Condition, Lock
from typing import Protocol

from uringtrace.errors import Error, RecordingError
from uringtrace.probes.ring_buffer import LONGEST_RUN
from uringtrace.probes.slots import Slots
from uringtrace.tracer.live.free_name import free_path
from uringtrace.tracer.open_sockets import open_sockets
from uringtrace.tracer.procfs import process_interests
from uringtrace.tracer.recording import Writer
from uringtrace.tracer.recording.chunks import SLOTS
from uringtrace.tracer.source import (
    Context,
    File,
    FilesAndFacts,
    Interest,
    Losses,
    OpenSocket,
    Ring,
    Thread,
)

_DRAIN_SECONDS = 5.0


class Recorded(FilesAndFacts, Protocol):
    """What a recorder needs of a running capture."""

    @property
    def pids(self) -> frozenset[int] | None:
        """The target's living processes; None for the whole machine."""
        ...

    def under_way_slots(self) -> Slots:
        """What has begun and not ended, as the slots that would end the capture now."""
        ...


class SinceThen:
    """The facts of a capture as if it had begun now; a `FilesAndFacts`."""

    def __init__(self, capture: Recorded, now_ns: int, now_unix_ns: int) -> None:
        self._capture = capture
        pids = capture.pids or frozenset()
        self.interests: tuple[Interest, ...] = tuple(
            interest for pid in pids for interest in process_interests(pid)
        )
        self._open = open_sockets(pids)
        self._told_before = len(capture.open_sockets)
        self.context: Context = replace(capture.context, started_ns=now_ns, started_unix_ns=now_unix_ns)
        self._rings = {ring.ring: ring for ring in capture.rings}
        self._losses = capture.losses

    @property
    def rings(self) -> tuple[Ring, ...]:
        """`in_flight_max` is that of the whole capture."""
        return tuple(self._since(ring) for ring in self._capture.rings)

    def _since(self, ring: Ring) -> Ring:
        before = self._rings.get(ring.ring)
        if before is None or not ring.ring:
            return ring
        return ring.since(before)

    @property
    def losses(self) -> Losses:
        now, before = self._capture.losses, self._losses
        lost = {kind: count - before.lost.get(kind, 0) for kind, count in now.lost.items()}
        return Losses(
            {kind: count for kind, count in lost.items() if count > 0}, now.untracked - before.untracked
        )

    @property
    def ended_ns(self) -> int:
        return max(self._capture.ended_ns, self.context.started_ns)

    @property
    def files(self) -> Mapping[int, File]:
        return self._capture.files

    @property
    def threads(self) -> Mapping[int, Thread]:
        return self._capture.threads

    @property
    def open_sockets(self) -> tuple[OpenSocket, ...]:
        return self._open + self._capture.open_sockets[self._told_before :]


class CaptureRecorder:
    """Implements `feed.Recorder`. `append` belongs to the feed's thread, the rest to any."""

    def __init__(
        self,
        capture: Recorded,
        folder: Path,
        *,
        convert: bool = True,
        clock: Callable[[], int] = time.monotonic_ns,
        unix_clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Recordings are made in `folder`, each with a name of its own.

        Without `convert` they stay journals, which only uringtrace reads, and are finished at once.
        """
        self._convert = convert
        self._capture = capture
        self._folder = folder
        self._clock = clock
        self._unix_clock = unix_clock
        self._lock = Condition()
        """Told of each drain."""
        self._drained_ns = self._complete_ns = 0
        """When the newest drain was over, and until when nothing is left to be drained."""
        self._finishing = Lock()
        self._writer: Writer | None = None
        self._over = False
        self._said = ""

    @property
    def path(self) -> str | None:
        writer = self._writer
        return str(writer.path) if writer else None

    def start(self, folder: Path | None = None) -> str:
        """Begin; the path. The one that is being written, if there is. Raises `Error`."""
        with self._lock:
            if self._over:
                raise RecordingError("the capture has ended: there is nothing more to record")
            if self._writer is None:
                unix_ns = self._unix_clock()
                facts = SinceThen(self._capture, self._clock(), unix_ns)
                self._writer = Writer(
                    free_path(folder or self._folder, self._capture.context.target, unix_ns), facts, SLOTS
                )
            return str(self._writer.path)

    def append(self, slots: Slots) -> None:
        """Write one drain, also an empty one. Where that fails the recording ends; `finish` tells."""
        with self._lock:
            # A full drain leaves more in the buffer. What it began with was there when the one before ended.
            if len(slots) < LONGEST_RUN:
                self._complete_ns = self._drained_ns
            self._drained_ns = self._capture.ended_ns
            self._lock.notify_all()
            writer = self._writer
            if writer is None:
                return
            try:
                writer.append(slots)
            except Error as error:
                self._writer = None
                self._said = self._finished(writer, error.message)

    def finish(self, until_ns: int | None = None) -> str:
        """Complete the recording; what was written, or why it ended before, in one line.

        It is complete afterwards, whoever began to complete it. With `until_ns` the drain that brings
        the last of what happened until then is waited for, some seconds at most; not in the feed's thread.
        """
        if until_ns is not None:
            with self._lock:
                self._lock.wait_for(lambda: self._over or self._complete_ns >= until_ns, _DRAIN_SECONDS)
        with self._finishing:
            return self._finish()

    def _finish(self) -> str:
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is None:
                return self._said or "nothing was recorded"
            if not self._over:
                try:
                    writer.append(self._capture.under_way_slots())
                except Error as error:
                    self._said = self._finished(writer, error.message)
                    return self._said
        # Conversion takes time, in which the feed goes on.
        self._said = self._finished(writer)
        return self._said

    def end(self) -> None:
        """The capture is over, and its last drain appended: complete what is being recorded."""
        with self._lock:
            self._over = True
            self._lock.notify_all()
        if self._writer is not None:
            self.finish()

    def _finished(self, writer: Writer, trouble: str = "") -> str:
        try:
            writer.finish(convert=self._convert)
        except Error as error:
            trouble = trouble or error.message
        line = f"{writer.rows:,} operations in {writer.path}"
        return f"{trouble}; {line}" if trouble else line
