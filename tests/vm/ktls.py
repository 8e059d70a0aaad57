"""kTLS on loopback, with keys made on the spot: what programs in the test VMs are made of."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_SOL_TLS = 282
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


Setsockopt = Callable[[int, int, bytes], None]
"""Level, option, value."""


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


def start_tls(
    end: socket.socket, secrets: Mapping[int, Secret], setsockopt: Setsockopt | None = None
) -> None:
    """Set the upper layer, then each direction; through `setsockopt`, without it by the system call.

    Raises OSError where this kernel has no kTLS, or not with this cipher.
    """
    setsockopt = setsockopt or end.setsockopt
    setsockopt(socket.IPPROTO_TCP, _TCP_ULP, b"tls")
    for way, secret in secrets.items():
        setsockopt(_SOL_TLS, way, secret.option)
