"""The poller on real descriptors: edges that are remembered, and the eventfd that interrupts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.manual import Bell
from uringtrace.targets.runtime.future import PENDING
from uringtrace.targets.runtime.poller import READ, WAKE_TOKEN, WRITE, Poller, Source

SECONDS_NS = 10_000_000_000
"""No wait of these tests ends by its timeout."""


@pytest.fixture
def poller() -> Iterator[Poller]:
    poller = Poller()
    poller.wait(0)
    yield poller
    poller.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    here.setblocking(False)
    with here, there:
        yield here, there


def is_ready(source: Source, way: int) -> bool:
    return source.ready(way).poll(Bell()) is not PENDING


def test_an_edge_is_remembered_until_it_is_used(poller: Poller, pair: tuple[socket.socket, ...]) -> None:
    here, there = pair
    source = poller.register(here)
    there.send(b"x")
    poller.wait(SECONDS_NS)
    assert [is_ready(source, READ), is_ready(source, READ)] == [True, False]
    source.again(READ)
    assert is_ready(source, READ)
    assert [is_ready(source, WRITE), is_ready(source, WRITE)] == [True, False]


def test_who_waits_is_woken_once(poller: Poller, pair: tuple[socket.socket, ...]) -> None:
    here, there = pair
    source, bell = poller.register(here), Bell()
    poller.wait(SECONDS_NS)  # writable
    assert source.ready(READ).poll(bell) is PENDING
    for _ in range(2):
        there.send(b"x")
        poller.wait(SECONDS_NS)
    assert bell.rung == 1


def test_the_end_of_the_peer_is_not_used_up(poller: Poller, pair: tuple[socket.socket, ...]) -> None:
    """Data and end may come as one edge; reading goes on without another."""
    here, there = pair
    source = poller.register(here)
    there.send(b"x")
    there.close()
    poller.wait(SECONDS_NS)
    assert [is_ready(source, READ) for _ in range(3)] == [True] * 3


def test_a_dropped_wait_is_not_woken(poller: Poller, pair: tuple[socket.socket, ...]) -> None:
    here, there = pair
    source, bell = poller.register(here), Bell()
    ready = source.ready(READ)
    assert ready.poll(bell) is PENDING
    ready.drop()
    there.send(b"x")
    poller.wait(SECONDS_NS)
    assert bell.rung == 0


def test_another_thread_interrupts_the_wait(poller: Poller) -> None:
    """Each write is a new edge although nobody reads the eventfd."""
    for number in range(1, 4):
        thread = threading.Thread(target=poller.interrupt)
        thread.start()
        poller.wait(SECONDS_NS)
        thread.join()
        assert poller.interruptions == number


def test_the_tokens_are_those_of_mio(poller: Poller, pair: tuple[socket.socket, ...]) -> None:
    """The eventfd has 1 << 31, what is registered has 0, 1, …: so the kernel's fdinfo says."""
    tokens = [poller.register(each).token for each in pair]
    with Path(f"/proc/self/fdinfo/{poller._epoll.fileno()}").open() as lines:
        known = [int(line.split("data:")[1].split()[0], 16) for line in lines if "data:" in line]
    assert tokens == [0, 1]
    assert sorted(known) == [0, 1, WAKE_TOKEN]
    assert WAKE_TOKEN == 2147483648


def test_when_the_poller_ends_no_reading_waits(poller: Poller, pair: tuple[socket.socket, ...]) -> None:
    """Of sources that are there, and of those that come."""
    old, bell = poller.register(pair[0]), Bell()
    assert old.ready(READ).poll(bell) is PENDING
    poller.end()
    assert bell.rung == 1
    assert is_ready(old, READ)
    assert is_ready(poller.register(pair[1]), READ)
