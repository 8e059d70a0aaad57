"""Sub-tracks for operations that overlap: each is placed where the one before it has ended.

Perfetto nests slices of one track by time, so that two which merely overlap would be shown wrong.
"""

from __future__ import annotations

from bisect import bisect_right


class Lanes:
    """Places stretches of time in numbered lanes, from 0, so that none in a lane overlap.

    What is placed in the order of its end, as a recording has it, needs as many lanes as there
    are stretches at once at most: the lane that was free for the shortest time is taken.
    """

    __slots__ = ("_ends", "_numbers")

    def __init__(self) -> None:
        self._ends: list[int] = []
        """Ascending: when the last stretch of each lane ends."""
        self._numbers: list[int] = []
        """The lane's number, at the same index."""

    def place(self, began_ns: int, ended_ns: int) -> int:
        """The number of the lane for this stretch; equal moments do not overlap."""
        free = bisect_right(self._ends, began_ns)
        if free:
            number = self._numbers.pop(free - 1)
            self._ends.pop(free - 1)
        else:
            number = len(self._numbers)
        position = bisect_right(self._ends, ended_ns)
        self._ends.insert(position, ended_ns)
        self._numbers.insert(position, number)
        return number
