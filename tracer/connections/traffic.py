"""What moved over each socket, summed up as arrays: one row per slot."""

from __future__ import annotations

from collections.abc import Sequence
from errno import EAGAIN, EALREADY, ECANCELED, EINPROGRESS, EINTR

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.moves import IN, OUT, Moves
from uringtrace.tracer.record import Batch, Kind, is_call

NOT_YET = (EAGAIN, EINTR, EINPROGRESS, EALREADY, ECANCELED, *range(512, 517))
"""Errors that are no failure: try again, or the program's own wish. From 512 on are the kernel's
internal codes for a call that a signal interrupted (include/linux/errno.h)."""

IO_URING, SYSCALL = 1, 2

TRAFFIC = np.dtype(
    [
        ("bytes_in", "<i8"),
        ("bytes_out", "<i8"),
        ("operations_in", "<i8"),
        ("operations_out", "<i8"),
        ("first_ns", "<u8"),  # 0: none, like the next two
        ("last_in_ns", "<u8"),
        ("last_out_ns", "<u8"),
        ("errors", "<i8"),
        ("last_error", "<i4"),
        ("inexact", "?"),
        ("interfaces", "u1"),  # bits IO_URING and SYSCALL
    ]
)


class Traffic:
    """Grows with the slots; `rows` has dtype TRAFFIC and at least as many rows as slots."""

    def __init__(self) -> None:
        self.rows = np.zeros(64, TRAFFIC)

    def grow(self, slots: int) -> None:
        if slots > len(self.rows):
            more = max(slots, 2 * len(self.rows)) - len(self.rows)
            self.rows = np.concatenate([self.rows, np.zeros(more, TRAFFIC)])

    def forget(self, slots: Sequence[int]) -> None:
        """Begin again from nothing with these."""
        self.rows[list(slots)] = np.zeros(1, TRAFFIC)

    def add_moves(self, batch: Batch, moves: Moves, slot: NDArray[np.int64]) -> None:
        """`slot` is the socket of each move, all known; moves ascend in time per file."""
        rows = self.rows
        time = batch["completed_ns"][moves.row]
        done = batch["result"][moves.row] >= 0
        for direction, name in ((IN, "in"), (OUT, "out")):
            chosen = (moves.direction == direction) & done
            np.add.at(rows[f"operations_{name}"], slot[chosen], 1)
            chosen &= moves.data
            np.add.at(rows[f"bytes_{name}"], slot[chosen], moves.bytes[chosen])
            np.maximum.at(rows[f"last_{name}_ns"], slot[chosen], time[chosen])
        data, when = slot[moves.data], time[moves.data]
        unset = rows["first_ns"][data] == 0
        rows["first_ns"][data[unset]] = np.uint64(2**64 - 1)
        np.minimum.at(rows["first_ns"], data, when)
        rows["inexact"][slot[~moves.exact]] = True
        interface = np.where(is_call(batch)[moves.row], SYSCALL, IO_URING).astype(np.uint8)
        np.bitwise_or.at(rows["interfaces"], slot, interface)

    def add_errors(self, batch: Batch, slot: NDArray[np.int64]) -> None:
        """`slot` is that of each row's first file, -1 for none."""
        result = batch["result"]
        chosen = np.flatnonzero((result < 0) & (slot >= 0) & (batch["kind"] == Kind.COMPLETION))
        chosen = chosen[~np.isin(-result[chosen], NOT_YET)]
        np.add.at(self.rows["errors"], slot[chosen], 1)
        self.rows["last_error"][slot[chosen]] = -result[chosen]
