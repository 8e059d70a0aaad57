"""A connection is its socket, whatever descriptor, file or process it is used by."""

import time

import numpy as np

from tests.connections.scene import (
    CLIENT,
    CLOSE,
    CLOSE_WAIT,
    ESTABLISHED,
    FIN_WAIT1,
    LAST_ACK,
    SERVER,
    Scene,
    at,
    tcp,
)
from tests.fakes import call, rows
from uringtrace.tracer.connections import CONNECTION_COLUMNS, connection_rows
from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import only_operations


def test_a_descriptor_that_is_used_again_is_another_connection() -> None:
    scene = Scene()
    first = scene.accepted(2, at=100)
    scene.read(first, 10, at=200)
    scene.state(first, ESTABLISHED, FIN_WAIT1, at=295)
    scene.call("close", 7, at=300, file=first)
    second = scene.accepted(3, at=400, remote="10.0.0.9:4001")
    scene.read(second, 20, at=500)
    one, two = scene.connections()
    assert (one.fd, one.bytes_in, at(one.ended_ns), one.remote) == (7, 10, 300 - 5, CLIENT)
    assert (two.fd, two.bytes_in, two.ended_ns, two.remote) == (7, 20, None, "10.0.0.9:4001")


def test_several_files_of_one_socket_are_one_connection() -> None:
    scene = Scene()
    scene.accepted(2, at=100)
    scene.socket(3, tcp(SERVER, CLIENT), inode=1002)
    scene.read(2, 10, at=200)
    scene.read(3, 20, at=300)
    assert scene.only().bytes_in == 30


def test_dup2_onto_a_connection_leaves_both_in_order() -> None:
    scene = Scene()
    scene.accepted(2, at=100, fd=7)
    scene.accepted(3, at=110, fd=8, remote="10.0.0.9:4001")
    scene.state(2, ESTABLISHED, FIN_WAIT1, at=195)
    scene.call("dup2", 8, 7, at=200, file=3, second_file=2, result=7, result_file=3)
    scene.write(3, 30, at=300, fd=7)
    scene.write(3, 40, at=310, fd=8)
    gone, kept = scene.connections()
    assert (at(gone.ended_ns), gone.bytes_out) == (195, 0)
    assert (kept.ended_ns, kept.bytes_out, kept.processes) == (None, 70, 1)


def test_a_socket_passed_to_another_process_stays_one_connection() -> None:
    scene = Scene()
    scene.accepted(2, at=100)
    scene.call("close", 7, at=200, file=2)
    scene.read(2, 10, at=300, fd=31, tgid=5000, tid=5001)
    scene.write(2, 20, at=400, fd=31, tgid=5000, tid=5001)
    found = scene.only()
    assert (found.tgid, found.fd, found.processes) == (5000, 31, 2)
    assert (found.bytes_in, found.bytes_out, found.ended_ns) == (10, 20, None)


def test_an_inherited_socket_ends_when_parent_and_child_have_closed_it() -> None:
    scene = Scene()
    scene.accepted(2, at=100)
    scene.call("clone", 0, at=150, result=5000)
    scene.call("close", 7, at=200, file=2)
    scene.read(2, 10, at=300, tgid=5000, tid=5000)
    scene.state(2, ESTABLISHED, FIN_WAIT1, at=395)
    scene.call("close", 7, at=400, file=2, tgid=5000, tid=5000)
    scene.state(2, FIN_WAIT1, CLOSE, at=500)
    found = scene.only()
    assert (at(found.ended_ns), found.closed_by, found.processes) == (395, "local", 2)


def test_workers_that_share_a_listener_and_listeners_that_share_a_port() -> None:
    scene = Scene()
    scene.socket(20, tcp(SERVER, None, listening=True))
    for worker in range(4):
        scene.accepted(
            2 + worker, at=100 + worker, tgid=5000 + worker, tid=5000 + worker, remote=f"10.0.0.9:{worker}"
        )
        scene.read(2 + worker, 10 + worker, at=200 + worker, tgid=5000 + worker, tid=5000 + worker)
    scene.socket(6, tcp(SERVER, "10.0.0.9:9"))
    scene.call("accept4", 5, at=300, file=20, result=7, result_file=6, tgid=5000, tid=5000)
    found = scene.connections()
    assert [each.tgid for each in found] == [5000, 5001, 5002, 5003, 5000]
    assert [each.bytes_in for each in found] == [10, 11, 12, 13, 0]
    assert {each.listener for each in found} == {SERVER}


def test_ipv6() -> None:
    scene = Scene()
    scene.socket(5, tcp("[::]:80", None, listening=True))
    scene.socket(6, tcp("[::1]:80", "[::1]:4000"))
    scene.call("accept", 3, at=100, file=5, result=7, result_file=6)
    found = scene.only()
    assert (found.local, found.remote, found.listener) == ("[::1]:80", "[::1]:4000", "[::]:80")


