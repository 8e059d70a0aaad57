"""All of it together: tasks on threads, readiness, time, and the end."""

from __future__ import annotations

import socket
import threading

import pytest

from uringtrace.targets.runtime.executor import Executor
from uringtrace.targets.runtime.future import Future, GiveWay
from uringtrace.targets.runtime.lock import Lock
from uringtrace.targets.runtime.stream import Stream


def run(executor: Executor) -> None:
    executor.run(lambda: False, 0)


@pytest.mark.parametrize("workers", [1, 3])
def test_tasks_talk_through_sockets(workers: int) -> None:
    """A hundred pairs, each of which passes 100 messages to and fro, none lost, none twice."""
    executor = Executor(workers)
    heard: list[int] = []

    async def play(stream: Stream, starts: bool) -> None:
        if starts:
            await stream.send(b"\0", lambda _: None)
        while (data := await stream.receive()) and data[0] < 100:
            await stream.send(bytes([data[0] + 1]), lambda _: None)
        if data:
            heard.append(data[0])
        stream.close()

    for _ in range(100):
        for starts, end in zip((True, False), socket.socketpair(), strict=True):
            end.setblocking(False)
            executor.spawn(play(Stream(executor.poller, end), starts))
    run(executor)
    assert heard == [100] * 100


def test_more_than_the_socket_holds_arrives_whole() -> None:
    """The sender waits for room, the receiver for data, in turns."""
    executor = Executor(2)
    data = bytes(range(256)) * 20_000
    received, sent = bytearray(), []

    async def give(stream: Stream) -> None:
        await stream.send(data, sent.append)
        stream.close()

    async def take(stream: Stream) -> None:
        while piece := await stream.receive():
            received.extend(piece)
        stream.close()

    for function, end in zip((give, take), socket.socketpair(), strict=True):
        end.setblocking(False)
        executor.spawn(function(Stream(executor.poller, end)))
    run(executor)
    assert bytes(received) == data
    assert sum(sent) == len(data)
    assert len(sent) > 1, "it did not fit at once"


def test_the_lock_excludes_across_threads() -> None:
    executor, lock = Executor(4), Lock()
    inside = most = turns = 0

    async def enter() -> None:
        nonlocal inside, most, turns
        for _ in range(50):
            async with lock:
                inside += 1
                most = max(most, inside)
                await GiveWay()
                turns += 1
                inside -= 1

    for _ in range(20):
        executor.spawn(enter())
    run(executor)
    assert (most, turns) == (1, 1000)


def test_a_task_spawned_by_a_worker_is_stolen_while_that_worker_is_busy() -> None:
    """The first task does not end before the second has run, which the same thread cannot do."""
    executor = Executor(2)
    ran = threading.Event()
    threads: list[int] = []

    async def second() -> None:
        threads.append(threading.get_ident())
        ran.set()

    async def first() -> None:
        threads.append(threading.get_ident())
        executor.spawn(second())
        assert ran.wait(30), "nobody has stolen it"

    executor.spawn(first())
    run(executor)
    assert len(set(threads)) == 2
    assert sum(each.stolen for each in executor.queues.counts) == 1


def test_sleeping_tasks_do_not_add_up() -> None:
    executor = Executor(1)
    order: list[int] = []

    async def sleep(number: int) -> None:
        await executor.sleep(number / 200)
        order.append(number)

    for number in (3, 1, 2):
        executor.spawn(sleep(number))
    run(executor)
    assert order == [1, 2, 3]


def test_what_does_not_end_within_the_grace_is_cancelled() -> None:
    executor = Executor(1)
    ended: list[str] = []

    async def wait_for(future: Future[None], name: str) -> None:
        try:
            await future
            ended.append(f"{name} is through")
        finally:
            ended.append(f"{name} ended")

    executor.spawn(wait_for(executor.sleep(0.001), "short"))
    executor.spawn(wait_for(executor.sleep(3600), "long"))
    executor.run(lambda: True, 100_000_000)
    assert ended == ["short is through", "short ended", "long ended"]


def test_an_error_in_a_task_ends_the_executor() -> None:
    executor = Executor(2)

    async def fail() -> None:
        raise ValueError("on purpose")

    async def last() -> None:
        await executor.sleep(3600)

    executor.spawn(last())
    executor.spawn(fail())
    with pytest.raises(ValueError, match="on purpose"):
        run(executor)
