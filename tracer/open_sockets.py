"""Sockets that were connected or listening before the capture began.

psutil reads TCP and UDP from /proc/net. It tells nothing of a unix socket's state; that
is read from /proc/PID/net/unix (unix_seq_show in net/unix/af_unix.c). Invariant: an
entry is given only for a descriptor that was the same socket before and after.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from uringtrace.tracer.socket_diagnosis import network_namespaces, upper_layers
from uringtrace.tracer.source import OpenSocket, Socket

_LINK = re.compile(r"socket:\[(\d+)\]")
_UNIX_LINE = re.compile(r"^[0-9a-f]+: \w+ \w+ (\w+) \w+ (\w+) +(\d+)(?: (.+))?$", re.MULTILINE)
_SO_ACCEPTCON = 1 << 16
_SS_CONNECTED = 3

Descriptors = Mapping[int, Mapping[int, int]]
"""Process → descriptor → inode of the socket it stands for."""


def open_sockets(pids: Collection[int]) -> tuple[OpenSocket, ...]:
    """The connected and the listening sockets among the descriptors of processes.

    TCP, UDP and unix, one entry for each descriptor. The remote end of a unix socket is not in
    /proc and stays None. Processes that are gone or may not be read have no entries.
    """
    before = {pid: _descriptors(pid) for pid in pids}
    if not any(before.values()):
        # psutil would read every socket of the machine, and a busy one has many.
        return ()
    sockets: dict[int, Socket] = {}
    for members in network_namespaces(pids).values():
        sockets.update(_internet_sockets(members, before))
        sockets.update(_unix_sockets(members))
    same = {pid: before[pid].items() & _descriptors(pid).items() for pid in pids}
    layers = upper_layers(sockets.keys(), pids) if sockets else {}
    return tuple(
        OpenSocket(pid, fd, inode, sockets[inode], layers.get(inode))
        for pid in pids
        for fd, inode in sorted(same[pid])
        if inode in sockets
    )


def parse_unix_sockets(text: str) -> Mapping[int, Socket]:
    """Inode → socket, of the connected and the listening ones in a /proc/net/unix."""
    found = {}
    for flags, state, inode, path in _UNIX_LINE.findall(text):
        listening = bool(int(flags, 16) & _SO_ACCEPTCON)
        if listening or int(state, 16) == _SS_CONNECTED:
            # The kernel prints the NULs of an abstract name, also those that only fill it up, as @.
            local = "@" + path.strip("@") if path.startswith("@") else path or None
            found[int(inode)] = Socket("unix", "unix", local, None, listening)
    return found


def _unix_sockets(members: Collection[int]) -> Mapping[int, Socket]:
    for pid in members:
        with suppress(OSError):
            return parse_unix_sockets(Path(f"/proc/{pid}/net/unix").read_text(errors="surrogateescape"))
    return {}


def _internet_sockets(members: Collection[int], descriptors: Descriptors) -> Mapping[int, Socket]:
    """Inode → socket, of the TCP and UDP sockets of processes in one network namespace.

    What psutil cannot tell is missing; nothing is raised.
    """
    import psutil

    protocols = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}
    found = {}
    # RuntimeError: psutil met a line that it does not understand.
    with suppress(OSError, RuntimeError, psutil.Error), _only(members):
        for connection in psutil.net_connections("inet"):
            inode = descriptors.get(connection.pid, {}).get(connection.fd)
            listening = connection.status == psutil.CONN_LISTEN
            if inode is not None and (listening or connection.raddr):
                found[inode] = Socket(
                    "inet" if connection.family == socket.AF_INET else "inet6",
                    protocols[connection.type],
                    _address(connection.laddr),
                    _address(connection.raddr),
                    listening,
                )
    return found


def _address(address: tuple[str, int] | tuple[()]) -> str | None:
    if not address:
        return None
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def _only(members: Collection[int]) -> Iterator[None]:
    """Let psutil see `members` alone, and the network namespace they are in.

    For all processes together psutil reads each table once, for each of them it would do so
    again; and it knows no namespace but ours. Both are settled by where it looks for /proc.
    """
    import psutil

    before = psutil.PROCFS_PATH
    with TemporaryDirectory(prefix="uringtrace-") as directory:
        view = Path(directory)
        for pid in members:
            (view / str(pid)).symlink_to(f"/proc/{pid}")
        (view / "net").symlink_to(f"/proc/{next(iter(members))}/net")
        psutil.PROCFS_PATH = directory
        try:
            yield
        finally:
            psutil.PROCFS_PATH = before


def _descriptors(pid: int) -> Mapping[int, int]:
    """Descriptor → inode, of the sockets of a process; empty where it may not be read."""
    found = {}
    with suppress(OSError):
        # 10,000 times a Path would take longer than what it is for.
        for entry in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with suppress(OSError):
                link = _LINK.fullmatch(os.readlink(f"/proc/{pid}/fd/{entry}"))  # noqa: PTH115
                if link:
                    found[int(entry)] = int(link[1])
    return found
