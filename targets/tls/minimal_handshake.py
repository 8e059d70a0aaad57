"""FOR DEMONSTRATION ONLY: the smallest TLS 1.3 handshake, which makes no system call.

Nobody has reviewed it, and it is not constant in time; never let it protect anything. It
exists because OpenSSL asks the system for its process id several times per handshake (fork
detection of its random numbers), and this project wants to show a server that makes no
call at all. Its random numbers come from ChaCha20, seeded once at the start, and its
signatures take none (RFC 6979). A process that uses it must not fork.

One suite (TLS_AES_128_GCM_SHA256), one group (x25519), one signature (ECDSA P-256); no
HelloRetryRequest, session ticket, pre-shared key or client certificate. What is not offered
gets an alert.
"""

from __future__ import annotations

import hmac
import os
from enum import Enum, auto

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from uringtrace.errors import CapabilityError
from uringtrace.targets.tls import key_schedule
from uringtrace.targets.tls.alerts import Alert, TlsError, alert_body, is_close_notify
from uringtrace.targets.tls.certificate import Certificate
from uringtrace.targets.tls.client_hello import ClientHello, Extension, parse
from uringtrace.targets.tls.handshake import Established, HandshakeFailed
from uringtrace.targets.tls.key_schedule import AES_128_GCM, TrafficSecrets
from uringtrace.targets.tls.records import (
    HEADER_BYTES,
    ContentType,
    Opener,
    Sealer,
    body_bytes,
    plain_record,
)

_LARGEST_MESSAGE = 1 << 16
_TLS_1_2, _TLS_1_3 = 0x303, 0x304
_X25519 = 29
_ECDSA_P256_SHA256 = 0x403
_HTTP = b"http/1.1"
_CONTEXT = b" " * 64 + b"TLS 1.3, server CertificateVerify\0"
"""What comes before the transcript's hash in what is signed (RFC 8446, section 4.4.3)."""

_CLIENT_HELLO, _SERVER_HELLO, _ENCRYPTED_EXTENSIONS = 1, 2, 8
_CERTIFICATE, _CERTIFICATE_VERIFY, _FINISHED = 11, 15, 20


class MinimalHandshakes:
    """The back end `minimal`. Raises CapabilityError where `cryptography` lacks what it takes."""

    name = "minimal"
    notice = "the TLS handshake is for demonstration only: not reviewed, not constant in time"

    def __init__(self, certificate: Certificate) -> None:
        self._key = certificate.key
        chain = _vector(3, certificate.der) + _vector(2, b"")
        self._certificate = _message(_CERTIFICATE, _vector(1, b"") + _vector(3, chain))
        self._random = Cipher(ChaCha20(os.urandom(32), os.urandom(16)), None).encryptor()
        try:
            self._signature = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
            self._key.sign(_CONTEXT, self._signature)
        except UnsupportedAlgorithm:
            raise CapabilityError(
                "the minimal handshake needs deterministic ECDSA, which this OpenSSL does not have",
                "Use --handshake pyopenssl, or install cryptography from PyPI.",
            ) from None

    def begin(self) -> MinimalHandshake:
        """For a connection that was just accepted."""
        return MinimalHandshake(self)

    def random(self, count: int) -> bytes:
        """Random bytes, without a call."""
        return self._random.update(bytes(count))

    def certificate_messages(self, transcript: bytes) -> bytes:
        """Certificate and CertificateVerify for what was said before."""
        signed = _CONTEXT + AES_128_GCM.hashed(transcript + self._certificate)
        signature = self._key.sign(signed, self._signature)
        proof = _ECDSA_P256_SHA256.to_bytes(2, "big") + _vector(2, signature)
        return self._certificate + _message(_CERTIFICATE_VERIFY, proof)


class _Stage(Enum):
    HELLO = auto()
    FINISHED = auto()
    DONE = auto()


