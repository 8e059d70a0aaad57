"""From a shared secret to traffic keys: the key schedule of RFC 8446, section 7.

Pure functions of a cipher suite, a secret and a transcript's hash.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

IV_BYTES = 12


class Aead(Protocol):
    """Authenticated encryption, as `cryptography` has it."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The ciphertext with its tag."""

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The plaintext. Raises InvalidTag."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite of TLS 1.3."""

    name: str
    """As OpenSSL and IANA call it."""
    code: int
    key_bytes: int
    digest: str
    """Of the schedule and of the transcript, as hashlib calls it."""
    hash: hashes.HashAlgorithm
    aead: Callable[[bytes], Aead]

    @property
    def digest_bytes(self) -> int:
        return self.hash.digest_size

    def hashed(self, transcript: bytes) -> bytes:
        return hashlib.new(self.digest, transcript).digest()


AES_128_GCM = Suite("TLS_AES_128_GCM_SHA256", 0x1301, 16, "sha256", hashes.SHA256(), AESGCM)
AES_256_GCM = Suite("TLS_AES_256_GCM_SHA384", 0x1302, 32, "sha384", hashes.SHA384(), AESGCM)
CHACHA20_POLY1305 = Suite(
    "TLS_CHACHA20_POLY1305_SHA256", 0x1303, 32, "sha256", hashes.SHA256(), ChaCha20Poly1305
)
SUITES: Mapping[str, Suite] = MappingProxyType(
    {suite.name: suite for suite in (AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305)}
)
"""By name, the preferred one first."""


@dataclass(frozen=True, slots=True)
class TrafficSecrets:
    """What each side's keys are made from, for the handshake or for application data."""

    client: bytes = field(repr=False)
    server: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrafficKey:
    """One direction's key, and the vector that a record's sequence number is mixed into."""

    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)


def handshake_secret(suite: Suite, shared: bytes) -> bytes:
    """Without a pre-shared key; `shared` is the key exchange's result."""
    early = hmac.digest(bytes(suite.digest_bytes), bytes(suite.digest_bytes), suite.digest)
    return hmac.digest(_derived(suite, early), shared, suite.digest)


def master_secret(suite: Suite, secret: bytes) -> bytes:
    """From the handshake secret."""
    return hmac.digest(_derived(suite, secret), bytes(suite.digest_bytes), suite.digest)


def handshake_traffic(suite: Suite, secret: bytes, transcript_hash: bytes) -> TrafficSecrets:
    """From the handshake secret and the hash up to ServerHello."""
    return _traffic(suite, secret, transcript_hash, "hs")


def application_traffic(suite: Suite, secret: bytes, transcript_hash: bytes) -> TrafficSecrets:
    """From the master secret and the hash up to the server's Finished."""
    return _traffic(suite, secret, transcript_hash, "ap")


def traffic_key(suite: Suite, secret: bytes) -> TrafficKey:
    """The key and vector of a traffic secret."""
    return TrafficKey(
        expand_label(suite, secret, "key", b"", suite.key_bytes),
        expand_label(suite, secret, "iv", b"", IV_BYTES),
    )


def verify_data(suite: Suite, secret: bytes, transcript_hash: bytes) -> bytes:
    """What a Finished message holds, from its sender's handshake traffic secret."""
    key = expand_label(suite, secret, "finished", b"", suite.digest_bytes)
    return hmac.digest(key, transcript_hash, suite.digest)


def expand_label(suite: Suite, secret: bytes, label: str, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label."""
    full = b"tls13 " + label.encode()
    info = length.to_bytes(2, "big") + bytes((len(full),)) + full + bytes((len(context),)) + context
    return HKDFExpand(suite.hash, length, info).derive(secret)


def _derived(suite: Suite, secret: bytes) -> bytes:
    return expand_label(suite, secret, "derived", suite.hashed(b""), suite.digest_bytes)


def _traffic(suite: Suite, secret: bytes, transcript_hash: bytes, stage: str) -> TrafficSecrets:
    return TrafficSecrets(
        expand_label(suite, secret, f"c {stage} traffic", transcript_hash, suite.digest_bytes),
        expand_label(suite, secret, f"s {stage} traffic", transcript_hash, suite.digest_bytes),
    )
