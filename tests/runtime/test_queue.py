"""The queues: own before common before others', parking without lost wake-ups."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from uringtrace.targets.runtime.queue import Queues


def pushed_by(queues: Queues[str], worker: int, *tasks: str) -> None:
    """Queue tasks as that worker would."""

    def push() -> None:
        queues.adopt(worker)
        for task in tasks:
            queues.push(task)

    thread = threading.Thread(target=push)
    thread.start()
    thread.join()


def test_own_tasks_then_common_ones_then_those_of_others() -> None:
    queues: Queues[str] = Queues(2)
    queues.take(0)
    queues.counts[0].taken = 1
    pushed_by(queues, 1, "theirs 1", "theirs 2")
    queues.push("common")
    pushed_by(queues, 0, "own 1", "own 2")
    assert [queues.take(0) for _ in range(6)] == ["own 1", "own 2", "common", "theirs 1", "theirs 2", None]
    assert (queues.counts[0].stolen, queues.counts[1].stolen) == (2, 0)


def test_the_common_queue_is_not_forgotten_over_the_own_deque() -> None:
    """A worker that always has something of its own takes a common task within 61."""
    queues: Queues[str] = Queues(1)
    queues.push("common")
    pushed_by(queues, 0, *["own"] * 100)
    queues.counts[0].taken = 1
    taken = [queues.take(0) for _ in range(62)]
    assert taken.index("common") == 60


def test_the_nearest_neighbour_is_robbed_first() -> None:
    """Each worker begins with another one, so that not all steal from the same."""
    queues: Queues[str] = Queues(4)
    for worker in (0, 1, 3):
        pushed_by(queues, worker, f"of {worker}")
    assert [queues.take(2) for _ in range(4)] == ["of 3", "of 0", "of 1", None]


def test_a_parked_worker_is_unparked_by_a_task() -> None:
    queues: Queues[str] = Queues(1)
    got: list[str | None] = []
    worker = threading.Thread(target=lambda: got.append(queues.next(0)))
    worker.start()
    queues.push("work")
    worker.join(10)
    assert got == ["work"]


class Interrupted(Queues[str]):
    """Something happens after a worker has looked for a task, and before it knows the result."""

    def __init__(self, workers: int, happenings: list[Callable[[], None]]) -> None:
        super().__init__(workers)
        self.happenings = happenings

    def take(self, worker: int) -> str | None:
        task = super().take(worker)
        if worker == 0 and self.happenings:
            self.happenings.pop(0)()
        return task


def next_of(queues: Queues[str], worker: int, got: list[str | None]) -> threading.Thread:
    """A thread that waits for one task."""
    thread = threading.Thread(target=lambda: got.append(queues.next(worker)), daemon=True)
    thread.start()
    return thread


def test_a_task_that_comes_between_the_look_and_the_parking_is_seen() -> None:
    """Nobody is parking yet whom its push could unpark: the second look finds it."""
    got: list[str | None] = []
    queues = Interrupted(1, [lambda: queues.push("late")])
    next_of(queues, 0, got).join(10)
    assert got == ["late"]


def test_who_was_unparked_but_has_a_task_wakes_another_one() -> None:
    """The second look finds one task while a push for another one unparks the same worker."""

    def second() -> None:
        queues._parking.insert(0, 1)  # the other worker has been parked for long
        queues.push("second")

    queues = Interrupted(2, [lambda: queues.push("first"), second])
    assert queues.next(0) == "first"
    assert queues._permits[1].acquire(blocking=False), "a task lies in a queue, and a worker sleeps on"


def test_closing_ends_those_that_are_parked_and_those_that_come() -> None:
    queues: Queues[str] = Queues(3)
    workers = [threading.Thread(target=queues.next, args=(index,)) for index in range(3)]
    for each in workers[:2]:
        each.start()
    queues.close()
    workers[2].start()
    for each in workers:
        each.join(10)
    assert not any(each.is_alive() for each in workers)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_task_is_taken_exactly_once(workers: int) -> None:
    """Workers that park between tasks, tasks from outside and from workers."""
    queues: Queues[tuple[int, int]] = Queues(workers)
    taken: list[Counter[tuple[int, int]]] = [Counter() for _ in range(workers)]
    done = threading.Semaphore(0)

    def work(worker: int) -> None:
        queues.adopt(worker)
        while (task := queues.next(worker)) is not None:
            taken[worker][task] += 1
            number, generation = task
            if generation:
                queues.push((number, generation - 1))
            done.release()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(workers)]
    for each in threads:
        each.start()
    for number in range(500):
        queues.push((number, 2))
        if number % 10 == 0:
            for _ in range(3):
                assert done.acquire(timeout=30), "a task lies in a queue and nobody comes"
    for _ in range(500 * 3 - 50 * 3):
        assert done.acquire(timeout=30), "a task lies in a queue and nobody comes"
    queues.close()
    for each in threads:
        each.join(10)
    expected = {(number, generation): 1 for number in range(500) for generation in range(3)}
    assert sum(taken, Counter()) == expected
    assert sum(each.taken for each in queues.counts) == 1500
