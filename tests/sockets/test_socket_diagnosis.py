"""What the kernel's answers about sockets are read as; the bytes are made here and in test VMs."""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.tracer.socket_diagnosis import (
    dump_request,
    network_namespaces,
    parse_answer,
    parse_upper_layer,
    upper_layers,
)
from uringtrace.tracer.source import UpperLayer

DONE, ERROR, DIAGNOSIS = 3, 2, 20
MULTI, INTERRUPTED = 0x2, 0x10


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def short(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=H", value))


def message(kind: int, body: bytes, flags: int = MULTI) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body


def inet_message(inode: int, attributes: bytes, flags: int = MULTI) -> bytes:
    return message(DIAGNOSIS, bytes(68) + struct.pack("=I", inode) + attributes, flags)


def tls(*parts: bytes, name: bytes = b"tls\0") -> bytes:
    return attribute(19, attribute(1, name) + attribute(2, b"".join(parts)))


SHUTDOWN = attribute(8, b"\0")
TLS = tls(short(1, 0x304), short(2, 51), short(3, 2), short(4, 2))


def done(status: int = 0) -> bytes:
    return message(DONE, struct.pack("=i", status))


def test_only_sockets_with_an_upper_layer_are_told() -> None:
    answer = parse_answer(inet_message(7, SHUTDOWN) + inet_message(8, SHUTDOWN + TLS) + done())
    assert answer.upper_layers == {8: UpperLayer("tls", "1.3", "AES-GCM-128", "software", "software")}
    assert (answer.finished, answer.interrupted, answer.error) == (True, False, 0)


@pytest.mark.parametrize(("code", "version"), [(0x303, "1.2"), (0x304, "1.3"), (0x305, None), (0, None)])
def test_versions(code: int, version: str | None) -> None:
    assert parse_upper_layer(tls(short(1, code))) == UpperLayer("tls", version=version)


CIPHERS = {
    51: "AES-GCM-128",
    52: "AES-GCM-256",
    53: "AES-CCM-128",
    54: "CHACHA20-POLY1305",
    55: "SM4-GCM",
    56: "SM4-CCM",
    57: "ARIA-GCM-128",
    58: "ARIA-GCM-256",
    59: None,
}


@pytest.mark.parametrize(("code", "cipher"), CIPHERS.items())
def test_ciphers(code: int, cipher: str | None) -> None:
    assert parse_upper_layer(tls(short(2, code))) == UpperLayer("tls", cipher=cipher)


CONFIGURATIONS = {1: "none", 2: "software", 3: "offload", 4: "offload", 5: None}


@pytest.mark.parametrize(("code", "who"), CONFIGURATIONS.items())
def test_who_encrypts_in_each_direction(code: int, who: str | None) -> None:
    assert parse_upper_layer(tls(short(3, code))) == UpperLayer("tls", transmit=who)
    assert parse_upper_layer(tls(short(4, code))) == UpperLayer("tls", receive=who)


def test_another_upper_layer_has_a_name_only() -> None:
    assert parse_upper_layer(attribute(19, attribute(1, b"mptcp\0"))) == UpperLayer("mptcp")


def test_the_flag_of_nested_attributes_is_no_part_of_their_type() -> None:
    nested = attribute(19 | 0x8000, attribute(1, b"tls\0") + attribute(2 | 0x8000, short(3, 2)))
    assert parse_upper_layer(nested) == UpperLayer("tls", transmit="software")


@pytest.mark.parametrize("name", [b"", b"\0", b"\x1b[2J\0"])
def test_a_layer_without_a_readable_name_is_none(name: bytes) -> None:
    assert parse_upper_layer(tls(short(1, 0x304), name=name)) is None


def test_values_of_another_size_are_not_guessed() -> None:
    assert parse_upper_layer(tls(attribute(1, b"\x04\x03\0\0"), attribute(2, b"3"))) == UpperLayer("tls")


def test_a_socket_without_an_inode_belongs_to_nobody() -> None:
    assert parse_answer(inet_message(0, TLS)).upper_layers == {}


def test_a_datagram_that_is_not_the_last() -> None:
    answer = parse_answer(inet_message(8, TLS))
    assert list(answer.upper_layers) == [8]
    assert not answer.finished


def test_an_interrupted_dump_says_so() -> None:
    assert parse_answer(inet_message(8, TLS, MULTI | INTERRUPTED)).interrupted
    assert parse_answer(inet_message(8, TLS) + message(DONE, bytes(4), INTERRUPTED)).interrupted


@pytest.mark.parametrize("kind", [DONE, ERROR])
def test_a_refusal_ends_the_dump_with_its_errno(kind: int) -> None:
    answer = parse_answer(message(kind, struct.pack("=i", -errno.ENOENT) + bytes(16)))
    assert answer.finished
    assert answer.error == errno.ENOENT


ANSWERS = sorted((Path(__file__).parent / "answers").iterdir())
"""What kernels sent, byte for byte; tests/vm/print_upper_layers.py sets these sockets up."""

BOTH = ("software", "software")
REAL = [
    UpperLayer("tls", "1.2", "AES-GCM-128", *BOTH),
    UpperLayer("tls", "1.3", "AES-GCM-128", "software", "none"),
    UpperLayer("tls", "1.3", "AES-GCM-128", "none", "software"),
    UpperLayer("tls", None, None, "none", "none"),
    UpperLayer("tls", "1.2", "AES-GCM-256", *BOTH),
    UpperLayer("tls", "1.3", "AES-GCM-256", *BOTH),
    UpperLayer("tls", "1.2", "AES-CCM-128", *BOTH),
    UpperLayer("tls", "1.2", "CHACHA20-POLY1305", *BOTH),
    UpperLayer("tls", "1.3", "CHACHA20-POLY1305", *BOTH),
    *[UpperLayer("tls", "1.3", "AES-GCM-128", *BOTH)] * 2,
]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda path: path.name)
def test_what_kernels_with_ktls_answered(answer: Path) -> None:
    """Two dumps, IPv4 and IPv6; the sockets of the other ends have no upper layer."""
    found: list[UpperLayer] = []
    data = answer.read_bytes()
    first_end = data.index(struct.pack("=IHH", 20, DONE, MULTI)) + 20
    for dump in (data[:first_end], data[first_end:]):
        parsed = parse_answer(dump)
        assert (parsed.finished, parsed.error) == (True, 0)
        found += parsed.upper_layers.values()
    assert sorted(found, key=repr) == sorted(REAL, key=repr)


