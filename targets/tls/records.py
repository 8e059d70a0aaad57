"""Records: what TLS cuts its stream into, sealed and opened in user space (RFC 8446, section 5)."""

from __future__ import annotations

from enum import IntEnum

from cryptography.exceptions import InvalidTag

from uringtrace.targets.tls.alerts import Alert, TlsError
from uringtrace.targets.tls.key_schedule import IV_BYTES, Suite, traffic_key

HEADER_BYTES = 5
LARGEST_FRAGMENT = 1 << 14
"""Bytes of content that one record may carry."""
LARGEST_BODY = LARGEST_FRAGMENT + 256
"""Bytes that may follow a header: the content, its type, padding and tag."""
_TAG_BYTES = 16
_VERSION = b"\x03\x03"


class ContentType(IntEnum):
    """What a record carries."""

    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23


_TYPES = frozenset(ContentType)


def body_bytes(header: bytes) -> int:
    """How many bytes follow these first five. Raises TlsError where they begin no record."""
    if header[0] not in _TYPES:
        raise TlsError("this is no TLS", Alert.UNEXPECTED_MESSAGE)
    length = int.from_bytes(header[3:HEADER_BYTES], "big")
    if length > LARGEST_BODY:
        raise TlsError("a record that is too large", Alert.RECORD_OVERFLOW)
    return length


def plain_record(content_type: ContentType, body: bytes) -> bytes:
    """A record that is not encrypted, as the beginning of a handshake is sent."""
    return bytes((content_type,)) + _VERSION + len(body).to_bytes(2, "big") + body


def sealed_bytes(count: int) -> int:
    """How much `count` bytes of content are once they are sealed."""
    return count + max(1, -(-count // LARGEST_FRAGMENT)) * (HEADER_BYTES + 1 + _TAG_BYTES)


class Framing:
    """Whole records out of a stream that arrives in any pieces."""

    __slots__ = ("_pending", "_start")

    def __init__(self) -> None:
        self._pending = b""
        self._start = 0

    def add(self, data: bytes) -> None:
        """Take what arrived."""
        self._pending = self._pending[self._start :] + data
        self._start = 0

    def next(self) -> bytes | None:
        """The next whole record with its header, if any. Raises TlsError as `body_bytes` does."""
        body = self._start + HEADER_BYTES
        if len(self._pending) < body:
            return None
        end = body + body_bytes(self._pending[self._start : body])
        if len(self._pending) < end:
            return None
        record = self._pending[self._start : end]
        self._start = end
        return record


class Sealer:
    """Encrypts one direction; `sequence` counts its records."""

    __slots__ = ("_aead", "_iv", "sequence")

    def __init__(self, suite: Suite, secret: bytes, sequence: int = 0) -> None:
        made = traffic_key(suite, secret)
        self._aead = suite.aead(made.key)
        self._iv = int.from_bytes(made.iv, "big")
        self.sequence = sequence

    def seal(self, content_type: ContentType, data: bytes) -> bytes:
        """As many records as `data` needs, at least one."""
        pieces = range(0, max(len(data), 1), LARGEST_FRAGMENT)
        return b"".join(
            self._record(content_type, data[start : start + LARGEST_FRAGMENT]) for start in pieces
        )

    def _record(self, content_type: ContentType, fragment: bytes) -> bytes:
        length = len(fragment) + 1 + _TAG_BYTES
        header = bytes((ContentType.APPLICATION_DATA,)) + _VERSION + length.to_bytes(2, "big")
        nonce = (self._iv ^ self.sequence).to_bytes(IV_BYTES, "big")
        self.sequence += 1
        return header + self._aead.encrypt(nonce, fragment + bytes((content_type,)), header)


class Opener:
    """Decrypts one direction; `sequence` counts its records."""

    __slots__ = ("_aead", "_iv", "sequence")

    def __init__(self, suite: Suite, secret: bytes, sequence: int = 0) -> None:
        made = traffic_key(suite, secret)
        self._aead = suite.aead(made.key)
        self._iv = int.from_bytes(made.iv, "big")
        self.sequence = sequence

    def open(self, record: bytes) -> tuple[int, bytes]:
        """Type and content of a whole record. Raises TlsError."""
        header, body = record[:HEADER_BYTES], record[HEADER_BYTES:]
        if header[0] != ContentType.APPLICATION_DATA:
            raise TlsError("a record that is not encrypted", Alert.UNEXPECTED_MESSAGE)
        nonce = (self._iv ^ self.sequence).to_bytes(IV_BYTES, "big")
        try:
            padded = self._aead.decrypt(nonce, body, header)
        except InvalidTag:
            raise TlsError("a record that does not authenticate", Alert.BAD_RECORD_MAC) from None
        self.sequence += 1
        if len(padded) > LARGEST_FRAGMENT + 1:
            raise TlsError("a record that is too large", Alert.RECORD_OVERFLOW)
        inner = padded.rstrip(b"\0")
        if not inner:
            raise TlsError("a record without content", Alert.UNEXPECTED_MESSAGE)
        return inner[-1], inner[:-1]
