"""The formats of journal chunks, by the name that a segment's header carries.

A chunk is self-contained: decoding it needs no other chunk. The table is closed on
purpose; a name read from a file never decides what code is imported.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from uringtrace.errors import RecordingError
from uringtrace.tracer.record import OPERATION
from uringtrace.tracer.recording.journal import Segment
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records, only_operations

SLOTS = "slots-1"
"""64-byte slots as the operations ring buffer holds them."""
OPERATIONS = "operations-2"
"""Rows of dtype OPERATION."""
RECORDS = "records-1"
"""Three counts, u64, and as many rows of OPERATION, MEMORY and SOCKET_EVENT: see `records_chunk`."""

Chunk = bytes | memoryview | NDArray[np.generic]
"""Contiguous memory; what is in it only the decoder of its format knows."""

PIECE_SLOTS = 65536
"""Slots that are decoded at once: a drain of a full ring buffer is many times as many."""

Decode = Callable[[bytes], Iterator[Records]]

_COUNTS = struct.Struct("<QQQ")


def records_chunk(records: Records) -> bytes:
    """A chunk of the format RECORDS."""
    arrays = (records.operations, records.memory, records.socket_events)
    return _COUNTS.pack(*(array.size for array in arrays)) + b"".join(array.tobytes() for array in arrays)


def _decode_operations(chunk: bytes) -> Iterator[Records]:
    yield only_operations(np.frombuffer(chunk, OPERATION))


def _decode_records(chunk: bytes) -> Iterator[Records]:
    if len(chunk) < _COUNTS.size:
        raise ValueError("it is shorter than its head")
    arrays = []
    offset = _COUNTS.size
    for count, dtype in zip(_COUNTS.unpack_from(chunk), (OPERATION, MEMORY, SOCKET_EVENT), strict=True):
        arrays.append(np.frombuffer(chunk, dtype, count, offset))
        offset += count * dtype.itemsize
    yield Records(*arrays)


def _decode_slots(chunk: bytes) -> Iterator[Records]:
    from uringtrace.probes.slots import ARGUMENTS_KIND, OPERATION_SLOT
    from uringtrace.tracer.decode import decode_records

    slots = np.frombuffer(chunk, OPERATION_SLOT)
    begin = 0
    while begin < slots.size:
        end = begin + PIECE_SLOTS
        # A record's slots stay together.
        while end < slots.size and slots["kind"][end] >= ARGUMENTS_KIND:
            end += 1
        yield decode_records(slots[begin:end])
        begin = end


_DECODERS: dict[str, Decode] = {
    OPERATIONS: _decode_operations,
    RECORDS: _decode_records,
    SLOTS: _decode_slots,
}


def decoder(name: str) -> Decode:
    """The function from a chunk to records, in order; raises RecordingError for an unknown format."""
    try:
        return _DECODERS[name]
    except KeyError:
        way_out = "use the version of uringtrace that recorded it"
        raise RecordingError(f"unknown journal format {name!r}", way_out) from None


def segment_records(segment: Segment) -> Iterator[Records]:
    """The records of a segment in order. Raises RecordingError at a chunk that cannot be decoded."""
    if not segment.frames:
        return
    decode = decoder(segment.chunk_format)
    for position, chunk in enumerate(segment.chunks()):
        try:
            yield from decode(chunk)
        except (ValueError, IndexError) as error:
            raise RecordingError(f"{segment.path.name} is damaged: chunk {position}: {error}") from None
