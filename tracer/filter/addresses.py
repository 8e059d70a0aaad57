"""Which socket addresses a filter means: `10.0.0.0/8`, `[::1]:80`, `:8080`, `/run/x.sock`, `unix`.

Addresses are numbers, never names: nothing is looked up. An IPv4 address that a dual
stack socket shows as `::ffff:1.2.3.4` is that IPv4 address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)

from uringtrace.tracer.filter.wrong_value import WrongValue

_EXAMPLE = "for example: 10.0.0.0/8, 127.0.0.1:80, [::1]:80, :8080, unix"
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_WITH_PORT = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:\[\]]*))(?::(?P<port>[^:]*))?")
_HOST_NAME = re.compile(r"(?=.*[a-z])[a-z0-9.-]+", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class AddressPattern:
    """What must fit; an attribute that is None fits everything."""

    network: IPv4Network | IPv6Network | None = None
    port: int | None = None
    unix: bool = False
    path: str | None = None
    """Of a unix socket; abstract ones begin with @."""

    def fits(self, address: str, *, unix: bool) -> bool:
        """Whether `address`, of a unix or another socket, is meant; text as `source.Socket` has it."""
        if self.unix or unix:
            return self.unix and unix and self.path in (None, address)
        parts = _split(address)
        if parts is None:
            return False
        host, port = parts
        if self.port is not None and port != self.port:
            return False
        return self.network is None or (host.version == self.network.version and host in self.network)


def address_pattern(text: str) -> AddressPattern:
    """Read one value of `peer=` or `local=`; raises `WrongValue`."""
    if text == "unix":
        return AddressPattern(unix=True)
    if text.startswith(("/", "@")):
        return AddressPattern(unix=True, path=text)
    match = _WITH_PORT.fullmatch(text)
    if match is None:
        return AddressPattern(_network(text))
    port = None if match["port"] is None else _port(match["port"])
    host = match["four"] if match["six"] is None else match["six"]
    if not host and match["six"] is None and port is not None:
        return AddressPattern(port=port)
    return AddressPattern(_network(host, six=match["six"] is not None), port)


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise WrongValue(f"{text!r} is not a port", "ports are numbers from 1 to 65535, for example :8080")
    return int(text)


def _network(text: str, *, six: bool = False) -> IPv4Network | IPv6Network:
    if "%" in text:
        raise WrongValue(f"{text!r} has a scope: addresses are compared without", _EXAMPLE)
    try:
        network = ip_network(text)
    except ValueError:
        raise WrongValue(f"{text!r} is not an address", _way_out(text)) from None
    if six and network.version == 4:
        raise WrongValue(f"{text!r} is an IPv4 address: it has no brackets", _EXAMPLE)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _way_out(text: str) -> str:
    try:
        return f"its network is {ip_interface(text).network}"
    except ValueError:
        pass
    if _HOST_NAME.fullmatch(text):
        return f"names are not looked up; {_EXAMPLE}"
    return _EXAMPLE


@lru_cache(maxsize=4096)
def _split(address: str) -> tuple[IPv4Address | IPv6Address, int] | None:
    """Host and port of an internet address as `source.Socket` has it."""
    host, colon, port = address.rpartition(":")
    try:
        parsed = ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (mapped or parsed, number) if colon else None
