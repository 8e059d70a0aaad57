"""Records of one system call with the user memory that a test writes down."""

import struct
from collections.abc import Mapping

import numpy as np

from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import MEMORY, MEMORY_BYTES, SOCKET_EVENT, Records

Content = bytes | tuple[bytes, int]
"""What was read; with how much there was to read where that is more."""


def remembering(batch: Batch, memory: Mapping[int, Content]) -> Records:
    """`batch` of one row; `memory` by argument code, cut into pieces as the probes do."""
    pieces = []
    for argument, content in memory.items():
        data, total = content if isinstance(content, tuple) else (content, len(content))
        for start in range(0, len(data), MEMORY_BYTES):
            piece = data[start : start + MEMORY_BYTES]
            pieces.append((0, argument, len(piece), total, piece.ljust(MEMORY_BYTES, b"\xaa")))
    return Records(batch, np.array(pieces, MEMORY), np.zeros(0, SOCKET_EVENT))


def string(text: str) -> bytes:
    return text.encode("latin-1") + b"\0"


def internet(host: str, port: int) -> bytes:
    """struct sockaddr_in"""
    return struct.pack("<H", 2) + port.to_bytes(2) + bytes(map(int, host.split("."))) + bytes(8)


def pollfds(*items: tuple[int, int, int]) -> bytes:
    return b"".join(struct.pack("<iHH", *item) for item in items)


def epoll_events(*items: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<IQ", *item) for item in items)


def words(*values: int) -> bytes:
    """Numbers of 64 bits."""
    return struct.pack(f"<{len(values)}q", *values)


def numbers(*values: int) -> bytes:
    """Numbers of 32 bits."""
    return struct.pack(f"<{len(values)}i", *values)
