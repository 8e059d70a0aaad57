"""kTLS on loopback, with keys made on the spot: what programs in the test VMs are made of."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

SOL_TLS = 282
TLS_TX, TLS_RX = 1, 2
_TCP_ULP = 31
_VERSIONS = {"1.2": 0x303, "1.3": 0x304}
_CIPHERS = {
    "AES-GCM-128": (51, 36),
    "AES-GCM-256": (52, 52),
    "AES-CCM-128": (53, 36),
    "CHACHA20-POLY1305": (54, 52),
    "SM4-GCM": (55, 36),
    "SM4-CCM": (56, 36),
    "ARIA-GCM-128": (57, 36),
    "ARIA-GCM-256": (58, 52),
}
"""Name → code, and bytes of vector, key, salt and sequence (struct tls12_crypto_info_*)."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What TLS_TX and TLS_RX take: version, cipher, and `material` that must never be shown."""

    version: str
    cipher: str
    material: bytes

    @property
    def option(self) -> bytes:
        return struct.pack("=HH", _VERSIONS[self.version], _CIPHERS[self.cipher][0]) + self.material


def make_secret(version: str, cipher: str) -> Secret:
    """Random but for the record sequence, the last 8 bytes, which starts at 0."""
    return Secret(version, cipher, os.urandom(_CIPHERS[cipher][1] - 8) + bytes(8))


def connect(family: socket.AddressFamily = socket.AF_INET) -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection over loopback."""
    with socket.create_server(("", 0), family=family) as server:
        client = socket.create_connection(
            ("::1" if family == socket.AF_INET6 else "127.0.0.1", server.getsockname()[1])
        )
        return client, server.accept()[0]


def start_tls(end: socket.socket, secret: Secret, ways: Sequence[int] = (TLS_TX, TLS_RX)) -> None:
    """Raises OSError where this kernel has no kTLS, or not with this cipher."""
    end.setsockopt(socket.IPPROTO_TCP, _TCP_ULP, b"tls")
    for way in ways:
        end.setsockopt(SOL_TLS, way, secret.option)
