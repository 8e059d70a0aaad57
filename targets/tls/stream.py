"""A connection whose records are made in user space: plaintext in and out, records on the wire."""

from __future__ import annotations

from uringtrace.targets.tls.alerts import Alert, TlsError, alert_body, is_close_notify
from uringtrace.targets.tls.handshake import Established
from uringtrace.targets.tls.records import ContentType, Framing, Opener, Sealer

_KEY_UPDATE = 24


class RecordStream:
    """The server's side after the handshake.

    Invariant: once the client has closed, or `failure` is set, nothing further is taken.
    """

    __slots__ = ("_framing", "_opener", "_sealer", "failure", "peer_closed")

    def __init__(self, established: Established) -> None:
        self._framing = Framing()
        self._opener = Opener(established.suite, established.client_secret)
        self._sealer = Sealer(established.suite, established.server_secret, established.tx_records)
        self.peer_closed = False
        """The client sent close_notify: it will send no more, but may still be answered."""
        self.failure: TlsError | None = None
        """The connection is to be given up; send `alert(failure.alert)` before, where there is one."""

    def receive(self, data: bytes) -> bytes:
        """The application data that `data` completes, up to an end or a failure."""
        self._framing.add(data)
        contents = []
        try:
            while not self.peer_closed and self.failure is None:
                record = self._framing.next()
                if record is None:
                    break
                contents.append(self._content(*self._opener.open(record)))
        except TlsError as error:
            # A new one: the raised one refers to this frame, and no collector may be running.
            self.failure = TlsError(error.reason, error.alert)
        return b"".join(contents)

    def send(self, data: bytes) -> bytes:
        """The records that carry `data`."""
        return self._sealer.seal(ContentType.APPLICATION_DATA, data)

    def alert(self, alert: Alert) -> bytes:
        """The record that ends this direction: close_notify, or what went wrong."""
        return self._sealer.seal(ContentType.ALERT, alert_body(alert))

    def _content(self, content_type: int, data: bytes) -> bytes:
        if content_type == ContentType.APPLICATION_DATA:
            return data
        if content_type == ContentType.ALERT:
            self.peer_closed = is_close_notify(data)
            return b""
        raise refusal(content_type, data)


def refusal(content_type: int, data: bytes) -> TlsError:
    """Why a record that is neither data nor alert ends an established connection.

    Keys are not changed here: KeyUpdate gets the alert that a message out of place gets.
    """
    if content_type == ContentType.HANDSHAKE and data[:1] == bytes((_KEY_UPDATE,)):
        return TlsError("KeyUpdate is not supported", Alert.UNEXPECTED_MESSAGE)
    return TlsError(f"a record of type {content_type} out of place", Alert.UNEXPECTED_MESSAGE)
