"""TLS records made in user space: no kTLS, and still no system call.

What is sent is sealed into memory beside the slots, a slot's piece at a time.
"""

from __future__ import annotations

import socket
from collections.abc import Generator

from uringtrace.targets.http.service import Service
from uringtrace.targets.https.server import End, TlsServer
from uringtrace.targets.serving import House
from uringtrace.targets.tls.alerts import Alert
from uringtrace.targets.tls.handshake import Established, Handshakes
from uringtrace.targets.tls.records import sealed_bytes
from uringtrace.targets.tls.stream import RecordStream
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.buffers import Buffers
from uringtrace.targets.uring.connections import PIECE, SLOTS, Connection, Steps
from uringtrace.targets.uring.descriptors import Descriptors
from uringtrace.targets.uring.memory import Memory
from uringtrace.targets.uring.ring import Ring

_SEALED = sealed_bytes(PIECE)


class UserRecordServer(TlsServer):
    """The mode `user-records`."""

    def __init__(
        self, ring: Ring, buffers: Buffers, service: Service, house: House, handshakes: Handshakes
    ) -> None:
        super().__init__(ring, buffers, service, house, Descriptors(direct=True), handshakes)
        self._sealed = Memory(SLOTS * _SEALED)

    def _protect(self, _connection: Connection, established: Established) -> Generator[None, int, End | None]:
        yield from ()  # nothing to wait for
        return End(RecordStream(established))

    def _arrived(self, connection: Connection, end: End, data: bytes) -> None:
        stream = _stream(end)
        plain = stream.receive(data)
        self.http_in += len(plain)
        connection.exchange.receive(plain)
        if stream.peer_closed or stream.failure is not None:
            connection.ended = True

    def _last_word(self, _connection: Connection, end: End) -> Generator[None, int, Alert | None]:
        yield from ()  # nothing to wait for
        failure = _stream(end).failure
        return Alert.CLOSE_NOTIFY if failure is None else failure.alert

    def _tell(self, connection: Connection, end: End, alert: Alert) -> Steps:
        yield from self._send_sealed(connection, _stream(end).alert(alert))

    def _send(self, connection: Connection, length: int) -> Generator[None, int, bool]:
        plain = self._memory.bytes[connection.offset : connection.offset + length]
        stream = _stream(self._ends[connection.slot])
        self.http_out += length
        return (yield from self._send_sealed(connection, stream.send(plain)))

    def _send_sealed(self, connection: Connection, records: bytes) -> Generator[None, int, bool]:
        address = self._sealed.write(connection.slot * _SEALED, records)
        sent = 0
        while sent < len(records):
            result = yield from self._do(
                connection, c.OP_SEND, address + sent, len(records) - sent, op_flags=socket.MSG_NOSIGNAL
            )
            if result <= 0:
                return False
            self._tally.sent(result)
            sent += result
        return True


def _stream(end: End) -> RecordStream:
    assert end.stream is not None, "made by _protect"
    return end.stream
