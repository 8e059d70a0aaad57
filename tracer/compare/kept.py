"""What a capture brought, kept on disk for the time of a comparison and read as often as is needed.

A journal as a recording has it, but no recording: nothing is converted, so that reading begins at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from uringtrace.errors import StorageError
from uringtrace.tracer.record import Batch
from uringtrace.tracer.recording.chunks import SLOTS, Chunk, segment_records
from uringtrace.tracer.recording.journal import SegmentWriter, open_segment
from uringtrace.tracer.records import Records
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


class Kept:
    """Takes a capture's chunks; after `close` it is a `Source`."""

    def __init__(self, path: Path, capture: FilesAndFacts, chunk_format: str = SLOTS) -> None:
        """Create the file. Raises StorageError."""
        self._path = path
        self._capture = capture
        self._chunk_format = chunk_format
        try:
            self._segment = SegmentWriter(path, 0, chunk_format)
        except OSError as error:
            raise StorageError(f"cannot write to {path}: {error.strerror}") from None

    def append(self, chunk: Chunk) -> None:
        """Write one chunk. Raises StorageError."""
        view = chunk.data if isinstance(chunk, np.ndarray) else memoryview(chunk)
        if not view.nbytes:
            return
        try:
            self._segment.append(view)
        except OSError as error:
            raise StorageError(f"cannot write to {self._path}: {error.strerror}") from None

    def close(self) -> None:
        """Take the facts as they are now: the capture may go after this."""
        self._segment.close()
        capture = self._capture
        self.context: Context = capture.context
        self.rings: tuple[Ring, ...] = capture.rings
        self.losses: Losses = capture.losses
        self.ended_ns: int = capture.ended_ns
        self.files: Mapping[int, File] = capture.files
        self.threads: Mapping[int, Thread] = capture.threads
        self.interests: tuple[Interest, ...] = capture.interests
        self.open_sockets: tuple[OpenSocket, ...] = capture.open_sockets

    def records(self) -> Iterator[Records]:
        """Everything, each drain in the order of completion. May be called again."""
        for records in segment_records(open_segment(self._path)):
            yield records.sorted_by_completion()

    def batches(self) -> Iterator[Batch]:
        return (records.operations for records in self.records())
