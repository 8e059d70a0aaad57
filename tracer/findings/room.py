"""Room in a table that must not grow for ever: who came first stays, and the rest is counted.

Invariant: what a rule says of a key that has room is whole.
"""

from __future__ import annotations

from collections.abc import Collection


class Room:
    """Of one table, for `most` keys."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.evicted = 0
        """Observations that found no room."""

    def has(self, table: Collection[object], key: object, observations: int = 1) -> bool:
        """Whether `key` is in the table or may come in; so many observations are given up if not."""
        if key in table or len(table) < self._most:
            return True
        self.evicted += observations
        return False
