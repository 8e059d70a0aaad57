"""What the kernel is told to do TLS itself: numbers and structs of include/uapi/linux/tls.h."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from uringtrace.targets.tls.key_schedule import (
    AES_128_GCM,
    AES_256_GCM,
    CHACHA20_POLY1305,
    Suite,
    traffic_key,
)

TCP_ULP = 31
"""Option of level IPPROTO_TCP; its value is ULP_NAME."""
ULP_NAME = b"tls"
SOL_TLS = 282
TLS_TX = 1
TLS_RX = 2
TLS_SET_RECORD_TYPE = 1
"""Control message to sendmsg: one byte, the type of the record to send."""
TLS_GET_RECORD_TYPE = 2
"""Control message of recvmsg: one byte, the type of the record that was received."""

_TLS_1_3 = 0x304


@dataclass(frozen=True, slots=True)
class _Cipher:
    number: int
    salt_bytes: int
    """How much of the vector's beginning the struct holds apart."""


_CIPHERS: Mapping[str, _Cipher] = MappingProxyType(
    {
        AES_128_GCM.name: _Cipher(51, 4),
        AES_256_GCM.name: _Cipher(52, 4),
        CHACHA20_POLY1305.name: _Cipher(54, 0),
    }
)


def crypto_info(suite: Suite, secret: bytes, sequence: int) -> bytes:
    """The value of TLS_TX or TLS_RX: struct tls12_crypto_info_* for a traffic secret.

    `sequence` is how many records that secret has protected already.
    """
    cipher, made = _CIPHERS[suite.name], traffic_key(suite, secret)
    salt, vector = made.iv[: cipher.salt_bytes], made.iv[cipher.salt_bytes :]
    header = struct.pack("=HH", _TLS_1_3, cipher.number)
    return header + vector + made.key + salt + sequence.to_bytes(8, "big")
