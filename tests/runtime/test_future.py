"""Polling by hand: coroutines as futures, selecting, dropping."""

from __future__ import annotations

from tests.runtime.manual import Bell, Manual
from uringtrace.targets.runtime.future import PENDING, Borrowed, FirstOf, GiveWay, Steps


def test_a_coroutine_goes_as_far_as_it_gets() -> None:
    """A poll stops at the first future that is pending, and passes it its waker."""
    first, second, bell = Manual(), Manual(), Bell()

    async def both() -> str:
        return await first + await second

    steps = Steps(both())
    assert steps.poll(bell) is PENDING
    assert (first.polls, second.polls) == (1, 0)
    first.complete("a")
    assert bell.rung == 1
    assert steps.poll(bell) is PENDING
    assert (first.polls, second.polls) == (2, 1)
    second.complete("b")
    assert steps.poll(bell) == "ab"


def test_polling_without_need_is_harmless() -> None:
    """Spurious wake-ups are allowed: a coroutine that is polled too often stays where it is."""
    future = Manual()

    async def one() -> str:
        return await future

    steps = Steps(one())
    assert [steps.poll(Bell()) for _ in range(3)] == [PENDING] * 3
    future.complete("done")
    assert steps.poll(Bell()) == "done"


def test_the_first_that_is_ready_wins_and_the_others_are_dropped() -> None:
    loser, winner, bell = Manual(), Manual(), Bell()

    async def select() -> int:
        return await FirstOf(loser, winner)

    steps = Steps(select())
    assert steps.poll(bell) is PENDING
    winner.complete("x")
    assert steps.poll(bell) == 1
    assert loser.drops == 1


def test_a_borrowed_future_is_polled_but_survives() -> None:
    """The way into a futurelock: it lost, nobody polls it further, and it was not dropped."""
    kept, winner, bell = Manual(), Manual(), Bell()

    async def select() -> int:
        return await FirstOf(Borrowed(kept), winner)

    steps = Steps(select())
    assert steps.poll(bell) is PENDING
    winner.complete("x")
    assert steps.poll(bell) == 1
    assert (kept.polls, kept.drops) == (2, 0)


def test_dropping_ends_a_coroutine_where_it_waits() -> None:
    """Through its `finally` clauses, and the future it waited for is dropped as well."""
    future, ended = Manual(), []

    async def waiting() -> None:
        try:
            await future
        finally:
            ended.append(True)

    steps = Steps(waiting())
    assert steps.poll(Bell()) is PENDING
    steps.drop()
    assert (ended, future.drops) == ([True], 1)


def test_giving_way_comes_back_by_itself() -> None:
    bell, turn = Bell(), GiveWay()
    assert turn.poll(bell) is PENDING
    assert bell.rung == 1
    assert turn.poll(bell) is None