class MinimalHandshake:
    """One connection's handshake."""

    __slots__ = (
        "_back_end",
        "_expected",
        "_messages",
        "_opener",
        "_sealer",
        "_secrets",
        "_stage",
        "established",
    )

    def __init__(self, back_end: MinimalHandshakes) -> None:
        self._back_end = back_end
        self._stage = _Stage.HELLO
        self._messages = b""
        self._opener: Opener | None = None
        self._sealer: Sealer | None = None
        self._secrets = TrafficSecrets(b"", b"")
        self._expected = b""
        self.established: Established | None = None

    def feed(self, record: bytes) -> bytes:
        """Take one record of the client; see `Handshake.feed`."""
        try:
            body_bytes(record[:HEADER_BYTES])
            return self._record(record)
        except TlsError as error:
            raise HandshakeFailed(error.reason, self._alert(error.alert)) from None

    def _record(self, record: bytes) -> bytes:
        content_type, body = record[0], record[HEADER_BYTES:]
        if content_type == ContentType.CHANGE_CIPHER_SPEC and body == b"\x01":
            return b""  # for middleboxes; it means nothing (RFC 8446, appendix D.4)
        # A client that has not seen ServerHello yet sends its alert as it is.
        if self._opener is not None and content_type == ContentType.APPLICATION_DATA:
            content_type, body = self._opener.open(record)
        if content_type == ContentType.ALERT:
            is_close_notify(body)
            raise TlsError("the client closed within the handshake", None)
        if content_type != ContentType.HANDSHAKE or not body:
            raise TlsError(f"a record of type {content_type} out of place", Alert.UNEXPECTED_MESSAGE)
        self._messages += body
        message = self._message()
        if message is None:
            return b""
        if self._stage is _Stage.HELLO and message[0] == _CLIENT_HELLO:
            return self._answer(message)
        if self._stage is _Stage.FINISHED and message[0] == _FINISHED and self._opener is not None:
            return self._finish(message[4:])
        raise TlsError(f"a message of type {message[0]} out of place", Alert.UNEXPECTED_MESSAGE)

    def _message(self) -> bytes | None:
        """The message that is complete; None as long as there is none."""
        if len(self._messages) < 4:
            return None
        end = 4 + int.from_bytes(self._messages[1:4], "big")
        if end > _LARGEST_MESSAGE:
            raise TlsError("a message that is too large", Alert.DECODE_ERROR)
        if len(self._messages) > end:
            raise TlsError("a second message where keys change", Alert.UNEXPECTED_MESSAGE)
        if len(self._messages) < end:
            return None
        message, self._messages = self._messages, b""
        return message

    def _answer(self, message: bytes) -> bytes:
        hello = parse(message[4:])
        share, protocol = _agree(hello)
        random = self._back_end.random(64)
        private = x25519.X25519PrivateKey.from_private_bytes(random[32:])
        try:
            shared = private.exchange(x25519.X25519PublicKey.from_public_bytes(share))
        except ValueError:
            raise TlsError("a key share that is none", Alert.ILLEGAL_PARAMETER) from None
        server_hello = _server_hello(hello, random[:32], private.public_key().public_bytes_raw())
        secret = key_schedule.handshake_secret(AES_128_GCM, shared)
        transcript = message + server_hello
        secrets = key_schedule.handshake_traffic(AES_128_GCM, secret, AES_128_GCM.hashed(transcript))
        flight = _message(_ENCRYPTED_EXTENSIONS, _vector(2, _alpn(protocol)))
        flight += self._back_end.certificate_messages(transcript + flight)
        flight += _message(_FINISHED, _verify_data(secrets.server, transcript + flight))
        transcript += flight
        encrypted = Sealer(AES_128_GCM, secrets.server).seal(ContentType.HANDSHAKE, flight)
        finished_hash = AES_128_GCM.hashed(transcript)
        master = key_schedule.master_secret(AES_128_GCM, secret)
        self._secrets = key_schedule.application_traffic(AES_128_GCM, master, finished_hash)
        self._expected = _verify_data(secrets.client, transcript)
        self._opener = Opener(AES_128_GCM, secrets.client)
        # Behind its Finished the server protects everything with its application key.
        self._sealer = Sealer(AES_128_GCM, self._secrets.server)
        self._stage = _Stage.FINISHED
        change = plain_record(ContentType.CHANGE_CIPHER_SPEC, b"\x01") if hello.session_id else b""
        return plain_record(ContentType.HANDSHAKE, server_hello) + change + encrypted

    def _finish(self, verify_data: bytes) -> bytes:
        if not hmac.compare_digest(verify_data, self._expected):
            raise TlsError("a Finished that does not verify", Alert.DECRYPT_ERROR)
        self._stage = _Stage.DONE
        self.established = Established(AES_128_GCM, self._secrets.client, self._secrets.server, tx_records=0)
        return b""

    def _alert(self, alert: Alert | None) -> bytes:
        if alert is None:
            return b""
        if self._sealer is None:
            return plain_record(ContentType.ALERT, alert_body(alert))
        return self._sealer.seal(ContentType.ALERT, alert_body(alert))


def _agree(hello: ClientHello) -> tuple[bytes, bytes | None]:
    """The client's key share and the application protocol. Raises TlsError where there is no agreement."""
    if _TLS_1_3 not in hello.versions:
        raise TlsError("the client does not offer TLS 1.3", Alert.PROTOCOL_VERSION)
    if hello.compressions != b"\0":
        raise TlsError("compression is not TLS 1.3", Alert.ILLEGAL_PARAMETER)
    if AES_128_GCM.code not in hello.suites:
        raise TlsError(f"the client does not offer {AES_128_GCM.name}", Alert.HANDSHAKE_FAILURE)
    if not hello.signatures or not hello.groups:
        raise TlsError("the client lacks an extension that it needs", Alert.MISSING_EXTENSION)
    if _ECDSA_P256_SHA256 not in hello.signatures:
        raise TlsError("the client does not offer ECDSA with P-256", Alert.HANDSHAKE_FAILURE)
    share = hello.key_shares.get(_X25519)
    if share is None:
        raise TlsError("the client does not send a key for x25519", Alert.HANDSHAKE_FAILURE)
    if hello.protocols and _HTTP not in hello.protocols:
        raise TlsError("the client does not speak HTTP/1.1", Alert.NO_APPLICATION_PROTOCOL)
    return share, _HTTP if hello.protocols else None


def _server_hello(hello: ClientHello, random: bytes, public_key: bytes) -> bytes:
    share = _X25519.to_bytes(2, "big") + _vector(2, public_key)
    extensions = _extension(Extension.SUPPORTED_VERSIONS, _TLS_1_3.to_bytes(2, "big"))
    extensions += _extension(Extension.KEY_SHARE, share)
    body = _TLS_1_2.to_bytes(2, "big") + random + _vector(1, hello.session_id)
    body += AES_128_GCM.code.to_bytes(2, "big") + b"\0" + _vector(2, extensions)
    return _message(_SERVER_HELLO, body)


def _alpn(protocol: bytes | None) -> bytes:
    if protocol is None:
        return b""
    return _extension(Extension.ALPN, _vector(2, _vector(1, protocol)))


def _verify_data(secret: bytes, transcript: bytes) -> bytes:
    return key_schedule.verify_data(AES_128_GCM, secret, AES_128_GCM.hashed(transcript))


def _message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + _vector(3, body)


def _extension(kind: Extension, body: bytes) -> bytes:
    return kind.to_bytes(2, "big") + _vector(2, body)


def _vector(length_bytes: int, data: bytes) -> bytes:
    return len(data).to_bytes(length_bytes, "big") + data
