"""Parses the facts ring buffer: files and processes, as plain frozen values."""

from __future__ import annotations

import socket
import stat
import struct
from dataclasses import dataclass

_FILE, _FORK, _EXIT = 1, 2, 3
_PROCESS = struct.Struct("<IIII")
_FILE_FIXED = struct.Struct("<IIQIIHHHHHHBB2x16s16s")
_PROTOCOLS = {socket.IPPROTO_TCP: "TCP", socket.IPPROTO_UDP: "UDP"}
_NAMELESS = b"/\0"
"""The name of a dentry that has none, as of a pidfd (fs/dcache.c, d_alloc_anon)."""
_LISTEN = 10
"""TCP_LISTEN (include/net/tcp_states.h)."""


@dataclass(frozen=True, slots=True)
class FileFact:
    """What a file is, as the kernel's structures told when it was first seen."""

    file: int
    description: str
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class ForkFact:
    pid: int
    parent: int


@dataclass(frozen=True, slots=True)
class ExitFact:
    pid: int


Fact = FileFact | ForkFact | ExitFact


def parse_fact(record: bytes) -> Fact:
    """One record of the facts ring buffer; raises ValueError for an unknown type."""
    kind = int.from_bytes(record[:4], "little")
    if kind == _FILE:
        return _parse_file(record)
    _, pid, parent, _ = _PROCESS.unpack_from(record)
    if kind == _FORK:
        return ForkFact(pid, parent)
    if kind == _EXIT:
        return ExitFact(pid)
    raise ValueError(f"unknown fact type {kind}")


def _parse_file(record: bytes) -> FileFact:
    (
        _,
        number,
        inode,
        device,
        path_length,
        mode,
        family,
        socket_type,
        protocol,
        local_port,
        remote_port,
        truncated,
        state,
        local,
        remote,
    ) = _FILE_FIXED.unpack_from(record)
    path = record[_FILE_FIXED.size : _FILE_FIXED.size + path_length]
    if stat.S_ISSOCK(mode):
        remote_port = socket.ntohs(remote_port)
        description = _describe_socket(
            family, socket_type, protocol, state, (local, local_port), (remote, remote_port), path, inode
        )
    elif stat.S_ISFIFO(mode):
        description = f"pipe:[{inode}]"
    elif path == _NAMELESS:
        description = f"anon_inode:[{inode}]"
    else:
        description = join_path(path, bool(truncated))
    return FileFact(number, description, device, inode)


def join_path(names: bytes, truncated: bool) -> str:
    """The path from NUL-terminated names, leaf first.

    A file of an anonymous file system has one name such as "[eventpoll]".
    """
    parts = [name.decode(errors="surrogateescape") for name in names.split(b"\0")[:-1]]
    parts.reverse()
    if len(parts) == 1 and parts[0].startswith("["):
        return f"anon_inode:{parts[0]}"
    return ("…/" if truncated else "/") + "/".join(parts)


def _describe_socket(
    family: int,
    socket_type: int,
    protocol: int,
    state: int,
    local: tuple[bytes, int],
    remote: tuple[bytes, int],
    path: bytes,
    inode: int,
) -> str:
    if family == socket.AF_UNIX:
        name = path.rstrip(b"\0")
        abstract = path[:1] == b"\0"
        shown = ("@" if abstract else "") + name.strip(b"\0").decode(errors="surrogateescape")
        return f"UNIX {shown}" if shown else f"UNIX socket:[{inode}]"
    if family not in (socket.AF_INET, socket.AF_INET6):
        return f"socket:[{inode}]"
    protocol_name = _PROTOCOLS.get(protocol, f"protocol {protocol}")
    version = "v6" if family == socket.AF_INET6 else ""
    here = _address(family, *local)
    if remote[1]:
        return f"{protocol_name}{version} {here}->{_address(family, *remote)}"
    listening = " listening" if state == _LISTEN and socket_type == socket.SOCK_STREAM else ""
    return f"{protocol_name}{version} {here}{listening}"


def _address(family: int, address: bytes, port: int) -> str:
    if family == socket.AF_INET6:
        return f"[{socket.inet_ntop(socket.AF_INET6, address)}]:{port}"
    return f"{socket.inet_ntop(socket.AF_INET, address[:4])}:{port}"
