"""Timers, with a clock that the test sets."""

from __future__ import annotations

import pytest

from tests.runtime.manual import Bell
from uringtrace.targets.runtime.future import PENDING
from uringtrace.targets.runtime.timers import Timers


class Clock:
    def __init__(self) -> None:
        self.ns = 1_000
        self.interrupts = 0
        self.timers = Timers(self.interrupt, lambda: self.ns)

    def interrupt(self) -> None:
        self.interrupts += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_sleep_ends_when_its_time_has_come_and_not_before(clock: Clock) -> None:
    sleep, bell = clock.timers.sleep(1e-6), Bell()
    assert sleep.poll(bell) is PENDING
    assert clock.timers.next_due_ns() == 2_000
    clock.ns = 1_999
    clock.timers.go_off()
    assert bell.rung == 0
    clock.ns = 2_000
    clock.timers.go_off()
    assert bell.rung == 1
    assert sleep.poll(bell) is None
    assert clock.timers.next_due_ns() is None


def test_the_reactor_is_interrupted_only_for_an_earlier_time(clock: Clock) -> None:
    """What decides how often the eventfd is written."""
    for seconds, interrupts in ((3e-6, 1), (4e-6, 1), (2e-6, 2), (2e-6, 2), (1e-6, 3)):
        assert clock.timers.sleep(seconds).poll(Bell()) is PENDING
        assert clock.interrupts == interrupts


def test_a_dropped_sleep_wakes_nobody(clock: Clock) -> None:
    sleep, bell = clock.timers.sleep(1e-6), Bell()
    assert sleep.poll(bell) is PENDING
    sleep.drop()
    clock.ns = 5_000
    clock.timers.go_off()
    assert bell.rung == 0


def test_the_last_waker_counts(clock: Clock) -> None:
    """A future that moved to another task must not wake the old one."""
    sleep, old, new = clock.timers.sleep(1e-6), Bell(), Bell()
    assert (sleep.poll(old), sleep.poll(new)) == (PENDING, PENDING)
    clock.ns = 2_000
    clock.timers.go_off()
    assert (old.rung, new.rung) == (0, 1)
