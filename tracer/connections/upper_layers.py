"""The upper-layer protocol of a socket (kTLS): what the kernel said, and what was set.

Options of SOL_TLS hold keys. Of their memory only the first four bytes, version and cipher
(struct tls_crypto_info, linux/tls.h), are looked at, where they were captured at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from uringtrace.tracer.connections.turning_points import SOL_TLS
from uringtrace.tracer.socket_diagnosis import TLS_CIPHERS, TLS_VERSIONS
from uringtrace.tracer.source import UpperLayer

SET = "set"
"""The direction was given its keys; whether the network card encrypts was not observed."""

_TLS_TX, _TLS_RX = 1, 2


@dataclass(frozen=True, slots=True)
class Shown:
    """An upper layer as a connection shows it; None means not observed."""

    name: str | None = None
    version: str | None = None
    cipher: str | None = None
    transmit: str | None = None
    receive: str | None = None


def after_option(shown: Shown, level: int, option: int, value: bytes) -> Shown:
    """What is known after a successful setsockopt; `value` is what was captured of it."""
    if level != SOL_TLS:
        name = value.split(b"\0")[0].decode("ascii", "replace")
        return replace(shown, name=name) if name and name.isprintable() else shown
    if option not in (_TLS_TX, _TLS_RX):
        return replace(shown, name="tls")
    version = int.from_bytes(value[0:2], "little") if len(value) >= 4 else 0
    cipher = int.from_bytes(value[2:4], "little") if len(value) >= 4 else 0
    return Shown(
        "tls",
        TLS_VERSIONS.get(version, shown.version),
        TLS_CIPHERS.get(cipher, shown.cipher),
        SET if option == _TLS_TX else shown.transmit,
        SET if option == _TLS_RX else shown.receive,
    )


def combined(shown: Shown, told: UpperLayer | None) -> Shown:
    """What the calls showed, with what the kernel told in its place where it did."""
    if told is None:
        return shown
    return Shown(
        told.name,
        told.version or shown.version,
        told.cipher or shown.cipher,
        told.transmit or shown.transmit,
        told.receive or shown.receive,
    )
