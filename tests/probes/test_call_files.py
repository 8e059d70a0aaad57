"""The files of a system call, and what happens to the sockets among them."""

from __future__ import annotations

import pytest

from tests.probes.fake_threads import Threads
from tests.probes.seen_calls import NUMBERS, REGULAR, SOCKET_MODE, only_row, seen
from uringtrace.probes.slots import Counter
from uringtrace.tracer.records import SocketEventKind


def test_files_are_those_of_the_moment_the_call_began(threads: Threads) -> None:
    threads.open(701, 3, REGULAR, 4711)
    threads.enter(701, NUMBERS["close"], 3)
    threads.close(3)
    threads.leave(701, 0)
    assert only_row(seen(threads))["file"] != 0


def test_the_file_of_a_new_descriptor_is_named(threads: Threads) -> None:
    threads.open(701, 3, REGULAR, 4711)
    threads.enter(701, NUMBERS["dup"], 3)
    threads.engine.put(threads.engine.base + 0x40000 + 0x8000 + 128 + 4 * 8, 8, threads.engine.base + 0x40000)
    threads.leave(701, 4)
    row = only_row(seen(threads))
    assert row["result_file"] == row["file"] != 0


def test_a_new_eventfd_is_not_an_old_one_at_the_same_address(threads: Threads) -> None:
    """Both share the one inode of all anonymous files."""
    threads.enter(701, NUMBERS["eventfd2"])
    threads.open(701, 5, REGULAR, 1)
    threads.leave(701, 5)
    threads.make(701, NUMBERS["write"], 5)
    threads.make(701, NUMBERS["eventfd2"], result=5)
    threads.make(701, NUMBERS["write"], 5)
    rows = seen(threads).operations
    old, new = rows["result_file"][0], rows["result_file"][2]
    assert rows["file"].tolist() == [0, old, 0, new]
    assert 0 != old != new != 0


def test_both_descriptors_of_a_call_are_named(threads: Threads) -> None:
    threads.open(701, 3, REGULAR, 4711)
    threads.open(701, 4, REGULAR, 4712)
    threads.make(701, NUMBERS["epoll_ctl"], 3, 1, 4, 0)
    row = only_row(seen(threads))
    assert 0 != row["file"] != row["second_file"] != 0


def test_every_new_file_of_a_call_is_described(threads: Threads) -> None:
    threads.open(701, 3, SOCKET_MODE, 11, private=threads.engine.base + 0x50000)
    threads.open(701, 4, SOCKET_MODE, 12, private=threads.engine.base + 0x50000)
    threads.make(701, NUMBERS["sendfile"], 3, 4)
    assert len(list(threads.engine.facts())) == 2
    assert threads.engine.losses() == {}


def test_data_for_a_socket_of_the_target_is_an_event(threads: Threads) -> None:
    engine = threads.engine
    holder, sock = engine.base + 0x50000, engine.base + 0x51000
    engine.write("socket", holder, sk=sock)
    engine.write("sock", sock, sk_socket=holder)
    engine.put(holder + 64, 8, 4711)
    file = threads.open(701, 3, SOCKET_MODE, 4711, private=holder)
    engine.fire("sk_data_ready", sock)
    assert len(engine.slots()) == 0, "not the target's before an operation was seen on it"
    threads.make(701, NUMBERS["recvfrom"], 3)
    number = only_row(seen(threads))["file"]
    when = threads.tick()
    engine.fire("sk_data_ready", sock)
    engine.fire("inet_sock_set_state", sock, 1, 8)
    arrival, change = seen(threads).socket_events
    assert (arrival["kind"], arrival["file"], arrival["ns"]) == (SocketEventKind.ARRIVAL, number, when)
    assert (change["kind"], change["before"], change["after"]) == (SocketEventKind.STATE, 1, 8)
    engine.put(holder + 64, 8, 4712)
    engine.fire("sk_data_ready", sock)
    assert len(engine.slots()) == 0, "another socket has the memory now"
    assert file


def state_changes(threads: Threads, sock: int, *probes: str) -> int:
    """Socket events that one change of a socket's state leaves when the kernel runs these probes for it."""
    for probe in probes:
        threads.engine.fire(probe, sock, 1, 8)
    return len(seen(threads).socket_events)


def test_what_the_kernel_skips_for_a_socket_probe_its_twin_takes(threads: Threads) -> None:
    """The network interrupts a probe on its processor; the kernel then runs the other program alone."""
    engine = threads.engine
    holder, sock = engine.base + 0x50000, engine.base + 0x51000
    engine.write("socket", holder, sk=sock)
    engine.write("sock", sock, sk_socket=holder)
    engine.put(holder + 64, 8, 4711)
    threads.open(701, 3, SOCKET_MODE, 4711, private=holder)
    threads.make(701, NUMBERS["recvfrom"], 3)
    seen(threads)
    probe, twin = "inet_sock_set_state", "inet_sock_set_state_twin"
    assert state_changes(threads, sock, probe, twin) == 1
    assert state_changes(threads, sock, "softirq_entry", twin, twin) == 2, "within the probe"
    assert state_changes(threads, sock, "softirq_exit", twin) == 1, "the interrupted event itself"
    assert state_changes(threads, sock, probe, "softirq_entry", probe, probe) == 3, "within the twin"
    assert state_changes(threads, sock, "softirq_exit", twin) == 0, "the interrupted event is the probe's"
    assert state_changes(threads, sock, "softirq_entry", twin, "softirq_exit", probe, twin) == 2
    assert engine.losses() == {Counter.TWIN_EVENTS: 4}


@pytest.mark.parametrize(("command", "named"), [(0, True), (1030, True), (1, False), (3, False)])
def test_fcntl_names_the_file_of_a_copy_only(threads: Threads, command: int, named: bool) -> None:
    threads.open(701, 3, REGULAR, 4711)
    threads.make(701, NUMBERS["fcntl"], 3, command, 0, result=3)
    assert (only_row(seen(threads))["result_file"] != 0) == named
