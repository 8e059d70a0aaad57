"""The upper-layer protocol (kTLS) of TCP sockets, asked of the kernel over sock_diag(7).

One dump for each address family answers for every socket of a network namespace. The
answer names the TLS version, the cipher and who encrypts (net/tls/tls_main.c,
tls_get_info); it holds no keys, so none are read. Messages and attributes are those of
linux/inet_diag.h, linux/tls.h and linux/netlink.h. The parser is pure and takes any bytes;
what it cannot read is left out.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from uringtrace.tracer.source import UpperLayer

_NLMSGHDR = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_NLATTR = struct.Struct("=HH")  # length with this header, type
_INET_DIAG_REQ_V2 = struct.Struct("=BBBxI48x")  # family, protocol, extensions, states
_INET_DIAG_MSG = struct.Struct("=68xI")  # of which only idiag_inode is used
_INTEGER = struct.Struct("=i")
_SHORT = struct.Struct("=H")

_NLM_F_REQUEST = 1
_NLM_F_DUMP = 0x300
_NLM_F_DUMP_INTR = 0x10
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLA_TYPE_MASK = 0x3FFF

_INET_DIAG_INFO = 2
_INET_DIAG_ULP_INFO = 19
_INET_ULP_INFO_NAME, _INET_ULP_INFO_TLS = 1, 2
_TLS_INFO_VERSION, _TLS_INFO_CIPHER, _TLS_INFO_TXCONF, _TLS_INFO_RXCONF = 1, 2, 3, 4

_TIME_WAIT, _LISTEN, _SYN_RECEIVED = 6, 10, 3
_STATES = ((1 << 12) - 2) & ~(1 << _TIME_WAIT | 1 << _LISTEN | 1 << _SYN_RECEIVED)
"""States in which a socket has a process and may have an upper layer (net/tcp_states.h)."""

TLS_VERSIONS = {0x0303: "1.2", 0x0304: "1.3"}
TLS_CIPHERS = {
    51: "AES-GCM-128",
    52: "AES-GCM-256",
    53: "AES-CCM-128",
    54: "CHACHA20-POLY1305",
    55: "SM4-GCM",
    56: "SM4-CCM",
    57: "ARIA-GCM-128",
    58: "ARIA-GCM-256",
}
_CONFIGURATIONS = {1: "none", 2: "software", 3: "offload", 4: "offload"}
"""TLS_CONF_BASE, _SW, _HW and _HW_RECORD."""

_ANSWER_SECONDS = 5
_RECEIVE_BYTES = 1 << 16
_ATTEMPTS = 3
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True)
class Answer:
    """What one datagram from the kernel says."""

    upper_layers: Mapping[int, UpperLayer]
    """Inode → upper layer, of the sockets that have one."""
    finished: bool = False
    """The dump ends here."""
    interrupted: bool = False
    """The tables changed during the dump: sockets may be missing."""
    error: int = 0
    """The errno with which the kernel refused; 0 when it did not."""


def upper_layers(
    inodes: Collection[int] | None = None, pids: Collection[int] = ()
) -> Mapping[int, UpperLayer]:
    """Inode → upper layer, of the TCP sockets that have one; of all, or of `inodes` only.

    Asked are the network namespaces of the processes `pids`; our own where none is given or
    left. Details need CAP_NET_ADMIN in a namespace, and entering another one CAP_SYS_ADMIN.
    Where the kernel does not answer (not permitted, no inet_diag) the sockets are missing:
    not observed.
    """
    found: dict[int, UpperLayer] = {}
    ours = _namespace(Path("/proc/self"))
    for number, members in (network_namespaces(pids) or {ours: ()}).items():
        process = None if number == ours else members[0]
        for family in (socket.AF_INET, socket.AF_INET6):
            with suppress(OSError):
                found.update(_dump(family, process))
    return found if inodes is None else {inode: found[inode] for inode in inodes if inode in found}


def network_namespaces(pids: Collection[int]) -> Mapping[int, tuple[int, ...]]:
    """Number of a network namespace → the processes in it, without those that cannot be asked."""
    found: dict[int, tuple[int, ...]] = {}
    for pid in pids:
        with suppress(OSError):
            number = _namespace(Path(f"/proc/{pid}"))
            found[number] = (*found.get(number, ()), pid)
    return found


def _namespace(process: Path) -> int:
    return (process / "ns/net").stat().st_ino


def dump_request(family: int) -> bytes:
    """The netlink message that asks for all TCP sockets of `family` (an AF_ number)."""
    # The upper layer comes with struct tcp_info only (net/ipv4/inet_diag.c, inet_sk_diag_fill).
    extensions = 1 << _INET_DIAG_INFO - 1
    body = _INET_DIAG_REQ_V2.pack(family, socket.IPPROTO_TCP, extensions, _STATES)
    length = _NLMSGHDR.size + len(body)
    flags = _NLM_F_REQUEST | _NLM_F_DUMP
    return _NLMSGHDR.pack(length, _SOCK_DIAG_BY_FAMILY, flags, 0, 0) + body


def parse_answer(datagram: bytes) -> Answer:
    """What a datagram of netlink messages says; reading stops at the first impossible length."""
    found: dict[int, UpperLayer] = {}
    interrupted = False
    offset = 0
    while offset + _NLMSGHDR.size <= len(datagram):
        length, kind, flags, _, _ = _NLMSGHDR.unpack_from(datagram, offset)
        start, end = offset + _NLMSGHDR.size, offset + length
        if length < _NLMSGHDR.size or end > len(datagram):
            break
        interrupted = interrupted or bool(flags & _NLM_F_DUMP_INTR)
        if kind in (_NLMSG_DONE, _NLMSG_ERROR):
            status = _INTEGER.unpack_from(datagram, start)[0] if end - start >= _INTEGER.size else 0
            return Answer(found, True, interrupted, max(-status, 0))
        if kind == _SOCK_DIAG_BY_FAMILY and end - start > _INET_DIAG_MSG.size:
            (inode,) = _INET_DIAG_MSG.unpack_from(datagram, start)
            attributes = datagram[start + _INET_DIAG_MSG.size : end]
            # Hosts have many sockets and few upper layers: most attributes need no reading.
            if _INET_DIAG_ULP_INFO in attributes and inode:
                layer = parse_upper_layer(attributes)
                if layer is not None:
                    found[inode] = layer
        offset += _aligned(length)
    return Answer(found, False, interrupted)


def parse_upper_layer(attributes: bytes) -> UpperLayer | None:
    """The upper layer among the attributes of an inet_diag_msg; None when there is none."""
    layer = next((value for kind, value in _attributes(attributes) if kind == _INET_DIAG_ULP_INFO), None)
    if layer is None:
        return None
    fields = dict(_attributes(layer))
    name = fields.get(_INET_ULP_INFO_NAME, b"").split(b"\0")[0].decode("ascii", "replace")
    if not name.isprintable() or not name:
        return None
    tls = dict(_attributes(fields.get(_INET_ULP_INFO_TLS, b"")))
    return UpperLayer(
        name,
        version=_named(TLS_VERSIONS, tls.get(_TLS_INFO_VERSION)),
        cipher=_named(TLS_CIPHERS, tls.get(_TLS_INFO_CIPHER)),
        transmit=_named(_CONFIGURATIONS, tls.get(_TLS_INFO_TXCONF)),
        receive=_named(_CONFIGURATIONS, tls.get(_TLS_INFO_RXCONF)),
    )


def _named(names: Mapping[int, str], value: bytes | None) -> str | None:
    if value is None or len(value) != _SHORT.size:
        return None
    return names.get(_SHORT.unpack(value)[0])


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each netlink attribute, up to the first of an impossible length."""
    offset = 0
    while offset + _NLATTR.size <= len(data):
        length, kind = _NLATTR.unpack_from(data, offset)
        if length < _NLATTR.size or offset + length > len(data):
            return
        yield kind & _NLA_TYPE_MASK, data[offset + _NLATTR.size : offset + length]
        offset += _aligned(length)


