"""A thread that is blocked among others that wait: what it was told of waits for it."""

import pytest

from tests.fakes import RING, STARTED_NS, call
from tests.findings.diagnosing import diagnosed, finding, state, verdict
from tests.findings.test_loop_rules import MS, arrival, judged, on, records, turns, wait
from uringtrace.probes.setup_flags import SQPOLL
from uringtrace.tracer.findings import Confidence, Severity, State

GOING_ON = [wait(190 + number * 10, 9.9, tid=4300) for number in range(60)]
"""Another thread, which is told of other things all the time."""


def batch_of_two(blocked, *, again=()):
    """A thread is told of 10 and 11 at once, and blocks on the way of the first."""
    return records(
        *turns(40),
        *GOING_ON,
        wait(500),
        on("recvfrom", 500.2, file=10),
        *blocked,
        *again,
        on("recvfrom", 700, file=11),
        events=[arrival(499.9, 10), arrival(500, 11)],
    )


def test_what_was_reported_with_it_waits_for_a_blocking_call():
    result = judged(batch_of_two([on("clock_nanosleep", 500.4, 199)]))
    found = finding(result, "blocked-loop")
    assert (found.value("call"), found.value("blocks"), found.value("late")) == ("clock_nanosleep", 1, 1)
    assert found.value("longest_late_ns") == pytest.approx(200 * MS, abs=MS)
    assert (found.severity, found.confidence) == (Severity.WARNING, Confidence.HIGH)
    assert found.subject.tid == 4243


def test_computing_is_no_more_than_worth_knowing_where_the_processor_was_not_seen():
    found = finding(judged(batch_of_two([])), "blocked-loop")
    assert (found.severity, found.confidence, found.value("call")) == (Severity.INFO, Confidence.LOW, None)


def test_what_was_reported_only_afterwards_did_not_wait_for_the_thread():
    result = judged(batch_of_two([on("clock_nanosleep", 500.4, 150)], again=[wait(680, 15)]))
    assert state(result, "blocked-loop") is State.CLEAR


def test_what_nobody_waited_for_is_said_once_as_a_gap():
    """The same without the other thread: the loop itself stood still."""
    described = [*turns(99), wait(500), on("recvfrom", 500.2), on("clock_nanosleep", 500.4, 199)]
    result = judged(records(*described, on("recvfrom", 700, file=11), wait(710), events=[arrival(500, 11)]))
    assert finding(result, "blocked-loop").value("late") is None


def test_a_loop_of_one_thread_has_gaps_and_no_late_turns():
    """It cannot be told of anything while it is held; what is shorter than a gap is none."""
    described = [*turns(99), wait(500), on("recvfrom", 500.2), on("clock_nanosleep", 500.4, 17), wait(518.1)]
    result = judged(records(*described, on("recvfrom", 518, file=11), events=[arrival(497, 11)]))
    assert state(result, "blocked-loop") is State.CLEAR


def ring_turns(count, every_ms, took_ms):
    for number in range(count):
        yield (
            call("io_uring_enter", 4, 1, 1, 1, after_ns=round(number * every_ms * MS),
                 took_ns=round(took_ms * MS), fd=4, file=3, tid=4243, result=1),
            None,
        )  # fmt: skip


def test_a_loop_over_a_ring_is_blocked_like_any_other():
    waits = list(ring_turns(30, 10, 9.9))
    late = next(ring_turns(1, 0, 9.9))[0].copy()
    late["submitted_ns"] += 500 * MS
    late["completed_ns"] += 500 * MS
    slept = on("clock_nanosleep", 300, 199)
    found = finding(judged(records(*waits, slept, (late, None))), "blocked-loop")
    assert (found.value("call"), found.severity, found.value("gaps")) == (
        "clock_nanosleep",
        Severity.WARNING,
        1,
    )
    computing = judged(records(*waits, (late, None)))
    assert finding(computing, "blocked-loop").value("call") is None


def test_a_ring_that_only_changes_the_epoll_instance_is_no_second_loop():
    """As libuv has one: waited on now and then, by the thread that waits on the instance."""
    waits = [*turns(150), on("clock_nanosleep", 751, 120), wait(875)]
    changes = list(ring_turns(25, 5, 0.01))
    (found,) = verdict(judged(records(*waits, *changes)), "blocked-loop").findings
    assert "eventpoll" in found.evidence[1].text


def test_a_thread_that_lets_sqpoll_submit_need_not_call():
    from dataclasses import replace

    waits = [each for each, _ in ring_turns(30, 100, 1)]
    ring = replace(RING, tgid=4242, fd=4, flags=SQPOLL)
    result = diagnosed(*waits, rings=(ring,), ended_ns=STARTED_NS + 4000 * MS)
    assert state(result, "blocked-loop") is State.CLEAR
    plain = diagnosed(*waits, rings=(replace(ring, flags=0),), ended_ns=STARTED_NS + 4000 * MS)
    assert state(plain, "blocked-loop") is State.FOUND