@given(st.binary(max_size=400))
def test_any_bytes_can_be_parsed(datagram: bytes) -> None:
    for found in parse_answer(datagram).upper_layers.values():
        assert found.name


@given(st.data())
def test_damage_never_raises_nor_invents_values(data: st.DataObject) -> None:
    """Changed or cut anywhere, an answer still holds only names that the tables have."""
    whole = bytearray(inet_message(8, SHUTDOWN + TLS) + inet_message(9, TLS) + done())
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    answer = parse_answer(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    for found in answer.upper_layers.values():
        assert found.cipher in CIPHERS.values()
        assert {found.transmit, found.receive} <= set(CONFIGURATIONS.values())


def test_the_request_has_the_size_and_place_of_its_fields() -> None:
    """struct nlmsghdr and struct inet_diag_req_v2; listening sockets are not asked for."""
    request = dump_request(socket.AF_INET6)
    length, kind, flags = struct.unpack_from("=IHH", request)
    family, protocol, extensions, _, states = struct.unpack_from("=BBBBI", request, 16)
    assert length == len(request) == 16 + 56
    assert (kind, flags) == (DIAGNOSIS, 0x301)
    assert (family, protocol) == (socket.AF_INET6, socket.IPPROTO_TCP)
    assert extensions == 2, "INET_DIAG_INFO: without it the kernel leaves the upper layer out"
    assert states & 1 << 1
    assert not states & 1 << 10


def test_this_kernel_understands_the_request() -> None:
    """Its answer holds the inodes of a connection's two ends, and no upper layer of theirs."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as diagnosis,
    ):
        diagnosis.settimeout(5)
        diagnosis.send(dump_request(socket.AF_INET))
        datagrams = [diagnosis.recv(1 << 16)]
        while not parse_answer(datagrams[-1]).finished:
            datagrams.append(diagnosis.recv(1 << 16))
        inodes = [os.fstat(end.fileno()).st_ino for end in (client, accepted)]
        assert all(struct.pack("=I", inode) in b"".join(datagrams) for inode in inodes)
        assert upper_layers(inodes) == {}


def test_processes_that_are_gone_have_no_namespace() -> None:
    own = Path("/proc/self/ns/net").stat().st_ino
    assert network_namespaces([os.getpid(), 2**22 + 1]) == {own: (os.getpid(),)}
