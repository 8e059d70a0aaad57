"""What the server asks of a handshake, whoever makes it.

A back end is a `Handshakes`: it begins one `Handshake` for each connection. That one is fed
whole records and says what to send; it reads and writes nothing itself. Invariant: when it
is done, no byte beyond the client's Finished has been taken, so that the client's
application records start at sequence 0, wherever they are opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from uringtrace.targets.tls.key_schedule import Suite


class HandshakeFailed(Exception):
    """It is over: send `farewell`, an alert as it has to look at this stage, and close."""

    def __init__(self, reason: str, farewell: bytes) -> None:
        super().__init__(reason)
        self.reason = reason
        self.farewell = farewell


@dataclass(frozen=True, slots=True)
class Established:
    """The result of a handshake: all that protecting application data takes."""

    suite: Suite
    client_secret: bytes = field(repr=False)
    server_secret: bytes = field(repr=False)
    tx_records: int
    """How many records the server's secret has protected already: session tickets."""


class Handshake(Protocol):
    """The server's side of one handshake."""

    @property
    def established(self) -> Established | None:
        """None until the client's Finished has been verified."""

    def feed(self, record: bytes) -> bytes:
        """Take one record of the client, with its header: what to send, which may be nothing.

        Five bytes that are no record's header are fed alone. Raises HandshakeFailed.
        """


class Handshakes(Protocol):
    """A back end."""

    @property
    def name(self) -> str:
        """As `--handshake` takes it."""

    @property
    def notice(self) -> str | None:
        """What whoever starts the server must know."""

    def begin(self) -> Handshake:
        """For a connection that was just accepted."""
