"""Cuts a stream of operations at the whole seconds of the capture's clock.

A row belongs to the second in which it completed. Rows come nearly, not quite, in that
order: one that a later drain brings for a second that is over counts in the running one, so
nothing is counted twice or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from uringtrace.probes.rows import take_rows
from uringtrace.tracer.record import Batch

SECOND_NS = 1_000_000_000


class Follower(Protocol):
    """Sums up something per second."""

    def add(self, batch: Batch) -> None:
        """Rows of the running second."""
        ...

    def close(self, empty: int) -> None:
        """The running second is over, and after it `empty` more passed in which nothing happened."""
        ...


class Seconds:
    """Hands rows on to the followers, and tells them when a second is over."""

    def __init__(self, started_ns: int, followers: Sequence[Follower]) -> None:
        self._followers = followers
        self._end_ns = started_ns + SECOND_NS

    @property
    def ended_ns(self) -> int:
        """The end of the last whole second; the start when there was none."""
        return self._end_ns - SECOND_NS

    def add(self, batch: Batch) -> None:
        """Take one drain."""
        while len(batch):
            completed = batch["completed_ns"]
            later = completed >= np.uint64(self._end_ns)
            if not later.any():
                self._hand_on(batch)
                return
            if later.all():
                self.advance(int(completed.min()))
                continue
            self._hand_on(take_rows(batch, ~later))
            batch = take_rows(batch, later)
            self.advance(int(batch["completed_ns"].min()))

    def advance(self, now_ns: int) -> None:
        """It is `now_ns`, and what completed before has been added."""
        if now_ns < self._end_ns:
            return
        passed = (now_ns - self._end_ns) // SECOND_NS + 1
        for follower in self._followers:
            follower.close(passed - 1)
        self._end_ns += passed * SECOND_NS

    def _hand_on(self, batch: Batch) -> None:
        for follower in self._followers:
            follower.add(batch)
