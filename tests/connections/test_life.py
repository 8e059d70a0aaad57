"""How connections begin and end, and who is said to have closed them."""

import pytest

from tests.connections.scene import (
    CLIENT,
    CLOSE,
    CLOSE_WAIT,
    ESTABLISHED,
    FIN_WAIT1,
    FIN_WAIT2,
    LAST_ACK,
    SERVER,
    SYN_SENT,
    Scene,
    at,
    tcp,
    unix,
)
from tests.fakes import context
from uringtrace.tracer.record import Kind
from uringtrace.tracer.source import OpenSocket

NO_STATES = context(probes=())


def test_an_accepted_connection_that_the_peer_closes() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.read(file, 50, at=200)
    scene.write(file, 70, at=300)
    scene.state(file, ESTABLISHED, CLOSE_WAIT, at=400)
    scene.read(file, 0, at=410)
    scene.state(file, CLOSE_WAIT, LAST_ACK, at=425)
    scene.call("close", 7, at=430, file=file)
    scene.state(file, LAST_ACK, CLOSE, at=440)
    found = scene.only()
    assert (found.number, found.inode, found.tgid, found.fd, found.direct) == (1, 1002, 4242, 7, False)
    assert (found.local, found.remote, found.listener) == (SERVER, CLIENT, SERVER)
    assert (found.protocol, found.role, found.began_by, at(found.began_ns)) == (
        "tcp",
        "server",
        "accept",
        100,
    )
    assert (at(found.ended_ns), found.closed_by) == (425, "remote")
    assert (found.bytes_in, found.bytes_out, found.bytes_exact) == (50, 70, True)
    assert (found.operations_in, found.operations_out, found.errors, found.last_error) == (2, 1, 0, None)
    assert (at(found.first_byte_ns), at(found.last_in_ns), at(found.last_out_ns)) == (200, 200, 300)
    assert at(found.last_activity_ns) == 300
    assert found.interfaces == "syscall"
    assert found.idle_ns(found.began_ns + 900) is None


def test_this_side_closes_first_and_a_shutdown_alone_is_not_the_end() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.state(file, ESTABLISHED, FIN_WAIT1, at=205)
    scene.call("shutdown", 7, 1, at=210, file=file)
    half = scene.only()
    assert (half.ended_ns, half.closed_by, half.is_open) == (None, "local", True)
    scene.state(file, FIN_WAIT1, FIN_WAIT2, at=300)
    scene.read(file, 10, at=400)
    scene.state(file, FIN_WAIT2, CLOSE, at=500)
    whole = scene.only()
    assert (at(whole.ended_ns), whole.closed_by, whole.bytes_in) == (500, "local", 10)


def test_what_was_received_can_be_read_after_tcp_is_done() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.state(file, ESTABLISHED, FIN_WAIT1, at=205)
    scene.call("shutdown", 7, 1, at=210, file=file)
    scene.state(file, FIN_WAIT2, CLOSE, at=300)
    scene.read(file, 10, at=400)
    assert at(scene.only().ended_ns) == 400


def test_a_shutdown_of_receiving_does_not_excuse_the_farewell() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.state(file, ESTABLISHED, FIN_WAIT1, at=205)
    scene.call("shutdown", 7, 0, at=210, file=file)
    assert at(scene.only().ended_ns) == 205


def test_a_reset() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.state(file, ESTABLISHED, CLOSE, at=300)
    scene.read(file, -104, at=310)
    found = scene.only()
    assert (at(found.ended_ns), found.closed_by) == (300, "reset")
    assert (found.errors, found.last_error) == (1, "ECONNRESET")


@pytest.mark.parametrize(
    ("before", "after", "closed_by"),
    [(CLOSE_WAIT, LAST_ACK, "remote"), (FIN_WAIT2, CLOSE, "local"), (CLOSE_WAIT, CLOSE, "remote")],
)
def test_a_later_state_tells_who_closed_when_the_first_was_not_seen(
    before: int, after: int, closed_by: str
) -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.state(file, before, after, at=300)
    found = scene.only()
    assert (at(found.ended_ns), found.closed_by) == (300, closed_by)


