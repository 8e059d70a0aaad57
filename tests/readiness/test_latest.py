"""As-of joins: the newest of each key before a moment."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.tracer.readiness.latest import Latest, as_of

ITEM = np.dtype([("key", "<u8"), ("ns", "<u8"), ("value", "<u4")])
pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 10)), max_size=20)


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(rows, np.uint64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@given(pairs, pairs)
def test_it_agrees_with_looking_at_every_item(
    items: list[tuple[int, int]], asked: list[tuple[int, int]]
) -> None:
    expected = []
    for key, time in asked:
        before = [(when, index) for index, (own, when) in enumerate(items) if own == key and when <= time]
        expected.append(max(before)[1] if before else -1)
    assert as_of(*columns(items), *columns(asked)).tolist() == expected


@given(pairs, st.lists(st.integers(0, 20), max_size=3), pairs)
def test_items_in_order_may_come_in_any_number_of_batches(
    rows: list[tuple[int, int]], cuts: list[int], asked: list[tuple[int, int]]
) -> None:
    """What is asked is not before the last batch, as waits are not."""
    rows = sorted(rows, key=lambda row: row[1])
    items = np.array([(key, ns, number) for number, (key, ns) in enumerate(rows, 1)], ITEM)
    whole, split = Latest(ITEM), Latest(ITEM)
    whole.add(items)
    edges = sorted({0, items.size, *(min(cut, items.size) for cut in cuts)})
    for first, last in pairwise(edges):
        split.add(items[first:last])
    latest = int(items["ns"].max()) if items.size else 0
    keys, times = columns([(key, latest + time) for key, time in asked])
    assert split.at(keys, times)["value"].tolist() == whole.at(keys, times)["value"].tolist()
