"""Connections that are followed while they change."""

from __future__ import annotations

import pytest

from tests.fakes import OPCODES, STARTED_NS, FakeSource, context
from tests.live.clock import Clock
from tests.live.peers import closed, files, reads
from uringtrace.tracer.connections import ConnectionTracker
from uringtrace.tracer.live.connections_now import ConnectionsNow
from uringtrace.tracer.records import only_operations

SECOND = 1_000_000_000
CONTEXT = context(probes=("sys_enter", "sys_exit"))
LATER = STARTED_NS + 60 * SECOND


def test_the_same_as_the_tracker_says() -> None:
    facts = FakeSource([], context=CONTEXT, files=files(20))
    now = ConnectionsNow(CONTEXT, Clock())
    tracker = ConnectionTracker(CONTEXT)
    for step in range(5):
        records = only_operations(reads(range(1 + step, 10 + step), after_ns=(step + 1) * 1_000_000))
        now.add(records, facts)
        tracker.add(records, facts.files)
        now.take((), LATER)
    assert now.take((), LATER) == tracker.connections()
    assert len(now.take((), LATER)) == 13


def test_what_did_not_change_is_not_built_again() -> None:
    facts = FakeSource([], context=CONTEXT, files=files(3))
    now = ConnectionsNow(CONTEXT, Clock())
    now.add(only_operations(reads(range(1, 4))), facts)
    before = now.take((), LATER)
    now.add(only_operations(reads(range(2, 3), after_ns=5_000_000)), facts)
    after = now.take((), LATER)
    assert [one is other for one, other in zip(before, after, strict=True)] == [True, False, True]
    assert after[1].bytes_in == 2


def test_the_last_moments_are_held_back_until_their_order_is_certain() -> None:
    facts = FakeSource([], context=CONTEXT, files=files(1))
    now = ConnectionsNow(CONTEXT, Clock())
    now.add(only_operations(reads(range(1, 2))), facts)
    assert now.take((), STARTED_NS + 2_000_000) == ()
    [connection] = now.take((), STARTED_NS + SECOND)
    assert connection.bytes_in == 1


def test_when_there_is_no_time_they_are_built_in_turn() -> None:
    """Each picture builds 64 at least, and after some pictures all are as they are."""
    facts = FakeSource([], context=CONTEXT, files=files(200))
    now = ConnectionsNow(CONTEXT, Clock(look_ns=SECOND))
    now.add(only_operations(reads(range(1, 201))), facts)
    sizes = [len(now.take((), LATER)) for _ in range(4)]
    assert sizes == [64, 128, 192, 200]
    now.add(only_operations(reads(range(1, 201), after_ns=9_000_000)), facts)
    stale = [sum(each.bytes_in == 1 for each in now.take((), LATER)) for _ in range(4)]
    assert stale == [136, 72, 8, 0]


def test_an_ended_connection_stays_and_leaves_the_work() -> None:
    facts = FakeSource([], context=CONTEXT, files=files(2))
    now = ConnectionsNow(CONTEXT, Clock())
    now.add(only_operations(reads(range(1, 3))), facts)
    now.add(closed(1, STARTED_NS + 2_000_000), facts)
    for second in (1, 20, 40):
        shown = now.take((), STARTED_NS + second * SECOND)
        assert [each.number for each in shown] == [1, 2]
    assert [each.is_open for each in shown] == [False, True]


def test_sockets_of_ended_connections_are_forgotten_and_their_slots_used_again() -> None:
    """As many bytes and connections are shown as the tracker tells that forgets nothing."""
    count = 300
    facts = FakeSource([], context=CONTEXT, files=files(count))
    now = ConnectionsNow(CONTEXT, Clock())
    tracker = ConnectionTracker(CONTEXT)
    forgotten: list[int] = []
    for number in range(1, count + 1):
        began_ns = number * SECOND
        parts = (
            only_operations(reads(range(number, number + 1), after_ns=began_ns)),
            only_operations(reads(range(number, number + 1), after_ns=began_ns + 1_000)),
            closed(number, STARTED_NS + began_ns + 2_000),
            closed(max(1, number - 50), STARTED_NS + began_ns + 3_000),
        )
        for records in parts:
            now.add(records, facts)
            tracker.add(records, facts.files)
        now.take((), STARTED_NS + began_ns + SECOND // 2)
        forgotten += now.forgotten_files()
    shown = now.take((), STARTED_NS + (count + 60) * SECOND)
    forgotten += now.forgotten_files()
    assert [each.bytes_in for each in shown] == [2] * count
    assert [(each.number, each.remote, each.bytes_in) for each in shown] == [
        (each.number, each.remote, each.bytes_in) for each in tracker.connections()
    ]
    assert sorted(forgotten) == list(range(1, count + 1))
    assert len(now._tracker._sockets.all) < 20


def test_a_forgotten_socket_does_not_come_back() -> None:
    facts = FakeSource([], context=CONTEXT, files=files(2))
    now = ConnectionsNow(CONTEXT, Clock())
    now.add(only_operations(reads(range(1, 2))), facts)
    now.add(closed(1, STARTED_NS + 2_000_000), facts)
    now.take((), STARTED_NS + 20 * SECOND)
    assert now.forgotten_files() == [1]
    now.add(only_operations(reads(range(1, 3), after_ns=30 * SECOND)), facts)
    now.add(closed(1, STARTED_NS + 31 * SECOND), facts)
    first, second = now.take((), STARTED_NS + 40 * SECOND)
    assert (first.number, first.bytes_in, first.is_open) == (1, 1, False)
    assert (second.number, second.bytes_in, second.is_open) == (2, 1, True)


@pytest.mark.parametrize("ended", [False, True])
def test_at_the_end_nothing_is_held_back_or_left_for_later(ended: bool) -> None:
    facts = FakeSource([], context=CONTEXT, files=files(100))
    now = ConnectionsNow(CONTEXT, Clock(look_ns=SECOND))
    now.add(only_operations(reads(range(1, 101))), facts)
    assert len(now.take((), STARTED_NS, ended=ended)) == (100 if ended else 0)
    assert OPCODES["read"]
