"""What all connections of a run share, and how far one of them can have come."""

from __future__ import annotations

import select
import ssl
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from uringtrace.targets.load.answers import Head
from uringtrace.targets.load.plan import Plan
from uringtrace.targets.load.schedule import Schedule
from uringtrace.targets.load.tally import Tally

if TYPE_CHECKING:
    from uringtrace.targets.load.connection import Connection


class State(Enum):
    """How far a connection has come."""

    CLOSED = auto()
    CONNECTING = auto()
    HANDSHAKE = auto()
    OPEN = auto()


@dataclass(slots=True)
class Crew:
    """What all connections of a run share."""

    plan: Plan
    request: bytes
    schedule: Schedule
    tally: Tally
    epoll: select.epoll
    context: ssl.SSLContext | None
    heads: dict[bytes, Head | None] = field(default_factory=dict)
    by_descriptor: dict[int, Connection] = field(default_factory=dict)
    idle: deque[Connection] = field(default_factory=deque)
    """In an open loop: those that can take a request when one is due."""
    resting: deque[tuple[int, Connection]] = field(default_factory=deque)
    """Those that did not come about, and when they may try again, the soonest first."""
    reached: bool = False
    """Whether any connection ever came about."""
    failure: str = ""
    """Why none did, as long as none has."""
    waited: int = 0
    """In an open loop: requests that were due while no connection was free."""
    max_delay_ns: int = 0
    """In an open loop: the longest time from when a request was due to its sending."""
