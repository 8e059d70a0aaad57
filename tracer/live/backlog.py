"""Slots that were drained and are still to be counted.

They are given out in pieces of a good size: decoding and counting cost by the call as well as
by the row, and a piece should stay in the processor's cache. The slots of one record stay together.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from uringtrace.probes.rows import join_rows
from uringtrace.probes.slots import ARGUMENTS_KIND, Slots

PIECE_SLOTS = 16_384


class Backlog:
    """First in, first out."""

    def __init__(self, piece_slots: int = PIECE_SLOTS) -> None:
        self._piece_slots = piece_slots
        self._drains: deque[Slots] = deque()
        self.waiting = 0
        """Slots."""

    def append(self, slots: Slots) -> None:
        """One drain, which begins with the first slot of a record and has all slots of its records."""
        if len(slots):
            self._drains.append(slots)
            self.waiting += len(slots)

    def take(self) -> Slots | None:
        """The oldest, about `piece_slots` if there are so many; None when there are none."""
        if not self._drains:
            return None
        chosen = [self._drains.popleft()]
        count = len(chosen[0])
        while self._drains and count + len(self._drains[0]) <= self._piece_slots:
            chosen.append(self._drains.popleft())
            count += len(chosen[-1])
        whole = join_rows(chosen) if len(chosen) > 1 else chosen[0]
        if len(whole) > 2 * self._piece_slots:
            begins = np.flatnonzero(whole["kind"][self._piece_slots :] < ARGUMENTS_KIND)
            if len(begins):
                end = self._piece_slots + int(begins[0])
                self._drains.appendleft(whole[end:])
                whole = whole[:end]
        self.waiting -= len(whole)
        return whole
