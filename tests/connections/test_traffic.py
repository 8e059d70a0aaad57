"""Bytes and operations in each direction, whatever interface and call moved them."""

import pytest

from tests.connections.scene import Scene, tcp
from uringtrace.tracer.record import (
    CQE_F_BUFFER,
    CQE_F_MORE,
    CQE_F_NOTIF,
    SQE_BUFFER_SELECT,
    SQE_FIXED_FILE,
    Kind,
)
from uringtrace.tracer.source import OpenSocket, Socket, UpperLayer

READS = ("READ", "READV", "READ_FIXED", "RECV", "RECVMSG", "READ_MULTISHOT", "RECV_ZC")
WRITES = ("WRITE", "WRITEV", "WRITE_FIXED", "SEND", "SENDMSG", "SEND_ZC", "SENDMSG_ZC", "SPLICE")


def moved(scene: Scene) -> tuple[int, int, int, int]:
    found = scene.only()
    return found.bytes_in, found.bytes_out, found.operations_in, found.operations_out


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, (50, 0, 1, 0)) for name in ("read", "readv", "preadv2", "recvfrom", "recvmsg", "splice")),
        *((name, (0, 50, 0, 1)) for name in ("write", "writev", "pwritev2", "sendto", "sendmsg", "sendfile")),
        *((name, (0, 0, 0, 0)) for name in ("ioctl", "getsockopt", "tee", "epoll_wait")),
    ],
)
def test_calls(name: str, expected: tuple[int, ...]) -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.call(name, 7, 0, 4096, 0, 4096, at=200, file=file, result=50)
    assert moved(scene) == expected
    assert scene.only().interfaces == ("syscall" if any(expected) else "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, (50, 0, 1, 0)) for name in READS),
        *((name, (0, 50, 0, 1)) for name in WRITES),
        *((name, (0, 0, 0, 0)) for name in ("POLL_ADD", "NOP", "FSYNC")),
    ],
)
def test_io_uring(name: str, expected: tuple[int, ...]) -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.io_uring(name, 200, file=file, fd=3, sqe_flags=SQE_FIXED_FILE, result=50)
    assert moved(scene) == expected
    assert scene.only().interfaces == ("io_uring" if any(expected) else "")
    assert (scene.only().fd, scene.only().direct) == (3, True)


def test_both_ends_of_a_splice_and_both_interfaces_on_one_connection() -> None:
    scene = Scene()
    scene.accepted(2, at=100, fd=7)
    scene.accepted(3, at=110, fd=8, remote="10.0.0.9:4001")
    scene.call("splice", 7, 0, 8, 0, 4096, at=200, file=2, second_file=3, result=1000)
    scene.io_uring("SPLICE", 300, file=2, second_file=3, fd=7, result=10)
    first, second = scene.connections()
    assert (first.bytes_in, first.bytes_out) == (1000, 10)
    assert (second.bytes_in, second.bytes_out) == (10, 1000)
    assert first.interfaces == second.interfaces == "io_uring syscall"


def test_the_notification_of_a_zero_copy_send_is_no_second_send() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.io_uring("SEND_ZC", 200, file=file, result=50, cqe_flags=CQE_F_MORE)
    scene.io_uring("SEND_ZC", 300, file=file, result=0, cqe_flags=CQE_F_NOTIF)
    assert moved(scene) == (0, 50, 0, 1)


def test_multishot_receives_count_each_completion() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    for number, size in enumerate((10, 20, 0)):
        scene.io_uring(
            "RECV",
            200 + number,
            file=file,
            result=size,
            sequence=number + 1,
            sqe_flags=SQE_BUFFER_SELECT,
            cqe_flags=CQE_F_BUFFER | (CQE_F_MORE if size else 0),
        )
    found = scene.only()
    assert (found.bytes_in, found.operations_in, found.bytes_exact) == (30, 3, True)


def test_numbers_that_are_no_bytes_make_the_sum_a_lower_bound() -> None:
    for name, fields in (
        ("sendmmsg", {}),
        ("SEND", {"kind": Kind.SILENT}),
        ("RECVMSG", {"ioprio": 2}),
    ):
        scene = Scene()
        file = scene.accepted(2, at=100)
        scene.write(file, 5, at=150)
        if name == "sendmmsg":
            scene.call(name, 7, 0, 3, at=200, file=file, result=3)
        else:
            scene.io_uring(name, 200, file=file, result=0 if fields.get("kind") else 99, **fields)
        found = scene.only()
        assert (found.bytes_in + found.bytes_out, found.bytes_exact) == (5, False), name
        assert found.operations_in + found.operations_out == 2


