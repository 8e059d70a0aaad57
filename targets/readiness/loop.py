"""The event loop of the servers that wait for readiness: one thread, all connections.

One turn of the loop waits for readiness, lets every connection that is ready have its turn,
accepts, and does what is due by now. The descriptors of new connections come last, so that
no event of a turn can be taken for that of an older descriptor with the same number.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterable
from functools import partial

from uringtrace.targets.http.exchange import Exchange
from uringtrace.targets.http.service import Service
from uringtrace.targets.readiness.connection import Connection, Want
from uringtrace.targets.readiness.deadlines import Deadlines
from uringtrace.targets.readiness.mechanisms import BROKEN, READ, WRITE, Mechanism
from uringtrace.targets.readiness.output import Output
from uringtrace.targets.serving import say
from uringtrace.targets.stop import Stop
from uringtrace.targets.truth import Tally

_MOST_ACCEPTS = 64
_SIGNALS = 64
"""Read at once from the wake-up descriptor, a byte each."""
_ACCEPT_AGAIN_MS = 100
_LEAVE_MS = 1000
_GRACE_MS = 2000
_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_WATCHED_FOR = {Want.INPUT: READ, Want.LEAVE: READ, Want.OUTPUT: WRITE, Want.DELAY: 0}


class Loop:
    """One thread's event loop over one listener."""

    output: type[Output] = Output

    def __init__(
        self,
        mechanism: Mechanism,
        listener: socket.socket,
        service: Service,
        tally: Tally,
        stop: Stop,
        in_request: Callable[[], None] | None = None,
    ) -> None:
        """`listener` is nonblocking. `in_request` is called for every request."""
        self.mechanism = mechanism
        self.listener = listener
        self.tally = tally
        self.stop = stop
        self.connections: dict[int, Connection] = {}
        self.beyond_limit = 0
        """Connections that were closed at once, because the mechanism cannot watch them."""
        self._service = service
        self._in_request = in_request
        self._deadlines = Deadlines()
        self._unfinished: dict[Connection, None] = {}
        self._may_accept = False
        self._out_of_descriptors = False
        self._said: set[str] = set()
        self._ending = False
        self._wakeup = stop.wakeup()

    def run(self) -> None:
        """Serve until the server shall stop, and then for as long as answers are due, at most 2 s."""
        self.mechanism.add(self._wakeup, READ)
        self.watch_listener()
        while self.connections or not self.stop.requested:
            if self.stop.requested and not self._ending:
                self._begin_to_end()
                continue
            self._turn()
        if not self._ending:
            self._begin_to_end()

    def watch_listener(self) -> None:
        """Wait for connections, from now on or again."""
        self.mechanism.add(self.listener.fileno(), READ)

    def accept(self) -> None:
        """Take connections: one for each readiness, or, edge-triggered, until there is none left."""
        for _ in range(_MOST_ACCEPTS if self.mechanism.edge else 1):
            if not self.accept_one():
                self._may_accept = False
                return
        self._may_accept = self.mechanism.edge

    def accept_one(self) -> bool:
        """Call accept once; whether it is worth another call."""
        try:
            accepted, _ = self.listener.accept()
        except BlockingIOError:
            self.nothing_to_accept()
            return False
        except OSError as error:
            if error.errno in _OUT_OF_RESOURCES:
                self._pause_accepting(error)
                return False
            # One that failed before it was accepted is not the last (accept(2), "Error handling").
            return error.errno != errno.EINVAL
        self._take(accepted)
        return True

    def nothing_to_accept(self) -> None:
        """accept has said EAGAIN."""

    def serve(self, connection: Connection) -> Want:
        """Give a connection its turn; raises OSError when its peer is gone."""
        return connection.turn()

    def end(self, connection: Connection) -> None:
        """Close a connection: all is done, or its peer has gone."""
        fd = connection.socket.fileno()
        self.mechanism.closing(fd)
        del self.connections[fd]
        self._unfinished.pop(connection, None)
        connection.close()
        if self._out_of_descriptors:
            self._accept_again()

    def _turn(self) -> None:
        due: dict[Connection, None] = {}
        for fd, mask in self.mechanism.wait(self._seconds()):
            connection = self.connections.get(fd)
            if fd == self._wakeup:
                os.read(fd, _SIGNALS)
            elif connection is None:
                # A listener hangs up when it is shut down: the request to stop is on its way.
                self._may_accept = not mask & BROKEN
            elif _concerns(connection, mask):
                due[connection] = None
        due.update(self._unfinished)
        self._unfinished.clear()
        self._serve_all(due)
        if self._may_accept and not self.stop.requested:
            self.accept()
        self._deadlines.call_due()

    def _seconds(self) -> float | None:
        if self._unfinished or self._may_accept:
            return 0
        return self._deadlines.seconds_left()

    def _serve_all(self, connections: Iterable[Connection]) -> None:
        for connection in connections:
            before = connection.want
            try:
                want = Want.END if connection.broken else self.serve(connection)
            except OSError:
                connection.broken = True
                want = Want.END
            if want is Want.END or (want in (Want.INPUT, Want.LEAVE) and self._ending):
                self.end(connection)
                continue
            if want is Want.TURN:
                self._unfinished[connection] = None
            elif want is Want.DELAY:
                self._deadlines.after(connection.delay_ms, partial(self._delay_is_over, connection))
            elif want is Want.LEAVE and before is not Want.LEAVE:
                self._deadlines.after(_LEAVE_MS, partial(self._end_now, connection))
            self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        # Edge-triggered, everything is watched once and for all.
        mask = _WATCHED_FOR.get(connection.want, connection.watched)
        if mask != connection.watched and not self.mechanism.edge:
            self.mechanism.change(connection.socket.fileno(), mask)
            connection.watched = mask

    def _take(self, accepted: socket.socket) -> None:
        self.tally.accepted()
        fd = accepted.fileno()
        if self.mechanism.limit is not None and fd >= self.mechanism.limit:
            self.beyond_limit += 1
            self._say_once(
                "limit",
                f"no descriptor from {self.mechanism.limit} on can be watched: more are closed at once",
            )
            accepted.close()
            self.tally.closed()
            return
        accepted.setblocking(False)
        connection = Connection(
            accepted,
            Exchange(self._service),
            self.tally,
            drain=self.mechanism.edge,
            in_request=self._in_request,
            output=self.output,
        )
        connection.watched = READ | WRITE if self.mechanism.edge else READ
        self.mechanism.add(fd, connection.watched)
        self.connections[fd] = connection

    def _pause_accepting(self, error: OSError) -> None:
        """Level-triggered, the listener would be reported again and again."""
        self._say_once("accept", f"accept: {error.strerror}: further connections wait until one is closed")
        if not self._out_of_descriptors:
            self._out_of_descriptors = True
            self.mechanism.remove(self.listener.fileno())
            self._deadlines.after(_ACCEPT_AGAIN_MS, self._accept_again)

    def _accept_again(self) -> None:
        if self._out_of_descriptors and not self._ending:
            self._out_of_descriptors = False
            self.watch_listener()

    def _delay_is_over(self, connection: Connection) -> None:
        if self._is_open(connection):
            connection.delay_is_over()
            self._serve_all((connection,))

    def _end_now(self, connection: Connection) -> None:
        if self._is_open(connection):
            self.end(connection)

    def _is_open(self, connection: Connection) -> bool:
        return self.connections.get(connection.socket.fileno()) is connection

    def _begin_to_end(self) -> None:
        self._ending = True
        self._may_accept = False
        if not self._out_of_descriptors:
            self.mechanism.remove(self.listener.fileno())
        self.listener.close()
        for connection in tuple(self.connections.values()):
            if connection.want in (Want.INPUT, Want.LEAVE):
                self.end(connection)
        self._deadlines.after(_GRACE_MS, self._end_all)

    def _end_all(self) -> None:
        for connection in tuple(self.connections.values()):
            self.end(connection)

    def _say_once(self, subject: str, message: str) -> None:
        if subject not in self._said:
            self._said.add(subject)
            say(message)


def _concerns(connection: Connection, mask: int) -> bool:
    """Take note of what the kernel reported; whether the connection waits for that."""
    if mask & READ:
        connection.readable = True
    if mask & BROKEN:
        connection.broken = True
        return True
    if connection.want is Want.OUTPUT:
        return bool(mask & WRITE)
    return connection.want in (Want.INPUT, Want.LEAVE) and connection.readable
