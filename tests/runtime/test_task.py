"""Tasks: never on a queue twice, never polled by two threads, no wake-up lost."""

from __future__ import annotations

from collections import deque

import pytest

from tests.runtime.manual import Manual
from uringtrace.targets.runtime.future import Future
from uringtrace.targets.runtime.task import State, Task


class Bench:
    """A queue and a list of tasks that ended."""

    def __init__(self) -> None:
        self.queue: deque[Task] = deque()
        self.ended: list[Task] = []

    def task(self, future: Future[object]) -> Task:
        async def wait() -> None:
            await future

        return Task(wait(), self.queue.append, self.ended.append)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_task_that_is_woken_twice_is_queued_once(bench: Bench) -> None:
    future = Manual()
    task = bench.task(future)
    task.begin()
    bench.queue.popleft().poll()
    assert future.waker is not None
    future.waker.wake()
    future.waker.wake()
    assert list(bench.queue) == [task]


def test_a_wake_up_during_the_poll_is_remembered(bench: Bench) -> None:
    """The future becomes ready after it was asked and before the poll has ended."""

    class Racing(Manual):
        def poll(self, waker):  # type: ignore[no-untyped-def]  # as in Manual
            answer = super().poll(waker)
            if self.result is None:
                self.complete("just now")
                assert bench.queue == deque(), "it is being polled: not on a queue"
            return answer

    task = bench.task(Racing())
    task.begin()
    bench.queue.popleft().poll()
    assert list(bench.queue) == [task]
    bench.queue.popleft().poll()
    assert bench.ended == [task]


def test_a_task_whose_future_keeps_no_waker_is_never_queued_again(bench: Bench) -> None:
    """What the fault `lost-waker` is."""

    class Forgetful(Manual):
        def poll(self, waker):  # type: ignore[no-untyped-def]  # as in Manual
            answer = super().poll(waker)
            self.waker = None
            return answer

    future = Forgetful()
    task = bench.task(future)
    task.begin()
    bench.queue.popleft().poll()
    future.result = "ready, but nobody knows"
    assert (task.state, list(bench.queue), bench.ended) == (State.WAITING, [], [])


def test_what_a_task_raises_is_kept(bench: Bench) -> None:
    async def fail() -> None:
        raise ValueError("on purpose")

    task = Task(fail(), bench.queue.append, bench.ended.append)
    task.begin()
    bench.queue.popleft().poll()
    assert isinstance(task.error, ValueError)
    assert bench.ended == [task]


def test_a_cancelled_task_is_dropped_and_cannot_be_woken(bench: Bench) -> None:
    future = Manual()
    task = bench.task(future)
    task.begin()
    bench.queue.popleft().poll()
    task.cancel()
    assert (future.drops, bench.ended) == (1, [task])
    future.complete("too late")
    assert bench.queue == deque()
    task.cancel()
    assert bench.ended == [task], "it ends once"
