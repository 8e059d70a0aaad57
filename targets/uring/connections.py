"""The connections of a ring server: each has a slot, and with it memory for its operations.

Invariant: a slot is taken from accept until the last completion of its connection is in,
so a number in `user_data` never means two connections.
"""

from __future__ import annotations

from collections.abc import Generator

from uringtrace.targets.http.exchange import Exchange
from uringtrace.targets.uring.memory import Memory

SLOTS = 4096
"""Connections at a time; what comes beyond is closed at once."""
PIECE = 64 << 10
"""Bytes that one SEND or READ moves at most; what a slot holds."""

Steps = Generator[None, int, None]
"""A conversation: it yields while an operation is in flight and is sent the result."""


class Connection:
    """One accepted connection."""

    __slots__ = (
        "conversation", "descriptor", "ended", "exchange", "leaving", "offset", "receiving", "resting",
        "slot",
    )  # fmt: skip

    conversation: Steps

    def __init__(self, slot: int, descriptor: int, exchange: Exchange) -> None:
        self.slot = slot
        self.descriptor = descriptor
        """A file descriptor, or a slot of the registered files."""
        self.exchange = exchange
        self.offset = slot * PIECE
        self.receiving = False
        """Its multishot RECV is armed."""
        self.ended = False
        """The peer sends nothing more, or is gone."""
        self.leaving = False
        """We close it: RECV is not to be armed again."""
        self.resting = False
        """The conversation waits for what RECV brings, not for an operation of its own."""


class Connections:
    """The open connections by slot, and the memory of all slots, of which only what is used is real."""

    def __init__(self) -> None:
        self.memory = Memory(SLOTS * PIECE)
        self._of_slot: list[Connection | None] = [None] * SLOTS
        self._free = list(range(SLOTS - 1, -1, -1))

    def __len__(self) -> int:
        return SLOTS - len(self._free)

    def __getitem__(self, slot: int) -> Connection:
        connection = self._of_slot[slot]
        if connection is None:
            raise KeyError(slot)
        return connection

    def open(self, descriptor: int, exchange: Exchange) -> Connection | None:
        """A connection with a slot; None when all are taken."""
        if not self._free:
            return None
        slot = self._free.pop()
        self._of_slot[slot] = connection = Connection(slot, descriptor, exchange)
        return connection

    def release(self, connection: Connection) -> None:
        """The connection is closed and nothing of it is in flight."""
        self._of_slot[connection.slot] = None
        self._free.append(connection.slot)

    def resting(self) -> list[Connection]:
        """Those whose conversation waits for data."""
        return [each for each in self._of_slot if each is not None and each.resting]
