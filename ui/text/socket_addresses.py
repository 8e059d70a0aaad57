"""Socket addresses in user memory, from their bytes (struct sockaddr_*, include/uapi)."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from uringtrace.ui.text.call_constants import CONSTANTS
from uringtrace.ui.text.call_names import text_of
from uringtrace.ui.text.call_structures import whole
from uringtrace.ui.text.call_values import Quoted, Value, Written, quoted

_FAMILY_UNIX, _FAMILY_INET, _FAMILY_INET6, _FAMILY_NETLINK = 1, 2, 10, 16


def socket_address(data: bytes) -> Value:
    """A socket address: in JSON `127.0.0.1:80`, `[::1]:80`, a path, `@abstract`."""
    family = whole(data, 2)
    if family is None:
        return None
    if family == _FAMILY_INET and len(data) >= 16:
        port, host = int.from_bytes(data[2:4]), ".".join(map(str, data[4:8]))
        line = f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{host}")}}'
        return Written(line, f"{host}:{port}")
    if family == _FAMILY_INET6 and len(data) >= 24:
        return _internet6(data)
    if family == _FAMILY_UNIX:
        return _unix(data[2:])
    if family == _FAMILY_NETLINK and len(data) >= 12:
        number, groups = struct.unpack_from("<II", data, 4)
        line = f"{{sa_family=AF_NETLINK, nl_pid={number}, nl_groups={_groups(groups)}}}"
        return Written(line, f"netlink {number} groups {groups:#x}")
    name = text_of(CONSTANTS["family"], family)
    line = f"{{sa_family={name}, sa_data={quoted(data[2:])}}}" if len(data) > 2 else f"{{sa_family={name}}}"
    return Written(line, name)


def _groups(groups: int) -> str:
    return f"{groups:#08x}" if groups else "00000000"


def _internet6(data: bytes) -> Value:
    port, flow = int.from_bytes(data[2:4]), int.from_bytes(data[4:8])
    host = _ipv6(data[8:24])
    scope = whole(data[24:])
    line = (
        f"{{sa_family=AF_INET6, sin6_port=htons({port}), sin6_flowinfo=htonl({flow}), "
        f'inet_pton(AF_INET6, "{host}", &sin6_addr)'
    )
    scoped = "" if scope is None else f", sin6_scope_id={scope}"
    zone = f"%{scope}" if scope else ""
    return Written(f"{line}{scoped}}}", f"[{host}{zone}]:{port}")


def _ipv6(packed: bytes) -> str:
    address = IPv6Address(packed)
    # As inet_ntop(3) writes them: the last 32 bits of mapped and of compatible addresses.
    mapped = address.ipv4_mapped
    if mapped is not None:
        return f"::ffff:{mapped}"
    if not any(packed[:12]) and any(packed[12:14]):
        return "::" + ".".join(map(str, packed[12:]))
    return str(address)


def _unix(path: bytes) -> Value:
    if not path:
        return Written("{sa_family=AF_UNIX}", "")
    if path[0]:
        name = path.split(b"\0")[0]
        return Written(f"{{sa_family=AF_UNIX, sun_path={quoted(name)}}}", Quoted(name))
    line = f"{{sa_family=AF_UNIX, sun_path=@{quoted(path[1:])}}}"
    return Written(line, Quoted(b"@" + path[1:]))
