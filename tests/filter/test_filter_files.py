"""Filters on files: by name, by the addresses of a socket, and by the path that a call was given."""

import struct
from collections.abc import Iterator
from socket import AF_INET, AF_UNIX, inet_aton

import numpy as np
import pytest

from tests.fakes import ALL_NAMES, call, row, rows
from uringtrace.tracer.filter import Condition, FileIs, evaluate, parse
from uringtrace.tracer.filter.syntax import Differs
from uringtrace.tracer.records import MEMORY, NAME, SOCKET_EVENT, Records, only_operations
from uringtrace.tracer.source import File, Socket


def connection(number: int, local: str | None, remote: str | None, family: str = "inet") -> File:
    protocol = "unix" if family == "unix" else "tcp"
    listening = family != "unix" and remote is None
    return File(number, f"{protocol} {local}", 8, number, Socket(family, protocol, local, remote, listening))


FILES = {
    1: File(1, "/var/lib/x.db", 8, 1),
    2: connection(2, "127.0.0.1:80", "10.1.2.3:4000"),
    3: connection(3, "[::1]:80", "[fe80::7]:4000", "inet6"),
    4: connection(4, "[::ffff:127.0.0.1]:81", "[::ffff:192.0.2.9]:4001", "inet6"),
    5: connection(5, "/run/x.sock", None, "unix"),
    6: connection(6, "0.0.0.0:80", None),
    7: connection(7, None, "@bus", "unix"),
    8: File(8, "pipe:[12]", 8, 8),
}

ROWS = rows(
    row("READ", fd=3, file=1),  # 0
    row("RECV", fd=4, file=2),  # 1
    call("recvfrom", 5, fd=5, file=3),  # 2
    call("recvfrom", 6, fd=6, file=4),  # 3
    call("sendto", 7, fd=7, file=5),  # 4
    call("accept4", 8, fd=8, file=6, result=4, result_file=2),  # 5
    call("sendfile", 4, 3, fd=4, file=2, second_file=1),  # 6
    call("sendmsg", 9, fd=9, file=7),  # 7
    call("futex"),  # 8
    call("read", 10, fd=10, file=99),  # 9: a file of which nothing was told
    call("read", 11, fd=11, file=8),  # 10
)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("peer=10.1.2.3", [1, 5, 6]),
        ("peer=10.1.2.3:4000", [1, 5, 6]),
        ("peer=10.1.2.3:4001", []),
        ("peer=10.0.0.0/8", [1, 5, 6]),
        ("peer=10.0.0.0/8:4000", [1, 5, 6]),
        ("peer=fe80::/10", [2]),
        ("peer=[fe80::7]:4000", [2]),
        ("peer=[fe80::/10]:4000", [2]),
        ("peer=fe80::7", [2]),
        ("peer=192.0.2.9", [3]),
        ("peer=::ffff:192.0.2.9", [3]),
        ("peer=::ffff:192.0.2.0/120", [3]),
        ("peer=:4000", [1, 2, 5, 6]),
        ("peer=0.0.0.0/0", [1, 3, 5, 6]),
        ("peer=::/0", [2]),
        ("peer=unix", [4, 7]),
        ("peer=@bus", [7]),
        ("peer=10.0.0.0/8,@bus", [1, 5, 6, 7]),
        ("peer!=10.0.0.0/8", [2, 3, 4, 7]),
        ("peer=!unix", [1, 2, 3, 5, 6]),
        ("local=/run/x.sock", [4]),
        ("local=:80", [1, 2, 5, 6]),
        ("local=127.0.0.1:81", [3]),
        ("local=0.0.0.0", [5]),
        ("file=/var/lib/x.db", [0, 6]),
        ("file=/var/lib/x.db,pipe:[12]", [0, 6, 10]),
        ("file!=/var/lib/x.db", [1, 2, 3, 4, 5, 7, 10]),
        ("file=/var/lib", []),
    ],
)
def test_which_rows_concern_a_file(text: str, chosen: list[int]) -> None:
    mask = evaluate(parse(text), only_operations(ROWS), ALL_NAMES, FILES)
    assert np.flatnonzero(mask).tolist() == chosen


class CountedFiles(dict[int, File]):
    """Files that count how often they were looked at."""

    looks = 0

    def __getitem__(self, number: int) -> File:
        self.looks += 1
        return super().__getitem__(number)


