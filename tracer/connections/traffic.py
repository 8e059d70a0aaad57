"""What moved over each socket, summed up as arrays: one row per slot."""

from __future__ import annotations

from collections.abc import Sequence
from errno import EAGAIN, EALREADY, ECANCELED, EINPROGRESS, EINTR

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.by_slot import add_counts, add_sums
from uringtrace.tracer.connections.columns import Columns
from uringtrace.tracer.connections.moves import IN, OUT, Moves
from uringtrace.tracer.record import FIRST_CALL, Kind

NOT_YET = (EAGAIN, EINTR, EINPROGRESS, EALREADY, ECANCELED, *range(512, 517))
"""Errors that are no failure: try again, or the program's own wish. From 512 on are the kernel's
internal codes for a call that a signal interrupted (include/linux/errno.h)."""

IO_URING, SYSCALL = 1, 2
_NEVER = np.uint64(2**64 - 1)

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

    def add_moves(self, batch: Columns, moves: Moves, slot: NDArray[np.int64]) -> None:
        """`slot` is the socket of each move, all known; `batch` ascends in time."""
        if not len(slot):
            return
        rows = self.rows
        time = batch["completed_ns"][moves.row]
        done = batch["result"][moves.row] >= 0
        # The moves of first files come before those of second ones, and each of the two ascend in time.
        ascending = not moves.second.any()
        for direction, name in ((IN, "in"), (OUT, "out")):
            chosen = (moves.direction == direction) & done
            add_counts(rows[f"operations_{name}"], slot[chosen])
            chosen &= moves.data
            owner, when = slot[chosen], time[chosen]
            if not len(owner):
                continue
            add_sums(rows[f"bytes_{name}"], owner, moves.bytes[chosen])
            last = rows[f"last_{name}_ns"]
            if ascending:
                # Of several for one socket the last is assigned.
                newest = np.zeros(len(rows), np.uint64)
                newest[owner] = when
                np.maximum(last, newest, out=last)
            else:
                np.maximum.at(last, owner, when)
        self._note_first(slot[moves.data], time[moves.data], ascending=ascending)
        rows["inexact"][slot[~moves.exact]] = True
        call = batch["opcode"][moves.row] >= FIRST_CALL
        for interface, mask in ((SYSCALL, call), (IO_URING, ~call)):
            used = np.zeros(len(rows), np.uint8)
            used[slot[mask]] = interface
            rows["interfaces"] |= used

    def _note_first(self, owner: NDArray[np.int64], when: NDArray[np.uint64], *, ascending: bool) -> None:
        """The first byte of those that had none; an older one that comes late counts as well."""
        first = self.rows["first_ns"]
        if ascending:
            oldest = np.full(len(first), _NEVER)
            oldest[owner[::-1]] = when[::-1]
            found = oldest < np.where(first == 0, _NEVER, first)
            first[found] = oldest[found]
        else:
            first[owner[first[owner] == 0]] = _NEVER
            np.minimum.at(first, owner, when)

    def add_errors(self, batch: Columns, slot: NDArray[np.int64]) -> None:
        """`slot` is that of each row's first file, -1 for none."""
        result = batch["result"]
        chosen = np.flatnonzero((result < 0) & (slot >= 0) & (batch["kind"] == Kind.COMPLETION))
        if not len(chosen):
            return
        chosen = chosen[~np.isin(-result[chosen], NOT_YET)]
        np.add.at(self.rows["errors"], slot[chosen], 1)
        self.rows["last_error"][slot[chosen]] = -result[chosen]
