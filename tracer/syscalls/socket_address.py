"""A socket address as bytes (struct sockaddr), as text in the form of `source.Socket`."""

from __future__ import annotations

import socket
import struct


def address_text(data: bytes) -> str | None:
    """`127.0.0.1:80`, `[::1]:80`, `/run/x.sock`, `@abstract`; None where it is none of these.

    Layouts: ip(7), ipv6(7), unix(7). `data` may be cut short or be longer than the address.
    """
    if len(data) < 2:
        return None
    (family,) = struct.unpack_from("=H", data)
    if family == socket.AF_INET and len(data) >= 8:
        port = int.from_bytes(data[2:4], "big")
        return f"{socket.inet_ntop(socket.AF_INET, data[4:8])}:{port}"
    if family == socket.AF_INET6 and len(data) >= 24:
        port = int.from_bytes(data[2:4], "big")
        return f"[{socket.inet_ntop(socket.AF_INET6, data[8:24])}]:{port}"
    if family == socket.AF_UNIX and len(data) > 2:
        path = data[2:]
        if path[0] == 0:
            name = path[1:].rstrip(b"\0")
            return "@" + name.decode(errors="surrogateescape") if name else None
        return path.split(b"\0")[0].decode(errors="surrogateescape")
    return None