def test_each_file_is_judged_once_and_a_late_one_when_it_is_told() -> None:
    files = CountedFiles()
    condition = Condition(parse("peer=10.1.2.3"), ALL_NAMES)
    assert not condition.holds(only_operations(ROWS), files).any()
    files.update(FILES)
    for _ in range(3):
        assert np.flatnonzero(condition.holds(only_operations(ROWS), files)).tolist() == [1, 5, 6]
    assert files.looks == len(FILES)


def pieces(row: int, argument: int, data: bytes) -> Iterator[tuple[object, ...]]:
    for start in range(0, len(data), 48):
        part = data[start : start + 48]
        yield row, argument, len(part), len(data), part


@pytest.mark.parametrize("length", [1, 46, 47, 48, 49, 95, 96, 150])
def test_a_call_that_was_given_the_path(length: int) -> None:
    """Whole strings only, whatever number of pieces they take; no other call is chosen."""
    path = "/" + "x" * (length - 1)
    string = path.encode() + b"\0"
    other = string[:-2] + b"y\0"
    memory = np.array(
        [
            *pieces(0, 1, string),
            *pieces(1, 1, other),
            *pieces(2, 1, b"z" * 48 + string),
            *pieces(3, 1, string + b"x"),
            *pieces(4, 1, other),
            *pieces(4, 3, string),
            *pieces(5, 1, string[:-1]),
            *pieces(7, 3, string),
        ],
        MEMORY,
    )
    batch = rows(*[call("renameat2", -100) for _ in range(8)])
    records = Records(batch, memory, np.zeros(0, SOCKET_EVENT))
    assert np.flatnonzero(evaluate(FileIs((path,)), records, ALL_NAMES, {})).tolist() == [0, 4, 7]
    others = evaluate(Differs(FileIs((path,))), records, ALL_NAMES, {})
    assert np.flatnonzero(others).tolist() == [1, 2, 3, 5]


def test_memory_that_is_no_path_is_not_taken_for_one() -> None:
    """The name of an extended attribute is a string as well, a payload's place is none."""
    memory = np.array([*pieces(0, 1, b"/x\0"), *pieces(0, 0x10, b"/x\0"), *pieces(1, 1, b"/x\0")], MEMORY)
    records = Records(rows(call("setxattr"), call("read", 3)), memory, np.zeros(0, SOCKET_EVENT))
    assert not evaluate(FileIs(("/x",)), records, ALL_NAMES, {}).any()


def test_a_string_whose_last_pieces_were_lost_is_not_taken_for_another() -> None:
    string = b"/" + b"x" * 60 + b"\0"
    memory = np.array(list(pieces(0, 1, string))[:1], MEMORY)
    records = Records(call("openat", -100), memory, np.zeros(0, SOCKET_EVENT))
    assert not evaluate(FileIs((string[:-1].decode(),)), records, ALL_NAMES, {}).any()


def internet(address: str, port: int) -> bytes:
    return struct.pack("=H", AF_INET) + port.to_bytes(2, "big") + inet_aton(address) + bytes(8)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("peer=10.0.0.1:53", [0, 2, 5]),
        ("peer=10.0.0.0/8", [0, 1, 2, 5]),
        ("peer!=10.0.0.1", [1, 6]),
        ("peer=/run/" + "y" * 90, [6]),
        ("local=10.0.0.1", [3, 4]),
        ("local!=10.0.0.1", []),
    ],
)
def test_a_call_that_was_given_an_address(text: str, chosen: list[int]) -> None:
    """Its socket has none yet, or another with each datagram."""
    first, second = internet("10.0.0.1", 53), internet("10.2.2.2", 53)
    unix = struct.pack("=H", AF_UNIX) + b"/run/" + b"y" * 90 + b"\0"
    memory = np.array(
        [
            *pieces(0, 1, first),
            *pieces(1, 4, second),
            *pieces(2, 4, first),
            *pieces(3, 1, first),
            *pieces(4, 1, first),
            *pieces(5, NAME, first),
            *pieces(6, 1, unix),
            *pieces(7, 1, b"\0"),
            *pieces(8, 1, first),
        ],
        MEMORY,
    )
    names = ["connect", "sendto", "recvfrom", "bind", "getsockname", "sendmsg", "connect", "connect", "write"]
    records = Records(rows(*[call(name, 3, fd=3) for name in names]), memory, np.zeros(0, SOCKET_EVENT))
    mask = evaluate(parse(text), records, ALL_NAMES, {})
    assert np.flatnonzero(mask).tolist() == chosen
