"""The handshake by OpenSSL, through memory buffers; its secrets come from the key log.

Robust, but not without calls: OpenSSL asks for its process id several times per handshake,
to notice a fork. It sends two session tickets behind the handshake, whatever options are
set, and these are records of the server's application secret: they are counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from OpenSSL import SSL

from uringtrace.targets.tls.alerts import Alert, TlsError, alert_body
from uringtrace.targets.tls.certificate import Certificate
from uringtrace.targets.tls.handshake import Established, HandshakeFailed
from uringtrace.targets.tls.key_schedule import SUITES, Suite
from uringtrace.targets.tls.records import HEADER_BYTES, ContentType, Framing, body_bytes, plain_record

_HTTP = b"http/1.1"
_CLIENT_SECRET, _SERVER_SECRET = b"CLIENT_TRAFFIC_SECRET_0", b"SERVER_TRAFFIC_SECRET_0"
_CHUNK = 1 << 16


class _NoCommonProtocol(Exception):
    """Raised within OpenSSL's callback, where it becomes the alert no_application_protocol."""


class PyOpenSslHandshakes:
    """The back end `pyopenssl`; `suites` are those that may be agreed on."""

    name = "pyopenssl"
    notice = None

    def __init__(self, certificate: Certificate, suites: Sequence[Suite] = tuple(SUITES.values())) -> None:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_tls13_ciphersuites(":".join(suite.name for suite in suites).encode())
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_options(SSL.OP_NO_TICKET)
        context.set_keylog_callback(_keep_secret)
        context.set_alpn_select_callback(_choose_protocol)
        context.use_certificate(certificate.x509)
        context.use_privatekey(certificate.key)
        self._context = context

    def begin(self) -> PyOpenSslHandshake:
        """For a connection that was just accepted."""
        return PyOpenSslHandshake(self._context)


class PyOpenSslHandshake:
    """One connection's handshake."""

    __slots__ = ("_answered", "_connection", "_secrets", "established")

    def __init__(self, context: SSL.Context) -> None:
        self._secrets: dict[bytes, bytes] = {}
        self._connection = SSL.Connection(context, None)
        self._connection.set_app_data(self._secrets)
        self._connection.set_accept_state()
        self._answered = False
        self.established: Established | None = None

    def feed(self, record: bytes) -> bytes:
        """Take one record of the client; see `Handshake.feed`."""
        try:
            body_bytes(record[:HEADER_BYTES])
            self._connection.bio_write(record)
            self._connection.do_handshake()
        except SSL.WantReadError:
            out = self._output()
            self._answered = self._answered or bool(out)
            return out
        except TlsError as error:
            raise HandshakeFailed(error.reason, self._alert(error.alert)) from None
        except (SSL.Error, _NoCommonProtocol) as error:
            raise HandshakeFailed(_reason(error), self._output()) from None
        out = self._output()
        self.established = Established(
            SUITES[str(self._connection.get_cipher_name())],
            self._secrets[_CLIENT_SECRET],
            self._secrets[_SERVER_SECRET],
            tx_records=_encrypted_records(out),
        )
        return out

    def _output(self) -> bytes:
        pieces = []
        while True:
            try:
                pieces.append(self._connection.bio_read(_CHUNK))
            except SSL.WantReadError:
                return b"".join(pieces)

    def _alert(self, alert: Alert | None) -> bytes:
        """What OpenSSL was not asked for; it alone could encrypt it."""
        if alert is None or self._answered:
            return b""
        return plain_record(ContentType.ALERT, alert_body(alert))


def _encrypted_records(data: bytes) -> int:
    framing, count = Framing(), 0
    framing.add(data)
    while (record := framing.next()) is not None:
        count += record[0] == ContentType.APPLICATION_DATA
    return count


def _keep_secret(connection: SSL.Connection, line: bytes) -> None:
    label, _random, secret = line.split(b" ")
    connection.get_app_data()[label] = bytes.fromhex(secret.decode())


def _choose_protocol(_connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if _HTTP not in offered:
        raise _NoCommonProtocol("the client does not speak HTTP/1.1")
    return _HTTP


def _reason(error: Exception) -> str:
    details = error.args[0] if error.args else ""
    if isinstance(details, list) and details:
        return str(details[-1][-1])
    return str(details) or type(error).__name__
