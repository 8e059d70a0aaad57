"""The lock: first come, first served, and what becomes of places that are given up or forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtime.manual import Bell
from uringtrace.targets.runtime.future import PENDING
from uringtrace.targets.runtime.lock import Acquire, Lock


@pytest.fixture
def lock() -> Lock:
    """A lock that is held."""
    lock = Lock()
    assert lock.acquire().poll(Bell()) is None
    return lock


def queued(lock: Lock, bell: Bell) -> Acquire:
    future = lock.acquire()
    assert future.poll(bell) is PENDING
    return future


def test_handed_over_in_the_order_of_the_first_poll(lock: Lock) -> None:
    """Not of creation, and polling again does not cost the place."""
    created_first = lock.acquire()
    bells = [Bell() for _ in range(3)]
    futures = [queued(lock, bell) for bell in bells[:2]]
    assert created_first.poll(bells[2]) is PENDING
    assert futures[0].poll(bells[0]) is PENDING
    for future, bell in zip([*futures, created_first], bells, strict=True):
        assert bell.rung == 0
        lock.release()
        assert (future.granted, bell.rung) == (True, 1)
        assert future.poll(bell) is None
    lock.release()
    assert lock.acquire().poll(Bell()) is None, "nobody was left: it is free"


def test_futurelock(lock: Lock) -> None:
    """A future in the queue that nobody polls has the lock, and nobody else gets it ever."""
    forgotten, after = queued(lock, Bell()), queued(lock, Bell())
    lock.release()
    assert forgotten.granted
    assert after.poll(Bell()) is PENDING
    assert lock.acquire().poll(Bell()) is PENDING


def test_a_granted_future_that_is_dropped_passes_the_lock_on(lock: Lock) -> None:
    """The repair: who gives up gives back."""
    bell = Bell()
    dropped, after = queued(lock, Bell()), queued(lock, bell)
    lock.release()
    dropped.drop()
    assert (after.granted, bell.rung) == (True, 1)


def test_a_waiting_future_that_is_dropped_leaves_the_queue(lock: Lock) -> None:
    first, dropped, last = (queued(lock, Bell()) for _ in range(3))
    dropped.drop()
    lock.release()
    assert first.poll(Bell()) is None
    lock.release()
    assert last.granted
    assert not dropped.granted


def test_dropping_after_the_result_does_not_release(lock: Lock) -> None:
    """As `await` does it: the future is dropped when its result is there, the lock is held on."""
    future = queued(lock, Bell())
    lock.release()
    assert future.poll(Bell()) is None
    future.drop()
    assert lock.acquire().poll(Bell()) is PENDING


@given(st.lists(st.tuples(st.sampled_from(["ask", "release", "drop"]), st.integers(0, 5))))
def test_never_two_holders_and_never_a_queue_before_a_free_lock(steps: list[tuple[str, int]]) -> None:
    """Whatever six futures do, a plain list of who waits says who has the lock."""
    lock = Lock()
    futures = {number: lock.acquire() for number in range(6)}
    order: list[int] = []
    for step, number in steps:
        if step == "ask":
            if number not in order:
                order.append(number)
            has = futures[number].poll(Bell()) is None
            assert has == (order[0] == number)
        elif step == "release" and order and futures[order[0]].poll(Bell()) is None:
            futures[order[0]] = lock.acquire()
            order.pop(0)
            lock.release()
        elif step == "drop" and number in order and not (order[0] == number and futures[number]._taken):
            futures[number].drop()
            order.remove(number)
            futures[number] = lock.acquire()
        assert [each for each in range(6) if futures[each].granted] == order[:1]