def test_closing_one_of_two_descriptors_does_not_end_it() -> None:
    scene = Scene()
    file = scene.accepted(2, at=100)
    scene.call("dup", 7, at=150, file=file, result=9, result_file=file)
    scene.call("close", 7, at=200, file=file)
    scene.write(file, 5, at=300, fd=9)
    found = scene.only()
    assert (found.ended_ns, found.fd, found.bytes_out) == (None, 9, 5)
    assert scene.only(NO_STATES).ended_ns is None
    scene.call("close", 9, at=400, file=file)
    assert scene.only().ended_ns is None, "no state changed: somebody else has it open"
    without = scene.only(NO_STATES)
    assert (at(without.ended_ns), without.closed_by) == (400, "local")


def test_a_connect_that_succeeds() -> None:
    scene = Scene()
    scene.socket(2, tcp(None, None), inode=5)
    scene.socket(3, tcp("10.0.0.1:5000", "10.0.0.2:443"), inode=5)
    scene.call("socket", 2, 1, 0, at=50, result=7, result_file=2)
    scene.state(2, CLOSE, SYN_SENT, at=105)
    scene.call("connect", 7, 0x7000, 16, at=110, took=10, file=2, result=-115)
    scene.state(2, SYN_SENT, ESTABLISHED, at=150)
    scene.write(3, 20, at=200)
    scene.read(3, 30, at=300)
    found = scene.only()
    assert (found.inode, found.role, found.began_by, at(found.began_ns)) == (5, "client", "connect", 100)
    assert (found.local, found.remote, found.listener) == ("10.0.0.1:5000", "10.0.0.2:443", None)
    assert (found.errors, found.bytes_out, found.bytes_in) == (0, 20, 30)


def test_a_connect_that_fails_names_where_it_was_to_lead() -> None:
    scene = Scene()
    scene.socket(2, tcp(None, None))
    scene.state(2, CLOSE, SYN_SENT, at=105)
    scene.state(2, SYN_SENT, CLOSE, at=109)
    scene.call("connect", 7, 0x7000, 16, at=110, file=2, result=-111)
    scene.remember(1, b"\x02\x00\x01\xbb\x0a\x00\x00\x02" + bytes(8))
    for found in (scene.only(), scene.only(NO_STATES)):
        assert (found.remote, found.closed_by, found.last_error) == ("10.0.0.2:443", "failed", "ECONNREFUSED")
        assert found.ended_ns is not None


def test_a_socket_that_connects_again_after_a_failure() -> None:
    scene = Scene()
    scene.socket(2, tcp(None, None), inode=5)
    scene.socket(3, tcp("10.0.0.1:5000", "10.0.0.2:443"), inode=5)
    scene.state(2, CLOSE, SYN_SENT, at=105)
    scene.state(2, SYN_SENT, CLOSE, at=109)
    scene.call("connect", 7, 0, 16, at=110, file=2, result=-111)
    scene.state(2, CLOSE, SYN_SENT, at=205)
    scene.state(2, SYN_SENT, ESTABLISHED, at=208)
    scene.call("connect", 7, 0, 16, at=210, took=10, file=2, result=0)
    scene.write(3, 1, at=300)
    found = scene.only()
    assert (at(found.began_ns), found.ended_ns, found.closed_by) == (200, None, None)


def test_a_connect_that_still_runs_is_a_connection() -> None:
    scene = Scene()
    scene.socket(2, tcp(None, None))
    scene.call("connect", 7, 0, 16, at=9000, took=8000, file=2, kind=Kind.UNFINISHED)
    found = scene.only()
    assert (found.began_by, at(found.began_ns), found.ended_ns) == ("connect", 1000, None)


def test_what_was_open_before_is_there_without_a_beginning() -> None:
    scene = Scene(
        open_sockets=(
            OpenSocket(4242, 8, 77, tcp("10.0.0.1:80", "10.0.0.7:1000")),
            OpenSocket(4242, 9, 78, tcp("10.0.0.1:50000", "10.0.0.7:5432")),
            OpenSocket(4242, 3, 1001, tcp("0.0.0.0:80", None, listening=True)),
            OpenSocket(4242, 4, 79, tcp("0.0.0.0:53", None)),
        )
    )
    scene.socket(2, tcp("10.0.0.1:80", "10.0.0.7:1000"), inode=77)
    scene.read(2, 10, at=100, fd=8)
    serves, other = scene.connections()
    assert (serves.inode, serves.fd, serves.role, serves.began_by) == (77, 8, "server", "before")
    assert (serves.began_ns, serves.first_byte_ns, at(serves.last_in_ns)) == (None, None, 100)
    assert serves.age_ns(1000, 5000) == 4000
    assert (other.inode, other.role, other.requests, other.last_activity_ns) == (78, None, None, None)
    assert (other.processes, other.tgid, other.fd) == (1, 4242, 9)


