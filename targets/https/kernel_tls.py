"""TLS records made by the kernel: it gets the keys, and RECV and SEND move plaintext.

The keys are set by three linked operations of the ring, or by three setsockopt(2) for each
connection. A record that carries no data, an alert or a handshake message, ends RECV with
EIO (net/tls/tls_sw.c, tls_record_content_type); RECVMSG with room for a control message
then says what it is.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Generator

from uringtrace.targets.http.service import Service
from uringtrace.targets.https.modes import push_setsockopt, setsockopt_of
from uringtrace.targets.https.server import End, TlsServer
from uringtrace.targets.serving import House, say
from uringtrace.targets.tls import ktls
from uringtrace.targets.tls.alerts import Alert, TlsError, alert_body, is_close_notify
from uringtrace.targets.tls.handshake import Established, Handshakes
from uringtrace.targets.tls.records import ContentType
from uringtrace.targets.tls.stream import refusal
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.buffers import Buffers
from uringtrace.targets.uring.connections import Connection, Steps
from uringtrace.targets.uring.descriptors import Descriptors
from uringtrace.targets.uring.memory import Memory
from uringtrace.targets.uring.messages import (
    Control,
    control_space,
    first_control,
    write_control,
    write_message,
)
from uringtrace.targets.uring.ring import Ring

_TRANSMIT_AT, _RECEIVE_AT = 0, 64
_CONTROL_AT, _CONTENT_AT = 128, 256
"""Within a slot's memory, when nothing is being sent."""
_CONTENT_BYTES = 256
"""What an alert or a KeyUpdate needs, and more."""
_ALERTS = {
    errno.EBADMSG: Alert.BAD_RECORD_MAC,
    errno.EMSGSIZE: Alert.RECORD_OVERFLOW,
    errno.EINVAL: Alert.UNEXPECTED_MESSAGE,
}
"""What the kernel found wrong in a record, by the errno of RECV (net/tls/tls_sw.c)."""


class KernelTlsServer(TlsServer):
    """The modes `ktls-ring` and `ktls-setsockopt`."""

    def __init__(
        self,
        ring: Ring,
        buffers: Buffers,
        service: Service,
        house: House,
        handshakes: Handshakes,
        *,
        by_ring: bool,
    ) -> None:
        # setsockopt(2) needs a descriptor of the process.
        super().__init__(ring, buffers, service, house, Descriptors(direct=by_ring), handshakes)
        self._by_ring = by_ring
        self._layer = Memory(4096)
        self._layer.write(0, ktls.ULP_NAME)

    def _protect(self, connection: Connection, established: Established) -> Generator[None, int, End | None]:
        suite = established.suite
        transmit = ktls.crypto_info(suite, established.server_secret, established.tx_records)
        receive = ktls.crypto_info(suite, established.client_secret, 0)
        if self._by_ring:
            error = yield from self._set_by_ring(connection, transmit, receive)
        else:
            error = _set_by_calls(connection.descriptor, transmit, receive)
        if error and error != errno.ENOTCONN:  # it went away meanwhile
            say(f"kTLS with {suite.name} failed: {errno.errorcode.get(error, error)}")
        return None if error else End()

    def _set_by_ring(
        self, connection: Connection, transmit: bytes, receive: bytes
    ) -> Generator[None, int, int]:
        """Returns an errno, 0 when all three succeeded."""
        options = (
            (socket.IPPROTO_TCP, ktls.TCP_ULP, self._layer.address, len(ktls.ULP_NAME)),
            (ktls.SOL_TLS, ktls.TLS_TX, self._put(connection, _TRANSMIT_AT, transmit), len(transmit)),
            (ktls.SOL_TLS, ktls.TLS_RX, self._put(connection, _RECEIVE_AT, receive), len(receive)),
        )
        while self._ring.room < len(options):
            self._ring.publish()
        user_data = c.OP_URING_CMD << 32 | connection.slot
        for number, option in enumerate(options):
            link = c.SQE_IO_LINK if number < len(options) - 1 else 0
            flags = self._file_flags | link
            push_setsockopt(self._ring, user_data, connection.descriptor, *option, flags=flags)
        error = 0
        for _ in options:
            result = yield
            error = error or -result  # the first: the others were cancelled for it
        self._put(connection, _TRANSMIT_AT, bytes(len(transmit)))
        self._put(connection, _RECEIVE_AT, bytes(len(receive)))
        return error

    def _arrived(self, connection: Connection, _end: End, data: bytes) -> None:
        self.http_in += len(data)
        connection.exchange.receive(data)

    def _send(self, connection: Connection, length: int) -> Generator[None, int, bool]:
        self.http_out += length
        return (yield from super()._send(connection, length))

    def _last_word(self, connection: Connection, end: End) -> Generator[None, int, Alert | None]:
        if end.error == errno.EIO:
            return (yield from self._control_record(connection))
        return Alert.CLOSE_NOTIFY if not end.error else _ALERTS.get(end.error)

    def _control_record(self, connection: Connection) -> Generator[None, int, Alert | None]:
        """Take the records that carry no data; what to answer."""
        while True:
            message = self._message(connection, _CONTENT_BYTES)
            length = yield from self._do(connection, c.OP_RECVMSG, message, 1)
            if length <= 0:
                return _ALERTS.get(-length)
            self._tally.received(length)
            control = first_control(self._memory, connection.offset, connection.offset + _CONTROL_AT)
            content_type = control.data[0] if control is not None else ContentType.APPLICATION_DATA
            start = connection.offset + _CONTENT_AT
            content = self._memory.bytes[start : start + length]
            try:
                if content_type != ContentType.ALERT:
                    raise refusal(content_type, content)
                if is_close_notify(content):
                    return Alert.CLOSE_NOTIFY
            except TlsError as error:
                return error.alert

    def _tell(self, connection: Connection, _end: End, alert: Alert) -> Steps:
        body = alert_body(alert)
        self._put(connection, _CONTENT_AT, body)
        kind = Control(ktls.SOL_TLS, ktls.TLS_SET_RECORD_TYPE, bytes((ContentType.ALERT,)))
        write_control(self._memory, connection.offset + _CONTROL_AT, kind)
        message = self._message(connection, len(body))
        sent = yield from self._do(connection, c.OP_SENDMSG, message, 1, op_flags=socket.MSG_NOSIGNAL)
        if sent > 0:
            self._tally.sent(sent)

    def _message(self, connection: Connection, length: int) -> int:
        """A msghdr over the slot's content and its control message."""
        base = self._memory.address + connection.offset
        return write_message(
            self._memory, connection.offset, base + _CONTENT_AT, length,
            control=base + _CONTROL_AT, control_size=control_space(1),
        )  # fmt: skip

    def _put(self, connection: Connection, at: int, data: bytes) -> int:
        return self._memory.write(connection.offset + at, data)


def _set_by_calls(descriptor: int, transmit: bytes, receive: bytes) -> int:
    """Three system calls; returns an errno, 0 when all succeeded."""
    try:
        setsockopt_of(descriptor, socket.IPPROTO_TCP, ktls.TCP_ULP, ktls.ULP_NAME)
        setsockopt_of(descriptor, ktls.SOL_TLS, ktls.TLS_TX, transmit)
        setsockopt_of(descriptor, ktls.SOL_TLS, ktls.TLS_RX, receive)
    except OSError as error:
        return error.errno or errno.EIO
    return 0
