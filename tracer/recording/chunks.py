"""The formats of journal chunks, by the name that a segment's header carries.

A chunk is self-contained: decoding it needs no other chunk. The table is closed on
purpose; a name read from a file never decides what code is imported.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from uringtrace.errors import RecordingError
from uringtrace.tracer.record import OPERATION, Batch

SLOTS = "slots-1"
"""64-byte slots as the operations ring buffer holds them."""
OPERATIONS = "operations-1"
"""Rows of dtype OPERATION."""

Chunk = bytes | memoryview | NDArray[np.generic]
"""Contiguous memory; what is in it only the decoder of its format knows."""

Decode = Callable[[bytes], Batch]


def _decode_operations(chunk: bytes) -> Batch:
    return np.frombuffer(chunk, OPERATION)


def _decode_slots(chunk: bytes) -> Batch:
    from uringtrace.tracer.decode import decode

    return decode(chunk)


_DECODERS: dict[str, Decode] = {OPERATIONS: _decode_operations, SLOTS: _decode_slots}


def decoder(name: str) -> Decode:
    """The function from a chunk to a batch; raises RecordingError for an unknown format."""
    try:
        return _DECODERS[name]
    except KeyError:
        way_out = "use the version of uringtrace that recorded it"
        raise RecordingError(f"unknown journal format {name!r}", way_out) from None