def test_listening_and_unconnected_sockets_are_no_connections() -> None:
    scene = Scene()
    scene.socket(2, tcp(None, None))
    scene.call("accept4", 3, at=100, file=1, result=-11)
    scene.call("setsockopt", 7, 1, 2, at=100, file=2)
    scene.call("epoll_ctl", 5, 1, 3, at=110, file=99, second_file=1)
    assert scene.connections() == ()


def test_a_unix_connection_ends_with_its_last_descriptor_unless_it_is_used_again() -> None:
    scene = Scene()
    scene.socket(5, unix("/run/x.sock", listening=True))
    scene.socket(6, unix("/run/x.sock"))
    scene.call("accept4", 3, at=100, file=5, result=7, result_file=6)
    scene.read(6, 10, at=200)
    scene.call("close", 7, at=300, file=6)
    closed = scene.only()
    assert (closed.protocol, closed.listener, closed.local) == ("unix", "/run/x.sock", "/run/x.sock")
    assert (at(closed.ended_ns), closed.closed_by) == (300, "local")
    scene.write(6, 3, at=400, tgid=5000, tid=5000)
    kept = scene.only()
    assert (kept.ended_ns, kept.closed_by, kept.tgid, kept.processes) == (None, None, 5000, 2)
    scene.read(6, 0, at=500, tgid=5000, tid=5000)
    scene.call("close", 7, at=600, tgid=5000, file=6)
    ended = scene.only()
    assert (at(ended.ended_ns), ended.closed_by) == (600, "remote")


def test_a_unix_client_is_named_by_its_peer() -> None:
    scene = Scene()
    scene.socket(5, unix(None))
    scene.socket(6, unix(None, "/run/db.sock"), inode=1005)
    scene.call("connect", 7, 0, 20, at=100, file=5, result=0)
    scene.write(6, 10, at=200)
    scene.write(6, -32, at=300)
    found = scene.only()
    assert (found.remote, found.role, found.closed_by) == ("/run/db.sock", "client", "remote")
    assert (found.errors, found.last_error) == (1, "EPIPE")


def test_the_end_of_the_process_ends_what_only_it_had() -> None:
    scene = Scene()
    for file, fd in ((6, 7), (7, 8)):
        scene.socket(file, unix("/run/x.sock"))
        scene.call("accept", 3, at=100, file=1, result=fd, result_file=file)
    scene.call("dup", 8, at=150, file=7, result=8, result_file=7, tgid=5000)
    scene.call("exit_group", 0, at=300, kind=Kind.SILENT)
    first, second = scene.connections()
    assert (at(first.ended_ns), second.ended_ns) == (300, None)


@pytest.mark.parametrize("name", ["close_range", "dup2"])
def test_other_calls_that_close(name: str) -> None:
    scene = Scene()
    scene.socket(6, unix("/run/x.sock"))
    scene.socket(7, unix("/run/y.sock"))
    scene.call("accept", 3, at=100, file=1, result=7, result_file=6)
    scene.call("accept", 3, at=110, file=1, result=9, result_file=7)
    if name == "dup2":
        scene.call("dup2", 9, 7, at=300, file=7, second_file=6, result=7, result_file=7)
    else:
        scene.call("close_range", 5, 8, at=300, result=0)
    first, second = scene.connections()
    assert (at(first.ended_ns), second.ended_ns) == (300, None)


def test_io_uring_closes_by_descriptor_and_by_place() -> None:
    scene = Scene()
    scene.socket(6, unix("/run/x.sock"))
    scene.socket(7, unix("/run/x.sock"))
    scene.io_uring("ACCEPT", 100, file=1, result=7, result_file=6)
    scene.io_uring("ACCEPT", 110, file=1, result=4, result_file=7, file_index=2**32 - 1)
    scene.io_uring("CLOSE", 300, fd=7, result=0)
    scene.io_uring("CLOSE", 400, fd=0, file_index=5, result=0)
    first, second = scene.connections()
    assert [at(each.ended_ns) for each in (first, second)] == [300, 400]
    assert [(each.fd, each.direct) for each in (first, second)] == [(7, False), (4, True)]
