"""When requests are due is arithmetic: no drift, no request lost or made up, no clock."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.targets.load.latencies import Latencies
from uringtrace.targets.load.schedule import SECOND_NS, ClosedLoop, OpenLoop

START_NS = 5_000_000_000


def test_a_closed_loop_hands_out_exactly_as_many_as_there_are():
    schedule = ClosedLoop(5)
    assert schedule.take(3, 10) == [10, 10, 10]
    assert not schedule.ended
    assert schedule.take(3, 20) == [20, 20]
    assert schedule.ended
    assert schedule.take(3, 30) == []
    assert schedule.taken == 5


def test_a_closed_loop_without_a_number_ends_when_told():
    schedule = ClosedLoop(None)
    assert len(schedule.take(1000, 0)) == 1000
    schedule.end()
    assert schedule.ended
    assert schedule.take(1, 0) == []
    assert schedule.overdue(0) == 0


def test_an_open_loop_hands_out_what_is_due_with_the_time_it_was_due():
    schedule = OpenLoop(4, None, START_NS)
    assert schedule.take(9, START_NS - 1) == []
    assert schedule.take(9, START_NS + SECOND_NS // 2) == [
        START_NS,
        START_NS + SECOND_NS // 4,
        START_NS + SECOND_NS // 2,
    ]
    assert schedule.next_due_ns() == START_NS + SECOND_NS * 3 // 4


def test_an_open_loop_ends_with_its_last_request():
    schedule = OpenLoop(1000, 3, START_NS)
    assert len(schedule.take(100, START_NS + SECOND_NS)) == 3
    assert schedule.ended
    assert schedule.next_due_ns() is None
    assert schedule.overdue(START_NS + SECOND_NS) == 0


def test_nothing_is_due_at_the_end_or_later():
    """A second at 4/s are 4 requests, the fifth would be due just when it ends."""
    schedule = OpenLoop(4, None, START_NS)
    schedule.until_ns = START_NS + SECOND_NS
    assert schedule.overdue(START_NS + 9 * SECOND_NS) == 4
    assert len(schedule.take(9, START_NS + 9 * SECOND_NS)) == 4
    assert (schedule.next_due_ns(), schedule.overdue(START_NS + 9 * SECOND_NS)) == (None, 0)


def test_due_times_do_not_drift():
    """After a thousand seconds at a rate no nanosecond divides, the time is right to the nanosecond."""
    assert OpenLoop(3, None, 0).due_ns(3000) == 1000 * SECOND_NS


@given(rate=st.floats(0.01, 1e6), elapsed_ns=st.integers(-1, 10 * SECOND_NS), taken=st.integers(0, 50))
def test_overdue_is_the_number_of_requests_that_could_be_taken(rate, elapsed_ns, taken):
    elapsed_ns = min(elapsed_ns, round(200 * SECOND_NS / rate))
    schedule = OpenLoop(rate, None, START_NS)
    schedule.take(taken, START_NS + elapsed_ns)
    expected = schedule.overdue(START_NS + elapsed_ns)
    assert len(schedule.take(10**6, START_NS + elapsed_ns)) == expected
    assert schedule.overdue(START_NS + elapsed_ns) == 0


def latencies_of(schedule, stall_ns, service_ns, span_ns):
    """Virtual time: one server that answers in order, and stands still once for `stall_ns` from the start."""
    latencies, free_ns, now_ns = Latencies(), START_NS + stall_ns, START_NS
    waiting = deque()
    while now_ns < START_NS + span_ns or waiting:
        if now_ns < START_NS + span_ns:
            room = 1 - len(waiting) if isinstance(schedule, ClosedLoop) else 10**6
            waiting.extend(schedule.take(room, now_ns))
        if waiting and now_ns >= free_ns:
            free_ns = now_ns + service_ns
            latencies.add(free_ns - waiting.popleft())
            now_ns = free_ns
        else:
            now_ns += service_ns
    return latencies


def test_a_stall_shows_in_an_open_loop_as_theory_says_and_hides_in_a_closed_one():
    """1 s of stall in 10 s at 1,000/s: a tenth of the requests waits, evenly between 1 s and 0.

    So a hundredth of all waited longer than 0.9 s, and p99 is 0.9 s plus what the server
    needs to catch up: while it works off 1,000 requests at 10,000/s, the last hundredth
    (100 requests, those due first) is done 10 ms after the stall.
    """
    options = {"stall_ns": SECOND_NS, "service_ns": SECOND_NS // 10_000, "span_ns": 10 * SECOND_NS}
    opened = latencies_of(OpenLoop(1000, None, START_NS), **options)
    assert opened.count == pytest.approx(10_000, abs=1)
    assert opened.quantile_ns(990) == pytest.approx(0.91e9, rel=0.01)
    assert opened.max_ns == pytest.approx(1e9, rel=0.01)

    closed = latencies_of(ClosedLoop(None), **options)
    assert closed.max_ns == pytest.approx(1e9, rel=0.01)
    assert closed.quantile_ns(999) < 1e6, "one request in ninety thousand saw it"
