"""Event loops that misbehave: each differs from `Loop` in the one thing it gets wrong."""

from __future__ import annotations

import select
import socket

from uringtrace.targets.faults.pieces import TinyWrites
from uringtrace.targets.readiness.connection import Connection, Want
from uringtrace.targets.readiness.loop import Loop
from uringtrace.targets.readiness.mechanisms import READ, WRITE

_ACCEPTS_TOO_MANY = 50


class Starving(Loop):
    """A connection is served as long as it has requests.

    Counted: how often its share was used up while others were ready, and it went on. To know
    that, this loop asks poll(2) with a timeout of 0 about the others each time.
    """

    def serve(self, connection: Connection) -> Want:
        want = super().serve(connection)
        while want is Want.TURN and not self.stop.requested:
            if self._others_are_ready(connection):
                self.tally.fault()
            want = super().serve(connection)
        return want

    def _others_are_ready(self, busy: Connection) -> bool:
        others = select.poll()
        others.register(self.listener, READ)
        for connection in self.connections.values():
            if connection is not busy and connection.want in (Want.INPUT, Want.OUTPUT):
                others.register(connection.socket, READ if connection.want is Want.INPUT else WRITE)
        return bool(others.poll(0))


class Spinning(Loop):
    """accept is called 50 times more whenever there were connections to take, whatever it says.

    Counted: how often it said EAGAIN.
    """

    def accept(self) -> None:
        super().accept()
        for _ in range(_ACCEPTS_TOO_MANY):
            self.accept_one()

    def nothing_to_accept(self) -> None:
        self.tally.fault()


class Leaking(Loop):
    """What the peer has closed is no longer watched, but never closed.

    Counted: such connections. They end with the process.
    """

    def end(self, connection: Connection) -> None:
        if not (connection.ended_by_peer or connection.broken):
            super().end(connection)
            return
        # The object goes, the descriptor stays.
        fd = connection.socket.detach()
        self.mechanism.remove(fd)
        del self.connections[fd]
        self.tally.fault()


class Herding(Loop):
    """One of several loops that are all woken for a connection which one of them can have.

    Counted: how often a loop found nothing to accept when it was told that there was something.
    """

    def nothing_to_accept(self) -> None:
        self.tally.fault()


class Piecemeal(Loop):
    """An answer leaves line by line, over sockets on which the kernel gathers small segments.

    The first line goes at once. The others wait until the peer has acknowledged it, and a peer that
    waits for the rest does so when its timer for that has expired (Nagle against delayed ACK).
    Counted: the writes.
    """

    output = TinyWrites

    def watch_listener(self) -> None:
        # Accepted sockets inherit it.
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        super().watch_listener()
