"""Arrays that a system call pointed to, as numpy arrays over all rows at once.

User memory comes in pieces of `MEMORY_BYTES`, which is a multiple of every item read
here but a 16-byte one's remainder, so that no item lies across two pieces. Invariant:
items keep the order of rows, and within a row that of the user's array.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.rows import take_rows
from uringtrace.tracer.records import MEMORY_BYTES


class Items(NamedTuple):
    """Items of all rows, one after the other; each array has shape (items,)."""

    row: NDArray[np.int64]
    position: NDArray[np.int64]
    """Index in the array of its row, from 0."""
    item: NDArray[Any]


def chosen_pieces(memory: NDArray[np.void], rows: NDArray[np.bool_], *arguments: int) -> NDArray[np.void]:
    """The pieces of `arguments` (codes of `MEMORY.argument`) in rows for which `rows` holds.

    `memory` has dtype `MEMORY`, `rows` the shape (n,) of the operations.
    """
    wanted = rows[memory["row"]] & np.isin(memory["argument"], arguments)
    pieces: NDArray[np.void] = take_rows(memory, wanted)
    return pieces


def items_of(pieces: NDArray[np.void], item: np.dtype[Any]) -> Items:
    """The complete items of dtype `item` in `pieces` of one argument (dtype `MEMORY`)."""
    per_piece = MEMORY_BYTES // item.itemsize
    data = piece_bytes(pieces)[:, : per_piece * item.itemsize]
    items = np.ascontiguousarray(data).view(item).reshape(-1, per_piece)
    number = np.arange(per_piece)
    whole = number < (pieces["length"] // item.itemsize)[:, None]
    position = piece_numbers(pieces["row"])[:, None] * per_piece + number
    row = np.broadcast_to(pieces["row"].astype(np.int64)[:, None], whole.shape)
    return Items(row[whole], position[whole], items[whole])


def piece_bytes(pieces: NDArray[np.void]) -> NDArray[np.uint8]:
    """The bytes of each piece, shape (pieces, MEMORY_BYTES); those past `length` mean nothing."""
    return np.ascontiguousarray(pieces["data"]).view(np.uint8).reshape(-1, MEMORY_BYTES)


def piece_numbers(rows: NDArray[np.uint32]) -> NDArray[np.int64]:
    """For pieces of one argument, by their rows: the how manieth of its row each is, from 0."""
    index = np.arange(rows.size)
    if not rows.size:
        return index
    first = np.concatenate([[True], rows[1:] != rows[:-1]])
    return index - np.maximum.accumulate(np.where(first, index, 0))
