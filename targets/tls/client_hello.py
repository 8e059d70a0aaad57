"""ClientHello: what a client offers (RFC 8446, section 4.1.2). Parsing only, no decision.

Every length is checked: a message that is not exactly what it says is a decode error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from uringtrace.targets.tls.alerts import Alert, TlsError

_RANDOM_BYTES = 32


class Extension(IntEnum):
    """Those that are looked at."""

    SUPPORTED_GROUPS = 10
    SIGNATURE_ALGORITHMS = 13
    ALPN = 16
    SUPPORTED_VERSIONS = 43
    KEY_SHARE = 51


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client offers; a list whose extension is absent is empty."""

    session_id: bytes
    """To be echoed."""
    suites: tuple[int, ...]
    compressions: bytes
    versions: tuple[int, ...]
    groups: tuple[int, ...]
    signatures: tuple[int, ...]
    key_shares: Mapping[int, bytes]
    """Group → public key."""
    protocols: tuple[bytes, ...]
    """Of ALPN."""


def parse(body: bytes) -> ClientHello:
    """From the message's body, behind its type and length. Raises TlsError."""
    reader = _Reader(body)
    reader.take(2 + _RANDOM_BYTES)
    session_id = reader.vector(1)
    suites = _numbers(reader.vector(2))
    compressions = reader.vector(1)
    extensions = {} if reader.at_end else _extensions(reader.vector(2))
    reader.end()
    return ClientHello(
        session_id,
        suites,
        compressions,
        versions=_list(extensions, Extension.SUPPORTED_VERSIONS, length_bytes=1),
        groups=_list(extensions, Extension.SUPPORTED_GROUPS),
        signatures=_list(extensions, Extension.SIGNATURE_ALGORITHMS),
        key_shares=_key_shares(extensions),
        protocols=_protocols(extensions),
    )


class _Reader:
    """Takes a message apart, from its beginning to its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise TlsError("a message that ends too early", Alert.DECODE_ERROR)
        self._at += count
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def vector(self, length_bytes: int) -> bytes:
        return self.take(self.number(length_bytes))

    def end(self) -> None:
        if not self.at_end:
            raise TlsError("a message that is too long", Alert.DECODE_ERROR)


def _extensions(data: bytes) -> Mapping[int, bytes]:
    reader, found = _Reader(data), dict[int, bytes]()
    while not reader.at_end:
        kind = reader.number(2)
        if kind in found:
            raise TlsError("an extension that comes twice", Alert.ILLEGAL_PARAMETER)
        found[kind] = reader.vector(2)
    return found


def _numbers(data: bytes) -> tuple[int, ...]:
    if len(data) % 2:
        raise TlsError("a list of an odd length", Alert.DECODE_ERROR)
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))


def _list(extensions: Mapping[int, bytes], kind: Extension, length_bytes: int = 2) -> tuple[int, ...]:
    if kind not in extensions:
        return ()
    reader = _Reader(extensions[kind])
    numbers = _numbers(reader.vector(length_bytes))
    reader.end()
    return numbers


def _key_shares(extensions: Mapping[int, bytes]) -> Mapping[int, bytes]:
    if Extension.KEY_SHARE not in extensions:
        return {}
    outer = _Reader(extensions[Extension.KEY_SHARE])
    reader, shares = _Reader(outer.vector(2)), dict[int, bytes]()
    outer.end()
    while not reader.at_end:
        group = reader.number(2)
        shares.setdefault(group, reader.vector(2))
    return shares


def _protocols(extensions: Mapping[int, bytes]) -> tuple[bytes, ...]:
    if Extension.ALPN not in extensions:
        return ()
    outer = _Reader(extensions[Extension.ALPN])
    reader, names = _Reader(outer.vector(2)), list[bytes]()
    outer.end()
    while not reader.at_end:
        names.append(reader.vector(1))
    return tuple(names)
