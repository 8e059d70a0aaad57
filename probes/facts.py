"""Parses the facts ring buffer: files and processes, as plain frozen values."""

from __future__ import annotations

import socket
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass

_FILE, _FORK, _EXIT = 1, 2, 3
_PROCESS = struct.Struct("<IIII")
_FILE_FIXED = struct.Struct("<IIQIIHHHHHHBBBB16s16s")
_PROTOCOLS = {socket.IPPROTO_TCP: "TCP", socket.IPPROTO_UDP: "UDP"}
_FAMILIES: Mapping[int, str] = {socket.AF_INET: "inet", socket.AF_INET6: "inet6", socket.AF_UNIX: "unix"}
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
    socket: SocketFact | None = None


@dataclass(frozen=True, slots=True)
class SocketFact:
    """What a socket is; the values are those of `uringtrace.tracer.source.Socket`."""

    family: str
    protocol: str
    local: str | None
    remote: str | None
    listening: bool
    connected: bool


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
        of_peer,
        connected,
        local,
        remote,
    ) = _FILE_FIXED.unpack_from(record)
    path = record[_FILE_FIXED.size : _FILE_FIXED.size + path_length]
    if stat.S_ISSOCK(mode):
        fact = _socket(
            family,
            socket_type,
            protocol,
            state,
            (local, local_port),
            (remote, socket.ntohs(remote_port)),
            _unix_name(path),
            bool(of_peer),
            bool(connected),
        )
        return FileFact(number, describe_socket(fact, inode), device, inode, fact)
    if stat.S_ISFIFO(mode):
        description = f"pipe:[{inode}]"
    elif path == _NAMELESS:
        description = f"anon_inode:[{inode}]"
    else:
        description = join_path(path, truncated == 1, nowhere=truncated == _NOWHERE)
    return FileFact(number, description, device, inode)


_NOWHERE = 2
"""PATH_NOWHERE in file.h."""
_IN_MEMORY = ("memfd:", "SYSV", "dev/zero")
"""How names begin that /proc shows as paths although they are none (mm/shmem.c, mm/memfd.c, ipc/shm.c)."""


def join_path(names: bytes, truncated: bool, *, nowhere: bool = False) -> str:
    """The path from NUL-terminated names, leaf first.

    A file of an anonymous file system has one name, `nowhere`, such as "[eventpoll]" or "inotify".
    """
    parts = [name.decode(errors="surrogateescape") for name in names.split(b"\0")[:-1]]
    parts.reverse()
    if nowhere and not parts[0].startswith(_IN_MEMORY):
        return f"anon_inode:{parts[0]}"
    return ("…/" if truncated else "/") + "/".join(parts)


def _socket(
    family: int,
    socket_type: int,
    protocol: int,
    state: int,
    local: tuple[bytes, int],
    remote: tuple[bytes, int],
    name: str | None,
    of_peer: bool,
    connected: bool,
) -> SocketFact:
    family_name = _FAMILIES.get(family, f"family {family}")
    listening = state == _LISTEN and socket_type in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
    if family == socket.AF_UNIX:
        own, peer = (None, name) if of_peer else (name, None)
        return SocketFact(family_name, "unix", own, peer, listening, connected)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return SocketFact(family_name, f"protocol {protocol}", None, None, False, False)
    protocol_name = _PROTOCOLS.get(protocol, f"protocol {protocol}")
    there = _address(family, *remote) if remote[1] else None
    here = _address(family, *local)
    return SocketFact(family_name, protocol_name.lower(), here, there, listening and not there, connected)


def _unix_name(path: bytes) -> str | None:
    abstract = path[:1] == b"\0"
    shown = path.strip(b"\0").decode(errors="surrogateescape")
    return ("@" if abstract else "") + shown if shown else None


def describe_socket(fact: SocketFact, inode: int) -> str:
    """`TCP 127.0.0.1:80->127.0.0.1:4000`, `UNIX /run/x.sock`, `socket:[12]`."""
    if fact.family == "unix":
        own = fact.local or f"socket:[{inode}]"
        return f"UNIX {own}->{fact.remote}" if fact.remote else f"UNIX {own}"
    if fact.local is None:
        return f"socket:[{inode}]"
    protocol = fact.protocol if fact.protocol.startswith("protocol") else fact.protocol.upper()
    version = "v6" if fact.family == "inet6" else ""
    if fact.remote:
        return f"{protocol}{version} {fact.local}->{fact.remote}"
    return f"{protocol}{version} {fact.local}{' listening' if fact.listening else ''}"


def _address(family: int, address: bytes, port: int) -> str:
    if family == socket.AF_INET6:
        return f"[{socket.inet_ntop(socket.AF_INET6, address)}]:{port}"
    return f"{socket.inet_ntop(socket.AF_INET, address[:4])}:{port}"