def _aligned(length: int) -> int:
    return length + 3 & ~3


def _dump(family: int, process: int | None) -> dict[int, UpperLayer]:
    """All of one address family. Raises OSError when the kernel does not answer."""
    found: dict[int, UpperLayer] = {}
    with _diagnosis_socket(process) as diagnosis:
        diagnosis.settimeout(_ANSWER_SECONDS)
        for _ in range(_ATTEMPTS):
            diagnosis.send(dump_request(family))
            interrupted, finished = False, False
            while not finished:
                answer = parse_answer(diagnosis.recv(_RECEIVE_BYTES))
                if answer.error:
                    raise OSError(answer.error, os.strerror(answer.error))
                found.update(answer.upper_layers)
                interrupted, finished = interrupted or answer.interrupted, answer.finished
            if not interrupted:
                break
    return found


def _diagnosis_socket(process: int | None) -> socket.socket:
    """A sock_diag socket in the network namespace of a process; None: in ours."""
    if process is None:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)

    def create() -> socket.socket:
        _enter(Path(f"/proc/{process}/ns/net"))
        return _diagnosis_socket(None)

    # A socket stays in the namespace it was created in. setns(2) moves the calling thread
    # only, and this one ends with the block.
    with ThreadPoolExecutor(max_workers=1) as elsewhere:
        return elsewhere.submit(create).result()


def _enter(namespace: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    with namespace.open("rb") as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(namespace))