def test_looking_at_data_does_not_move_it() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.call("recvfrom", 7, 0, 4096, 0x2, at=200, file=file, result=50)
    scene.call("recvmsg", 7, 0, 0x2000, at=210, file=file, result=50)
    scene.io_uring("RECV", 220, file=file, result=50, op_flags=0x2)
    assert moved(scene) == (0, 0, 0, 0)


def test_only_failures_are_errors() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    for number, error in enumerate((11, 4, 115, 512, 104)):
        scene.read(file, -error, at=200 + number)
    scene.call("setsockopt", 7, 1, 2, at=300, file=file, result=-22)
    scene.io_uring("RECV", 310, file=file, result=-125)
    found = scene.only()
    assert (found.errors, found.last_error, found.operations_in) == (2, "EINVAL", 0)


def test_what_moves_over_other_files_is_not_a_connections() -> None:
    scene = Scene()
    scene.accepted(2, at=100)
    scene.call("read", 9, 0, 4096, at=200, file=77, result=50)
    scene.call("sendfile", 9, 7, 0, 4096, at=210, file=77, second_file=2, result=50)
    assert moved(scene) == (0, 0, 0, 0)


def test_connected_datagrams() -> None:
    scene = Scene()
    scene.socket(2, Socket("inet", "udp", None, None), inode=5)
    scene.socket(3, Socket("inet", "udp", "10.0.0.1:5", "10.0.0.2:53"), inode=5)
    scene.call("connect", 7, 0, 16, at=100, file=2)
    scene.call("sendto", 7, 0, 30, 0, at=200, file=3, result=30)
    found = scene.only()
    assert (found.protocol, found.remote, found.bytes_out) == ("udp", "10.0.0.2:53", 30)


def test_fast_open_connects_by_sending() -> None:
    scene = Scene()
    scene.socket(2, tcp(None, None))
    scene.call("sendto", 7, 0, 30, 0x2000_0000, at=200, took=50, file=2, result=30)
    found = scene.only()
    assert (found.began_by, found.role, found.bytes_out) == ("connect", "client", 30)


def set_up_tls(scene: Scene, file: int) -> None:
    scene.call("setsockopt", 7, 6, 31, 0x7000, 4, at=200, file=file)
    scene.remember(3, b"tls\0")
    scene.call("setsockopt", 7, 282, 1, 0x7000, 40, at=210, file=file)
    scene.remember(3, b"\x04\x03\x34\x00")


def test_tls_that_calls_set_up() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    set_up_tls(scene, file)
    found = scene.only()
    assert (found.upper_layer, found.tls_version, found.tls_cipher) == ("tls", "1.3", "AES-GCM-256")
    assert (found.tls_transmit, found.tls_receive) == ("set", None)


def test_tls_that_an_io_uring_command_set_up() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.io_uring("URING_CMD", 200, file=file, off=3, addr=282 | 2 << 32)
    scene.io_uring("URING_CMD", 210, file=file, off=2, addr=282 | 1 << 32)
    found = scene.only()
    assert (found.upper_layer, found.tls_version, found.tls_cipher) == ("tls", None, None)
    assert (found.tls_transmit, found.tls_receive) == (None, "set")


def test_what_the_kernel_tells_of_tls_counts_and_calls_fill_the_gaps() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    set_up_tls(scene, file)
    told = UpperLayer("tls", None, "AES-GCM-256", "offload", "none")
    scene.open_sockets = (OpenSocket(4242, 7, 1002, tcp("10.0.0.1:80", "10.0.0.9:4000"), told),)
    (found,) = scene.connections([150])
    assert (found.began_by, found.tls_version, found.tls_cipher) == ("accept", "1.3", "AES-GCM-256")
    assert (found.tls_transmit, found.tls_receive) == ("offload", "none")


def test_keys_are_not_kept() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.call("setsockopt", 7, 282, 1, 0x7000, 40, at=210, file=file)
    scene.remember(3, b"\x04\x03\x34\x00" + b"secretsecret")
    tracker = scene.tracker()
    assert all(len(value) <= 4 for value in tracker._history._memory.values())
    assert tracker._history._memory
