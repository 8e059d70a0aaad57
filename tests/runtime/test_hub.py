"""Green threads: who runs when, on one thread."""

from __future__ import annotations

import contextlib
import socket

import pytest

pytest.importorskip("greenlet")

from greenlet import GreenletExit

from uringtrace.targets.green.hub import Hub
from uringtrace.targets.green.sockets import GreenSocket


def test_green_threads_take_turns() -> None:
    hub, seen = Hub(), []

    def count(name: str) -> None:
        for number in range(3):
            seen.append(f"{name}{number}")
            hub.give_way()

    hub.spawn(lambda: count("a"))
    hub.spawn(lambda: count("b"))
    hub.run()
    hub.close()
    assert seen == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_blocked_one_does_not_block_the_others() -> None:
    """The reader waits first; it goes on because another green thread writes."""
    hub, seen = Hub(), []
    here, there = (GreenSocket(hub, each) for each in socket.socketpair())

    def read() -> None:
        seen.append("waits")
        seen.append(here.recv(10).decode())

    def write() -> None:
        seen.append("writes")
        there.send(b"hello")

    hub.spawn(read)
    hub.spawn(write)
    hub.run()
    hub.close()
    assert seen == ["waits", "writes", "hello"]


def test_more_than_the_socket_holds_arrives_whole() -> None:
    hub, received = Hub(), bytearray()
    here, there = (GreenSocket(hub, each) for each in socket.socketpair())
    data = bytes(range(256)) * 20_000

    def give() -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[there.send(rest) :]
        there.close()

    def take() -> None:
        while piece := here.recv(65536):
            received.extend(piece)

    hub.spawn(give)
    hub.spawn(take)
    hub.run()
    hub.close()
    assert bytes(received) == data


def test_sleepers_wake_in_order_of_their_time() -> None:
    hub, order = Hub(), []

    def sleep(number: int) -> None:
        hub.sleep(number / 200)
        order.append(number)

    for number in (3, 1, 2):
        hub.spawn(lambda number=number: sleep(number))
    hub.run()
    hub.close()
    assert order == [1, 2, 3]


def test_when_reading_ends_who_waits_gets_nothing_and_who_comes_as_well() -> None:
    hub, got = Hub(), []
    here, _there = (GreenSocket(hub, each) for each in socket.socketpair())

    def read() -> None:
        got.append(here.recv(10))
        got.append(here.recv(10))

    hub.spawn(read)
    hub.spawn(hub.end_reading)
    hub.run()
    hub.close()
    assert got == [b"", b""]


def test_what_is_left_at_the_end_is_unwound() -> None:
    """`finally` clauses of a green thread run although what it waits for never comes."""
    hub, ended = Hub(), []

    def wait() -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(ended.append, True)
            try:
                hub.sleep(3600)
            except GreenletExit:
                ended.append("exit")
                raise

    hub.spawn(wait)
    hub.run(lambda: 0)
    hub.close()
    assert ended == ["exit", True]


def test_what_a_green_thread_raises_ends_the_hub() -> None:
    hub = Hub()

    def fail() -> None:
        raise ValueError("on purpose")

    hub.spawn(fail)
    with pytest.raises(ValueError, match="on purpose"):
        hub.run()
    hub.close()
