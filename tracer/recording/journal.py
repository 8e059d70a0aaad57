"""The journal: chunks on disk exactly as the drain delivered them.

A segment is a header and frames; a frame is a header and a chunk. Frames are only
appended, so whatever ends the writer leaves whole frames and at most one torn one
at the end. Nothing is converted here: this is the path that must keep up.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from uringtrace.errors import RecordingError

JOURNAL_VERSION = 1

_SEGMENT_HEADER = struct.Struct("<8sIIQ40s")
"""Magic, version, header size, segment number, name of the chunk format."""
_SEGMENT_MAGIC = b"URTJRNL\n"
_FRAME_HEADER = struct.Struct("<4sIQ")
"""Magic, bytes of the chunk, number of the frame in its segment."""
_FRAME_MAGIC = b"CHNK"


class SegmentWriter:
    """One open segment. `bytes` is its size up to the last whole frame."""

    def __init__(self, path: Path, number: int, chunk_format: str) -> None:
        """Create the segment with mode 0600. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self.path = path
        self.number = number
        self.frames = 0
        self.bytes = 0
        header = _SEGMENT_HEADER.pack(
            _SEGMENT_MAGIC, JOURNAL_VERSION, _SEGMENT_HEADER.size, number, chunk_format.encode("ascii")
        )
        self._write(memoryview(header))

    @staticmethod
    def frame_bytes(chunk: memoryview) -> int:
        """Size of the frame that holds `chunk`."""
        return _FRAME_HEADER.size + chunk.nbytes

    def append(self, chunk: memoryview) -> None:
        """Write one frame; on OSError the segment ends before it."""
        header = _FRAME_HEADER.pack(_FRAME_MAGIC, chunk.nbytes, self.frames)
        self._write(memoryview(header), chunk)
        self.frames += 1

    def _write(self, *parts: memoryview) -> None:
        size = sum(part.nbytes for part in parts)
        written = 0
        try:
            written = os.writev(self._descriptor, parts)
            if written < size:
                # Short writes are what a disk that fills up gives first (write(2)).
                rest = memoryview(b"".join(parts))[written:]
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, self.bytes)
            os.lseek(self._descriptor, self.bytes, os.SEEK_SET)
            raise
        self.bytes += size

    def close(self) -> None:
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Segment:
    """The whole frames of a segment file."""

    path: Path
    chunk_format: str
    frames: tuple[tuple[int, int], ...]
    """Offset and size of each chunk."""
    torn_bytes: int
    """Bytes after the last whole frame."""

    def chunks(self) -> Iterator[bytes]:
        """Each chunk in order. Raises OSError."""
        with self.path.open("rb") as file:
            for offset, size in self.frames:
                file.seek(offset)
                yield file.read(size)


def open_segment(path: Path) -> Segment:
    """Find the whole frames of a segment.

    Raises FileNotFoundError when it has become a part meanwhile, and RecordingError
    when the header is not one of a segment that this version reads.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = file.read(_SEGMENT_HEADER.size)
        if len(header) < _SEGMENT_HEADER.size:
            return Segment(path, "", (), size)
        magic, version, header_size, _, name = _SEGMENT_HEADER.unpack(header)
        if magic != _SEGMENT_MAGIC:
            raise RecordingError(f"{path.name} is damaged: not a journal segment")
        if version != JOURNAL_VERSION:
            raise RecordingError(f"{path.name} has journal version {version}, not {JOURNAL_VERSION}")
        frames = tuple(_whole_frames(file, header_size, size))
    end = sum(frames[-1]) if frames else header_size
    return Segment(path, name.rstrip(b"\0").decode("ascii", "replace"), frames, size - end)


def _whole_frames(file: BinaryIO, offset: int, size: int) -> Iterator[tuple[int, int]]:
    number = 0
    while offset + _FRAME_HEADER.size <= size:
        file.seek(offset)
        magic, length, written_number = _FRAME_HEADER.unpack(file.read(_FRAME_HEADER.size))
        offset += _FRAME_HEADER.size
        if magic != _FRAME_MAGIC or written_number != number or offset + length > size:
            return
        yield offset, length
        offset += length
        number += 1
