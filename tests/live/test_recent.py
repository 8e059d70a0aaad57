"""The rows that are kept for log, timeline and examples."""

from __future__ import annotations

import numpy as np

from tests.fakes import row
from uringtrace.tracer.live.recent import RecentOperations
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records, only_operations


def numbered(first: int, count: int) -> Records:
    batch = np.repeat(row(), count)
    batch["user_data"] = np.arange(first, first + count)
    return only_operations(batch)


def kept(recent: RecentOperations) -> list[int]:
    return [int(each) for part in recent.view({}).parts for each in part.operations["user_data"]]


def test_the_newest_are_kept_in_order_and_the_others_are_counted() -> None:
    recent = RecentOperations(10_000)
    for first in range(0, 60_000, 6_000):
        recent.add(numbered(first, 6_000))
    view = recent.view({})
    assert view.rows <= 10_000
    assert kept(recent) == list(range(60_000 - view.rows, 60_000))
    assert view.dropped == 60_000 - view.rows


def test_a_drain_larger_than_the_room_leaves_its_newest() -> None:
    recent = RecentOperations(10_000)
    recent.add(numbered(0, 100_000))
    assert kept(recent) == list(range(90_000, 100_000))
    assert recent.view({}).dropped == 90_000


def test_many_small_drains_become_few_parts() -> None:
    recent = RecentOperations(100_000)
    for first in range(2_500):
        recent.add(numbered(first, 1))
    assert kept(recent) == list(range(2_500))
    assert len(recent.view({}).parts) <= 4


def test_a_view_stays_as_it_was() -> None:
    recent = RecentOperations(100)
    recent.add(numbered(0, 10))
    view = recent.view({})
    recent.add(numbered(10, 200))
    assert [int(each) for each in view.parts[0].operations["user_data"]] == list(range(10))


def with_memory(first: int, count: int) -> Records:
    """Each row has a piece of memory whose length is its number, modulo 40."""
    records = numbered(first, count)
    memory = np.zeros(count, MEMORY)
    memory["row"] = np.arange(count)
    memory["length"] = (first + memory["row"]) % 40
    return Records(records.operations, memory, np.zeros(1, SOCKET_EVENT))


def test_memory_stays_with_its_row_when_drains_are_cut_or_joined() -> None:
    recent = RecentOperations(50_000)
    recent.add(with_memory(0, 20_000))
    recent.add(with_memory(20_000, 3))
    recent.add(with_memory(20_003, 5))
    parts = recent.view({}).parts
    for part in parts:
        assert (part.operations["user_data"][part.memory["row"]] % 40 == part.memory["length"]).all()
        assert len(part.memory) == len(part.operations)
    assert sum(len(part.socket_events) for part in parts) == 3
