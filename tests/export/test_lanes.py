"""Lanes: nothing in one overlaps, and there are no more than operations at once."""

from __future__ import annotations

import itertools
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from uringtrace.ui.perfetto.lanes import Lanes

STRETCHES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15)).map(lambda each: (each[0], sum(each))))


def placed(stretches):
    lanes = Lanes()
    found = defaultdict(list)
    for began, ended in stretches:
        found[lanes.place(began, ended)].append((began, ended))
    return found


@given(STRETCHES)
def test_what_follows_in_a_lane_begins_when_the_one_before_has_ended(stretches):
    for lane in placed(stretches).values():
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(lane))


@given(STRETCHES)
def test_in_the_order_of_their_ends_there_are_no_more_lanes_than_stretches_at_once(stretches):
    found = placed(sorted(stretches, key=lambda each: each[::-1]))
    assert sorted(found) == list(range(len(found)))
    # Those of no length need a lane too: each counts as going on at its own moment.
    at_once = [
        sum(began <= moment < ended or began == ended == moment for began, ended in stretches)
        for moment in range(60)
    ]
    longer = [each for each in stretches if each[0] < each[1]]
    most = max((sum(began <= moment < ended for began, ended in longer) for moment in range(60)), default=0)
    assert most <= len(found) <= max(at_once, default=0)


def test_a_lane_that_was_free_for_the_shortest_time_is_taken():
    assert [sorted(lane) for lane in placed([(0, 5), (1, 9), (9, 10), (5, 11)]).values()] == [
        [(0, 5), (5, 11)],
        [(1, 9), (9, 10)],
    ]