def test_a_socket_that_is_met_open_is_a_server_where_the_target_listens() -> None:
    scene = Scene()
    scene.call("accept4", 3, at=50, file=1, result=-11)
    scene.socket(2, tcp(SERVER, CLIENT))
    scene.read(2, 10, at=100)
    found = scene.only()
    assert (found.role, found.began_by, found.requests) == ("server", "before", 0)


def life(scene: Scene, file: int, start: int, worker: int) -> None:
    """A connection with two requests, used by two descriptors, closed by the peer."""
    fd, who = 7 + file % 5, {"tgid": 5000 + worker, "tid": 5000 + worker}
    scene.accepted(file, at=start, fd=fd, remote=f"10.0.0.9:{file}", **who)
    for number in range(2):
        moment = start + 30_000_000 * (number + 1)
        scene.arrival(file, moment)
        scene.read(file, 10, at=moment + 1000, fd=fd, **who)
        scene.write(file, 100, at=moment + 5000, fd=fd, **who)
        scene.write(file, 100, at=moment + 9000, fd=fd, **who)
    scene.call("dup", fd, at=start + 95_000_000, file=file, result=40 + file, result_file=file, **who)
    scene.call("close", fd, at=start + 96_000_000, file=file, **who)
    scene.write(file, 7, at=start + 97_000_000, fd=40 + file, **who)
    scene.state(file, ESTABLISHED, CLOSE_WAIT, at=start + 98_000_000)
    scene.read(file, 0, at=start + 99_000_000, fd=40 + file, **who)
    scene.state(file, CLOSE_WAIT, LAST_ACK, at=start + 100_000_000)
    scene.call("close", 40 + file, at=start + 100_000_100, file=file, **who)
    scene.state(file, LAST_ACK, CLOSE, at=start + 100_100_000)


def test_where_batches_end_changes_nothing() -> None:
    scene = Scene()
    for number in range(12):
        life(scene, 2 + number, 17_000_000 * number, number % 3)
    whole = scene.connections()
    assert [each.requests for each in whole] == [2] * 12
    end = 400_000_000
    for splits in (
        [],
        range(0, end, 250_000),
        range(0, end, 7_000_001),
        [95_500_000],
        range(1, end, 61_000_000),
    ):
        assert scene.connections(list(splits)) == whole


def test_a_batch_that_is_out_of_order_within_reason_changes_nothing() -> None:
    scene = Scene()
    for number in range(3):
        life(scene, 2 + number, 17_000_000 * number, 0)
    whole = scene.connections()
    scene.operations.reverse()
    scene.events.reverse()
    assert scene.connections() == whole
    assert scene.connections(list(range(0, 200_000_000, 9_000_000))) == whole


def test_ten_thousand_connections_in_little_time() -> None:
    scene = Scene()
    count = 10_000
    for file in range(2, 2 + count):
        scene.socket(file, tcp(SERVER, f"10.0.0.9:{file}"))
    accept = call("accept4", 3, file=1)
    read = call("read", 7, 0, 4096, result=100)
    write = call("write", 7, 0, 4096, result=200)
    scene.operations.append(many(accept, count, 1_000, result_file=True))
    tracker = scene.tracker()
    began = time.process_time()
    for turn in range(20):
        both = rows(
            *(many(each, count, 10_000_000 * (turn + 2) + shift) for each, shift in ((read, 0), (write, 3)))
        )
        tracker.add(only_operations(both), scene.files)
    found = tracker.connections()
    took = time.process_time() - began
    assert len(found) == count
    assert {(each.bytes_in, each.bytes_out, each.requests) for each in found} == {(2000, 4000, 20)}
    assert took < 10, "400,000 operations on 10,000 connections"


def many(one: Batch, count: int, start: int, *, result_file: bool = False) -> Batch:
    """`one` on each of `count` connections."""
    each = np.repeat(one, count)
    each["completed_ns"] += np.uint64(start) + np.arange(count, dtype=np.uint64) * np.uint64(7)
    each["submitted_ns"] = each["completed_ns"] - np.uint64(2)
    numbers = np.arange(2, 2 + count)
    if result_file:
        each["result_file"], each["result"] = numbers, numbers + 5
    else:
        each["file"], each["fd"] = numbers, numbers + 5
    return each


def test_rows_have_exactly_the_documented_columns() -> None:
    scene = Scene()
    scene.accepted(2, at=100)
    (row,) = connection_rows(scene.connections())
    assert list(row) == list(CONNECTION_COLUMNS)
    kinds = {"int": int, "str": str, "bool": bool}
    for name, value in row.items():
        kind, _, null = CONNECTION_COLUMNS[name].partition(" | ")
        assert isinstance(value, kinds[kind]) or (null == "None" and value is None), name
