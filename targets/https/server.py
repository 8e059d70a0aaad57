"""HTTPS over a ring: what is the same whoever protects the records.

A `RingServer` whose conversations begin with a TLS handshake and end with an alert. The
handshake receives one record at a time, exactly: its header, then its body. So nothing
behind the client's Finished leaves the socket before its keys are known. Only then is RECV
armed.

Invariant: `_ends` has an entry for a connection from the end of its handshake on, however it
ended; without one, what RECV completes is the handshake's.
"""

from __future__ import annotations

import errno
import socket
from abc import ABC, abstractmethod
from collections.abc import Generator

from uringtrace.targets.http.service import Service
from uringtrace.targets.serving import House
from uringtrace.targets.tls.alerts import Alert, TlsError
from uringtrace.targets.tls.handshake import Established, HandshakeFailed, Handshakes
from uringtrace.targets.tls.records import HEADER_BYTES, body_bytes
from uringtrace.targets.tls.stream import RecordStream
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.buffers import Buffers
from uringtrace.targets.uring.connections import Connection, Steps
from uringtrace.targets.uring.descriptors import Descriptors
from uringtrace.targets.uring.ring import Completion, Ring
from uringtrace.targets.uring.server import NOBODY, RingServer

_CANCELLATION = c.OP_ASYNC_CANCEL << 32 | NOBODY


class End:
    """Our end of one connection's TLS, once its handshake succeeded or was refused."""

    __slots__ = ("error", "refusing", "stream")

    def __init__(self, stream: RecordStream | None = None, *, refusing: bool = False) -> None:
        self.stream = stream
        """Where records are made in user space."""
        self.error = 0
        """The errno that ended RECV."""
        self.refusing = refusing
        """The client was sent an alert: whatever else it sends is thrown away."""


class TlsServer(RingServer, ABC):
    """A `RingServer` behind TLS."""

    def __init__(
        self,
        ring: Ring,
        buffers: Buffers,
        service: Service,
        house: House,
        descriptors: Descriptors,
        handshakes: Handshakes,
    ) -> None:
        super().__init__(ring, buffers, service, house, descriptors)
        self._handshakes = handshakes
        self._ends: dict[int, End] = {}
        self._shaking: set[int] = set()
        self.handshakes = 0
        """Handshakes that were completed, and kTLS set up where it is used."""
        self.http_in = 0
        """Bytes of requests, without TLS."""
        self.http_out = 0
        """Bytes of answers, without TLS."""

    @abstractmethod
    def _protect(self, connection: Connection, established: Established) -> Generator[None, int, End | None]:
        """Use the application keys from now on; None when that failed."""

    @abstractmethod
    def _arrived(self, connection: Connection, end: End, data: bytes) -> None:
        """RECV brought something."""

    @abstractmethod
    def _last_word(self, connection: Connection, end: End) -> Generator[None, int, Alert | None]:
        """What the client is to be told at the end; None: nothing."""

    @abstractmethod
    def _tell(self, connection: Connection, end: End, alert: Alert) -> Steps:
        """Send an alert as a record."""

    def dispatch(self, completion: Completion) -> None:
        """Carry on with what waited for this CQE; nobody waits for a cancellation."""
        if completion.user_data == _CANCELLATION:
            self.completed[c.OP_ASYNC_CANCEL] += 1
        else:
            super().dispatch(completion)

    def end(self) -> None:
        """Begin to end; handshakes are given up."""
        if not self._deadline:
            for slot in self._shaking:
                self._ring.push(c.OP_ASYNC_CANCEL, _CANCELLATION, address=c.OP_RECV << 32 | slot)
        super().end()

    def _receive(self, connection: Connection) -> None:
        # Accepting arms RECV at once; here that is up to the conversation.
        if connection.slot in self._ends:
            super()._receive(connection)

    def _received(self, connection: Connection, result: int, flags: int) -> None:
        end = self._ends.get(connection.slot)
        if end is None:
            self._resume(connection, result)
            return
        if flags & c.CQE_F_BUFFER:
            data = self._buffers.take(flags, result)
            self._tally.received(result)
            if not connection.leaving and not end.refusing:
                self._arrived(connection, end, data)
        if not flags & c.CQE_F_MORE:
            connection.receiving = False
            if result > 0 or result == -errno.ENOBUFS:
                self._interrupted(connection, result)
            else:
                connection.ended = True
                end.error = -result
        if connection.resting:
            self._resume(connection, 0)

    def _converse(self, connection: Connection) -> Steps:
        established = yield from self._shake_hands(connection)
        end = None
        if established is not None:
            end = yield from self._protect(connection, established)
        if end is None:
            yield from self._leave(connection)
        else:
            self.handshakes += 1
            self._ends[connection.slot] = end
            self._receive(connection)
            yield from super()._converse(connection)
        self._ends.pop(connection.slot, None)

    def _leave(self, connection: Connection) -> Steps:
        connection.leaving = True
        end = self._ends.get(connection.slot)
        if end is not None and not end.refusing:
            alert = yield from self._last_word(connection, end)
            if alert is not None:
                yield from self._tell(connection, end, alert)
                end.refusing = alert is not Alert.CLOSE_NOTIFY
        if end is not None and end.refusing and connection.receiving:
            # Closing with unread bytes would reset the connection and could take the alert with it.
            yield from self._do(connection, c.OP_SHUTDOWN, length=socket.SHUT_RDWR)
            while connection.receiving:
                connection.resting = True
                yield
                connection.resting = False
        yield from super()._leave(connection)

    def _shake_hands(self, connection: Connection) -> Generator[None, int, Established | None]:
        handshake = self._handshakes.begin()
        self._shaking.add(connection.slot)
        try:
            while handshake.established is None:
                record = yield from self._record(connection)
                if record is None:
                    return None
                answer = handshake.feed(record)
                if answer and not (yield from self._send_as_it_is(connection, answer)):
                    return None
        except HandshakeFailed as failed:
            farewell = failed.farewell
        else:
            return handshake.established
        finally:
            self._shaking.discard(connection.slot)
        if farewell:
            yield from self._send_as_it_is(connection, farewell)
        self._ends[connection.slot] = End(refusing=True)
        self._receive(connection)
        return None

    def _record(self, connection: Connection) -> Generator[None, int, bytes | None]:
        """One record, or the header of what is none; None when the client went away or we end."""
        start = connection.offset
        if self._deadline or not (yield from self._exactly(connection, start, HEADER_BYTES)):
            return None
        header = self._memory.bytes[start : start + HEADER_BYTES]
        try:
            length = body_bytes(header)
        except TlsError:
            return header
        if length and not (yield from self._exactly(connection, start + HEADER_BYTES, length)):
            return None
        return self._memory.bytes[start : start + HEADER_BYTES + length]

    def _exactly(self, connection: Connection, offset: int, count: int) -> Generator[None, int, bool]:
        address = self._memory.address + offset
        received = yield from self._do(connection, c.OP_RECV, address, count, op_flags=socket.MSG_WAITALL)
        if received > 0:
            self._tally.received(received)
        return received == count

    def _send_as_it_is(self, connection: Connection, data: bytes) -> Generator[None, int, bool]:
        """Send records that are complete."""
        self._memory.write(connection.offset, data)
        return (yield from RingServer._send(self, connection, len(data)))
