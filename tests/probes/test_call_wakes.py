"""Who slept in a system call, and what woke it."""

from __future__ import annotations

import pytest

from tests.probes.fake_threads import Threads
from tests.probes.seen_calls import NUMBERS, REGULAR, only_row, seen
from uringtrace.tracer.record import FIRST_CALL, Wake


def test_whoever_gave_up_the_processor_slept(threads: Threads) -> None:
    threads.enter(701, NUMBERS["epoll_wait"])
    threads.sleep(701)
    threads.leave(701, 0)
    assert only_row(seen(threads))["slept"]


def test_the_waker_is_named_with_the_call_it_is_in(threads: Threads) -> None:
    threads.open(702, 7, REGULAR, 4711)
    threads.enter(701, NUMBERS["epoll_wait"])
    threads.enter(702, NUMBERS["write"], 7, 0x1000, 8)
    woken = threads.wake(701, by=702)
    threads.leave(702, 8)
    threads.leave(701, 1)
    waker, sleeper = seen(threads).operations
    assert (waker["woke"], waker["woke_count"], waker["tid"]) == (701, 1, 702)
    assert (sleeper["wake"], sleeper["waker"], sleeper["wakes"]) == (Wake.THREAD, 702, 1)
    assert (sleeper["waker_opcode"], sleeper["waker_argument"]) == (FIRST_CALL + NUMBERS["write"], 7)
    assert sleeper["woken_ns"] == woken
    assert sleeper["waker_file"] == waker["file"] != 0


def test_the_last_wake_up_counts(threads: Threads) -> None:
    threads.enter(701, NUMBERS["epoll_wait"])
    threads.wake(701, by=702)
    threads.engine.fire("hrtimer_expire_entry", 0, 0)
    threads.wake(701, by=702)
    threads.engine.fire("hrtimer_expire_exit", 0)
    threads.leave(701, 0)
    row = only_row(seen(threads))
    assert (row["wake"], row["wakes"], row["waker"], row["waker_opcode"]) == (Wake.TIMER, 2, 0, 0)


@pytest.mark.parametrize(
    ("vector", "wake"), [(3, Wake.NETWORK), (2, Wake.NETWORK), (1, Wake.TIMER), (4, Wake.INTERRUPT)]
)
def test_in_a_softirq_the_current_thread_is_not_the_waker(threads: Threads, vector: int, wake: Wake) -> None:
    """On loopback the sender's own call runs the receiving softirq."""
    threads.enter(701, NUMBERS["recvfrom"])
    threads.enter(702, NUMBERS["sendto"])
    threads.engine.fire("softirq_entry", vector)
    threads.wake(701, by=702)
    threads.engine.fire("softirq_exit", vector)
    threads.leave(702, 1)
    threads.leave(701, 1)
    sender, receiver = seen(threads).operations
    assert (receiver["wake"], receiver["waker"]) == (wake, 0)
    assert sender["woke"] == 0


def test_an_interrupt_within_a_softirq_is_an_interrupt(threads: Threads) -> None:
    threads.enter(701, NUMBERS["read"])
    threads.engine.fire("softirq_entry", 3)
    threads.engine.fire("irq_handler_entry", 5, 0)
    threads.wake(701, by=702)
    threads.engine.fire("irq_handler_exit", 5, 0, 1)
    threads.engine.fire("softirq_exit", 3)
    threads.leave(701, 1)
    assert only_row(seen(threads))["wake"] == Wake.INTERRUPT


def test_whoever_is_in_no_call_is_not_followed(threads: Threads) -> None:
    threads.wake(701, by=702)
    assert len(threads.engine.slots()) == 0
