"""The recorder: appends chunks to the journal and keeps meta.json current.

The drain path is one writev(2) per chunk. Everything else, conversion above all,
happens elsewhere or at most once a second.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np

from uringtrace.errors import Error, RecordingError, StorageError
from uringtrace.tracer.recording.chunks import Chunk
from uringtrace.tracer.recording.converter import LOWEST, Converter
from uringtrace.tracer.recording.files_log import FilesWriter
from uringtrace.tracer.recording.journal import SegmentWriter
from uringtrace.tracer.recording.layout import RESERVE_NAME, hold, segment_path, sync
from uringtrace.tracer.recording.metadata import (
    COMPLETE,
    DISK_FULL,
    RECORDING,
    SIZE_LIMIT,
    STOPPED,
    Failure,
    Metadata,
    Part,
    write_metadata,
)
from uringtrace.tracer.recording.output import check_output
from uringtrace.tracer.source import FilesAndFacts

SEGMENT_BYTES = 8 << 20
"""A segment closes at this size: 131,072 slots, the rows of a part at full speed. What the
converting process holds in memory grows with it."""

PART_SECONDS = 10.0
"""A segment closes after this time at the latest, in the first ten minutes."""

PART_FRACTION = 1 / 64
"""Later it may take this fraction of the recording's age, so that a day of little
traffic is some 400 parts and not 8640."""

METADATA_SECONDS = 1.0
"""meta.json is rewritten at most this often while recording."""
METADATA_SHARE = 1 / 20
"""Of the recorder's time at most this much goes into that."""

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Writer:
    """Writes one recording. Use as a context manager: leaving it finishes the recording."""

    def __init__(
        self,
        path: Path,
        source: FilesAndFacts,
        chunk_format: str,
        *,
        max_size: int | None = None,
        force: bool = False,
        on_wait: Callable[[int], None] = lambda segments: None,
        segment_bytes: int = SEGMENT_BYTES,
        niceness: int = LOWEST,
    ) -> None:
        """Create the directory.

        `chunk_format` is one of `uringtrace.tracer.recording.chunks`. `max_size` is in
        bytes. `on_wait` is called once, with the number of segments left, when
        finishing takes more than a second. `niceness` is that of the converting process.
        Raises RecordingError when nothing may be written at `path` and StorageError when
        there is no room.
        """
        if max_size is not None:
            segment_bytes = min(segment_bytes, max_size // 8)
        check_output(path, force=force)
        self.path = path
        self.status = RECORDING
        self.parts: list[Part] = []
        self._source = source
        self._chunk_format = chunk_format
        self._max_size = max_size
        self._on_wait = on_wait
        self._segment_bytes = segment_bytes
        self._closed_segments: dict[int, int] = {}
        self._failures: dict[int, Failure] = {}
        self._metadata_bytes = 0
        self._reserve_bytes = 0
        self._ended_ns = source.context.started_ns
        self._started = self._segment_started = self._next_metadata = time.monotonic()
        try:
            if os.path.lexists(path):
                shutil.rmtree(path)
            path.mkdir(mode=0o700)
        except OSError as error:
            raise RecordingError(f"cannot create {path}: {error.strerror}") from None
        self._lock = hold(path)
        try:
            self._reserve()
            self._files = FilesWriter(path)
            self._write_facts()
            self._segment = SegmentWriter(segment_path(path, 0), 0, chunk_format)
            self._converter = Converter(path, self._lock, niceness=niceness)
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            os.close(self._lock)
            raise StorageError(f"cannot write to {path}: {error.strerror}") from None

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self.status == RECORDING:
            self.status = STOPPED + (error.message if isinstance(error, Error) else repr(error))
        self.finish()

    @property
    def rows(self) -> int:
        """Rows in the closed parts: of the whole recording once it is finished."""
        return sum(part.rows for part in self.parts)

    @property
    def bytes(self) -> int:
        """What the files of the directory take."""
        parts = sum(part.bytes for part in self.parts)
        journal = sum(self._closed_segments.values()) + self._segment.bytes
        return parts + journal + self._files.bytes + self._metadata_bytes + self._reserve_bytes

    def append(self, chunk: Chunk) -> bool:
        """Write one chunk; an empty one marks an idle drain, call it then too.

        Returns False, and has written nothing, when the recording would exceed
        `max_size`: it is over then. Raises StorageError when the disk is full; what
        was appended before is kept.
        """
        view = chunk.data if isinstance(chunk, np.ndarray) else memoryview(chunk)
        if self._max_size is not None and view.nbytes:
            self._collect()
            if self.bytes + self._segment.frame_bytes(view) > self._max_size:
                self.status = SIZE_LIMIT
                return False
        try:
            if view.nbytes:
                if self._segment.frames and self._segment.bytes + view.nbytes > self._segment_bytes:
                    self._rotate()
                self._segment.append(view)
            self._ended_ns = max(self._ended_ns, self._source.ended_ns)
            now = time.monotonic()
            if self._segment.frames and now - self._segment_started >= self._longest_segment(now):
                self._rotate()
            if now >= self._next_metadata:
                self._collect()
                self._write_facts()
        except OSError as error:
            raise self._stop(error) from None
        return True

    def finish(self, *, convert: bool = True) -> None:
        """Convert what is left and write the last meta.json; the second call does nothing.

        Raises StorageError when some of the journal had to be left as it is. The
        recording is whole and readable by uringtrace then too. Without `convert`, which takes
        a while at the lowest priority, what is left stays a journal.
        """
        if self._lock < 0:
            return
        if self.status == RECORDING:
            self.status = COMPLETE
        (self.path / RESERVE_NAME).unlink(missing_ok=True)
        self._reserve_bytes = 0
        try:
            # Before the conversion: whoever interrupts that leaves a finished recording.
            self._write_facts()
            if convert:
                self._convert_rest()
            else:
                self._segment.close()
                self._collect()
            self._write_metadata()
            sync(self.path)
        except OSError as error:
            raise StorageError(f"cannot write to {self.path}: {error.strerror}") from None
        finally:
            self._converter.close()
            self._files.close()
            os.close(self._lock)
            self._lock = -1
        if convert and (left := sorted(self._closed_segments)):
            failure = self._failures.get(left[0])
            reason = failure.reason if failure else "the converting process ended"
            message = f"{len(left)} journal segments of {self.path} are not converted to Parquet: {reason}"
            raise StorageError(message, "they are kept: stat, log and query read them all the same")

    def _longest_segment(self, now: float) -> float:
        return max(PART_SECONDS, (now - self._started) * PART_FRACTION)

    def _stop(self, error: OSError) -> StorageError:
        full = error.errno in _DISK_FULL
        reason = error.strerror or str(error)
        self.status = DISK_FULL if full else STOPPED + reason
        what = "the disk is full" if full else reason
        message = f"recording to {self.path} stopped: {what}"
        return StorageError(message, "what was recorded until then is kept")

    def _reserve(self) -> None:
        """Set room aside with which to finish in order when the disk is full."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(self.path / RESERVE_NAME, flags, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._segment_bytes)
        finally:
            os.close(descriptor)
        self._reserve_bytes = self._segment_bytes

    def _rotate(self) -> None:
        """Close the segment, hand it to the converter and begin the next."""
        # The converter asks what the files of a segment are.
        self._files.write(self._source.files)
        following = self._segment.number + 1
        segment = SegmentWriter(segment_path(self.path, following), following, self._chunk_format)
        self._close_segment()
        self._segment = segment
        self._segment_started = time.monotonic()

    def _close_segment(self) -> None:
        self._segment.close()
        self._closed_segments[self._segment.number] = self._segment.bytes
        self._converter.submit(self._segment.number)

    def _collect(self) -> None:
        """Note which segments have become parts meanwhile."""
        for result in self._converter.results():
            if isinstance(result, Failure):
                self._failures[result.number] = result
                continue
            del self._closed_segments[result.number]
            if result.bytes:
                self.parts.append(result)

    def _convert_rest(self) -> None:
        self._close_segment()
        self._segment.bytes = 0
        self._collect()
        # With the reserve released, what failed for want of room may work now.
        for number in sorted(self._failures):
            self._converter.submit(number)
        self._failures.clear()
        self._converter.finish()
        if not self._converter.wait(1.0):
            self._collect()
            self._on_wait(len(self._closed_segments))
            while not self._converter.wait(1.0):
                self._collect()
        self._collect()

    def _write_facts(self) -> None:
        self._files.write(self._source.files)
        self._write_metadata()

    def _write_metadata(self) -> None:
        source = self._source
        metadata = Metadata(
            context=source.context,
            status=self.status,
            ended_ns=self._ended_ns,
            rings=source.rings,
            threads=source.threads,
            interests=source.interests,
            open_sockets=source.open_sockets,
            losses=source.losses,
            parts=tuple(sorted(self.parts, key=lambda part: part.number)),
        )
        started = time.monotonic()
        self._metadata_bytes = write_metadata(self.path, metadata)
        ended = time.monotonic()
        self._next_metadata = ended + max(METADATA_SECONDS, (ended - started) / METADATA_SHARE)
