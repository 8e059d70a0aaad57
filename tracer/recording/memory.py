"""User memory as one BLOB per operation, and back.

The BLOB is the row's arguments one after the other. Each is a head of 9 bytes, little
endian (`argument` u8, as `MEMORY.argument`; `total` u32; `length` u32), and `length`
bytes of data. Invariant: both directions work on whole arrays, and decoding what was
encoded gives the same pieces, the bytes past a piece's end zeroed.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.records import MEMORY, MEMORY_BYTES

_HEAD = np.dtype([("argument", "u1"), ("total", "<u4"), ("length", "<u4")])


def _starts(*keys: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where any of `keys` differs from the item before; shape of the keys."""
    starts = np.zeros(keys[0].size, np.bool_)
    starts[:1] = True
    for key in keys:
        starts[1:] |= key[1:] != key[:-1]
    return starts


def encoded(memory: NDArray[np.void]) -> tuple[NDArray[np.int64], list[bytes]]:
    """Rows that have memory, ascending, and the BLOB of each; `memory` has dtype MEMORY."""
    if not memory.size:
        return np.zeros(0, np.int64), []
    begins = _starts(memory["row"], memory["argument"])
    first = np.flatnonzero(begins)
    width = _HEAD.itemsize + MEMORY_BYTES
    table = np.zeros((memory.size, width), np.uint8)
    head = np.zeros(memory.size, _HEAD)
    head["argument"] = memory["argument"]
    head["total"][first] = memory["total"][first]
    head["length"][first] = np.add.reduceat(memory["length"].astype(np.uint32), first)
    table[:, : _HEAD.itemsize] = head.view(np.uint8).reshape(-1, _HEAD.itemsize)
    table[:, _HEAD.itemsize :] = np.ascontiguousarray(memory["data"]).view(np.uint8).reshape(-1, MEMORY_BYTES)
    column = np.arange(width)
    used = (column < _HEAD.itemsize + memory["length"][:, None]) & (
        begins[:, None] | (column >= _HEAD.itemsize)
    )
    content = table[used].tobytes()
    ends = np.cumsum(np.count_nonzero(used, axis=1))
    last = np.flatnonzero(np.append(memory["row"][1:] != memory["row"][:-1], True))
    bounds = [0, *ends[last].tolist()]
    blobs = [content[begin:end] for begin, end in pairwise(bounds)]
    return memory["row"][last].astype(np.int64), blobs


def decoded(rows: NDArray[np.int64], blobs: list[bytes]) -> NDArray[np.void]:
    """The pieces, dtype MEMORY, of `blobs`, which belong to `rows`, ascending.

    Raises ValueError for a BLOB that is not of this form.
    """
    content = np.frombuffer(b"".join(blobs), np.uint8)
    ends = np.cumsum(np.fromiter(map(len, blobs), np.int64, len(blobs)))
    cursor = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    open = np.arange(rows.size)
    owners, heads, positions = [], [], []
    while open.size:
        if (cursor[open] + _HEAD.itemsize > ends[open]).any():
            raise ValueError("memory ends within a head")
        where = cursor[open][:, None] + np.arange(_HEAD.itemsize)
        head = np.ascontiguousarray(content[where]).view(_HEAD).reshape(-1)
        owners.append(open)
        heads.append(head)
        positions.append(cursor[open] + _HEAD.itemsize)
        cursor[open] += _HEAD.itemsize + head["length"].astype(np.int64)
        if (cursor[open] > ends[open]).any():
            raise ValueError("memory ends within an argument")
        open = open[cursor[open] < ends[open]]
    if not owners:
        return np.zeros(0, MEMORY)
    order = np.argsort(np.concatenate(owners), kind="stable")
    owner, head = np.concatenate(owners)[order], np.concatenate(heads)[order]
    return _cut(rows[owner], head, np.concatenate(positions)[order], content)


def _cut(
    rows: NDArray[np.int64], head: NDArray[np.void], position: NDArray[np.int64], content: NDArray[np.uint8]
) -> NDArray[np.void]:
    """Arguments in pieces of MEMORY_BYTES; one of no bytes is one piece too."""
    length = head["length"].astype(np.int64)
    count = np.maximum(-(-length // MEMORY_BYTES), 1)
    argument = np.repeat(np.arange(head.size), count)
    number = np.arange(argument.size) - np.repeat(np.cumsum(count) - count, count)
    pieces = np.zeros(argument.size, MEMORY)
    pieces["row"] = rows[argument]
    pieces["argument"] = head["argument"][argument]
    pieces["total"] = head["total"][argument]
    pieces["length"] = np.minimum(length[argument] - number * MEMORY_BYTES, MEMORY_BYTES)
    where = (position[argument] + number * MEMORY_BYTES)[:, None] + np.arange(MEMORY_BYTES)
    inside = np.arange(MEMORY_BYTES) < pieces["length"][:, None]
    data = np.zeros(where.shape, np.uint8)
    data[inside] = content[where[inside]]
    pieces["data"] = data.view(MEMORY["data"]).reshape(-1)
    return pieces
