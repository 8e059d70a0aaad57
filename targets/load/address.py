"""From a URL to an address that is certainly on this machine.

A load generator is a weapon against any other machine, so every address that a name
stands for must be one of this one. "Here" is what the kernel says: a socket can be
bound to it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from uringtrace.errors import UsageError

_PORTS = {"http": 80, "https": 443}
_NOWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""No machine has these (RFC 5737, RFC 3849): where they can be bound, binding proves nothing."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, and what to ask for there."""

    url: str
    """In full, with the scheme."""
    host: str
    """As the Host header has it: the port is left out where it is the scheme's."""
    family: socket.AddressFamily
    address: str
    port: int
    path: str
    """The request target: path and query."""
    tls: bool
    others: tuple[str, ...] = ()
    """Further addresses of the name, which are not used."""

    def __str__(self) -> str:
        return _joined(self.address, self.port)


def endpoint(url: str, tls: bool = False) -> Endpoint:
    """What a URL stands for; without a scheme it is http, and https with `tls`.

    Of several addresses the first of IPv4 is taken, which is where the reference
    servers listen. Raises `UsageError` for what is no such URL, for a name that is not
    known, and where any of its addresses is not on this machine.
    """
    if re.search(r"[^!-~]", url):
        raise UsageError(f"{url!r} is no URL: only visible ASCII characters", "encode others as %XX")
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{url} is no URL: {error}") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        raise UsageError(f"{url} is not a URL for load", "for example: http://127.0.0.1:8080/bytes/100")
    scheme = "https" if tls else parts.scheme
    name = parts.hostname
    if port is None:
        port = _PORTS[scheme]
    found = _resolve(name, port)
    distant = [address for family, address in found if not is_here(family, address)]
    if distant:
        called = name if name == distant[0] else f"{name} ({distant[0]})"
        raise UsageError(
            f"{called} is not on this machine", "load speaks only to servers of the machine it runs on"
        )
    family, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    host = _joined(name, None if port == _PORTS[scheme] else port)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint(
        url=f"{scheme}://{host}{path}",
        host=host,
        family=family,
        address=address,
        port=port,
        path=path,
        tls=scheme == "https",
        others=tuple(other for _, other in found if other != address),
    )


def is_here(family: socket.AddressFamily, address: str) -> bool:
    """Whether an address is this machine's: loopback, or one a socket can be bound to."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    if mapped.is_loopback:
        return True
    return _bindable(family, address) and not _bindable(family, _NOWHERE[family])


def _bindable(family: socket.AddressFamily, address: str) -> bool:
    try:
        destination = socket.getaddrinfo(address, 0, family, socket.SOCK_STREAM)[0][4]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(destination)
    except OSError:
        return False
    return True


def _resolve(name: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    try:
        rows = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{name}: {reason}") from None
    return list(dict.fromkeys((row[0], str(row[4][0])) for row in rows if row[0] in _NOWHERE))


def _joined(host: str, port: int | None) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"
