"""Which line of a log is which row of a capture; every row of both sides is accounted for once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compare.scene import Done, captured, log, pairs
from tests.fakes import STARTED_NS
from uringtrace.tracer.compare import Comparison, OnlyOurs, OnlyTheirs, compare
from uringtrace.tracer.compare.matching import NONE

NAMES = ("read", "write", "epoll_wait", "close")


def life(tid: int, calls: int, seed: int, first_ns: int = 1_000_000) -> list[Done]:
    """A thread's calls, one after the other, each with strace's work before and after it."""
    chance = random.Random(seed)
    done, now_ns = [], STARTED_NS + first_ns
    for _ in range(calls):
        before_ns = chance.randint(3_000, 60_000)
        submitted_ns = now_ns + before_ns
        completed_ns = submitted_ns + chance.randint(300, 900_000)
        name, result = chance.choice(NAMES), chance.randint(0, 3)
        done.append(Done(tid, name, result, submitted_ns, completed_ns, before_ns))
        now_ns = completed_ns + chance.randint(3_000, 50_000)
    return done


def assert_accounted(comparison: Comparison, lines: int, rows: int) -> None:
    """Each line and each row once: paired with one of the other side, or with a reason."""
    partner = comparison.partner
    paired = partner[partner != NONE]
    assert len(np.unique(paired)) == len(paired) == comparison.both
    assert comparison.both + sum(comparison.only_theirs.values()) == lines == len(partner)
    assert comparison.both + sum(comparison.only_ours.values()) == rows == len(comparison.ours_why)
    assert ((comparison.theirs_why == OnlyTheirs.MATCHED) == (partner != NONE)).all()
    assert (np.flatnonzero(comparison.ours_why == OnlyOurs.MATCHED) == np.sort(paired)).all()


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[Done], list[bool], list[bool]]:
    """Some threads, and which of their calls the log and the capture lack."""
    threads = draw(st.integers(1, 3))
    seed = draw(st.integers(0, 2**16))
    done = [each for number in range(threads) for each in life(100 + number, 12, seed + number)]
    kept = st.lists(st.booleans(), min_size=len(done), max_size=len(done))
    return done, draw(kept), draw(kept)


@given(scenes(), st.integers(-1_000, 1_000))
def test_with_times_exactly_what_both_have_is_paired(
    scene: tuple[list[Done], list[bool], list[bool]], offset_ns: int
) -> None:
    """Whichever calls either side lacks. The clocks may differ by less than strace takes for a call."""
    done, in_log, in_capture = scene
    written = [each for each, kept in zip(done, in_log, strict=True) if kept]
    seen = [each for each, kept in zip(done, in_capture, strict=True) if kept]
    ours = captured(seen)
    comparison = compare(log(each.line(offset_ns) for each in written), ours)
    assert_accounted(comparison, len(written), len(seen))
    truth = [(each.tid, each.submitted_ns) for each in written]
    known = set(in_both(written, seen))
    found = pairs(written, comparison.partner, ours)
    right = [pair for pair, each in zip(found, truth, strict=True) if pair == each]
    assert len(right) == len(known), "all that both have are paired"
    for pair, each in zip(found, truth, strict=True):
        # A call whose line is lost lies behind the line before it, maybe of an equal call.
        assert pair is None or pair == each or each not in known


def in_both(one: Sequence[Done], other: Sequence[Done]) -> set[tuple[int, int]]:
    return {(each.tid, each.submitted_ns) for each in one} & {(each.tid, each.submitted_ns) for each in other}


@given(scenes())
def test_by_order_every_row_is_accounted_for_once(scene: tuple[list[Done], list[bool], list[bool]]) -> None:
    """Without times pairs keep the order and the name, whatever is missing."""
    done, in_log, in_capture = scene
    written = [each for each, kept in zip(done, in_log, strict=True) if kept]
    seen = [each for each, kept in zip(done, in_capture, strict=True) if kept]
    ours = captured(seen)
    comparison = compare(log(each.line(times=False) for each in written), ours)
    assert_accounted(comparison, len(written), len(seen))
    last: dict[int, int] = {}
    for each, pair in zip(written, pairs(written, comparison.partner, ours), strict=True):
        if pair is not None:
            assert pair[0] == each.tid
            assert pair[1] > last.get(each.tid, 0)
            last[each.tid] = pair[1]


@settings(max_examples=20)
@given(st.integers(0, 2**16), st.integers(0, 150), st.integers(0, 150), st.booleans())
def test_by_order_only_the_ends_may_be_missing(
    seed: int, before: int, after: int, log_is_longer: bool
) -> None:
    """Then everything that both have is paired, as with times."""
    done = life(7, 400, seed)
    part = done[before : len(done) - after]
    written, seen = (done, part) if log_is_longer else (part, done)
    ours = captured(seen)
    comparison = compare(log(each.line(times=False) for each in written), ours)
    assert comparison.both == len(part)
    found = pairs(written, comparison.partner, ours)
    assert [pair for pair in found if pair] == [(each.tid, each.submitted_ns) for each in part]


@pytest.mark.parametrize("offset_ns", [0, 42_000, -42_000, 3_000_000, -17_000_000, 45_000_000])
def test_the_offset_of_the_clocks_is_found_and_bounded(offset_ns: int) -> None:
    """The true offset lies within what is stated, which is a few times what strace takes for a call."""
    done = [each for number in range(3) for each in life(10 + number, 300, number)]
    comparison = compare(log(each.line(offset_ns) for each in done), captured(done))
    assert comparison.both == len(done)
    assert comparison.alignment.residual_ns is not None
    assert comparison.alignment.uncertainty_ns is not None
    assert abs(comparison.alignment.residual_ns + offset_ns) <= comparison.alignment.uncertainty_ns + 1_000
    assert comparison.alignment.uncertainty_ns < 10_000


@pytest.mark.parametrize("offset_ns", [-45_000, -20_000, 0, 10_000, 20_000, 40_000])
@pytest.mark.parametrize("missing", [0, 1])
def test_bursts_of_equal_calls_are_not_paired_one_line_too_late(offset_ns: int, missing: int) -> None:
    """Few, alike, and nearer to each other than the clocks are; also where the log begins one call later,

    so that each of its lines has a call in either case.
    """
    done, now_ns = [], STARTED_NS + 1_000_000
    for burst in range(14):
        for _ in range(4):
            submitted_ns = now_ns + 12_000
            done.append(Done(10, "getpid", 7, submitted_ns, submitted_ns + 300, 12_000))
            now_ns = submitted_ns + 25_000
        now_ns += 10_000_000 + burst * 1000
    written, ours = done[missing:], captured(done)
    comparison = compare(log(each.line(offset_ns) for each in written), ours)
    found = pairs(written, comparison.partner, ours)
    assert found == [(each.tid, each.submitted_ns) for each in written]
    assert comparison.alignment.residual_ns is not None
    assert comparison.alignment.uncertainty_ns is not None
    assert abs(comparison.alignment.residual_ns + offset_ns) <= comparison.alignment.uncertainty_ns + 1_000


def test_a_clock_that_was_set_leaves_no_certainty() -> None:
    """Both halves are paired, or not; that the times are exact is not claimed."""
    done = life(10, 400, 1)
    lines = [each.line(0) for each in done[:200]] + [each.line(2_000_000) for each in done[200:]]
    comparison = compare(log(lines), captured(done))
    assert_accounted(comparison, 400, 400)
    assert comparison.alignment.uncertainty_ns is None


def test_lines_without_a_thread_are_of_the_thread_that_did_the_like() -> None:
    done, other = life(10, 60, 1), life(11, 60, 2)
    lines = [each.line().split(maxsplit=1)[1] for each in done]
    comparison = compare(log(lines), captured([*done, *other]))
    assert comparison.both == len(done)
    assert set(comparison.tid.tolist()) == {10}
    assert comparison.only_ours[OnlyOurs.THREAD] > 0


def test_lines_without_a_thread_and_without_times() -> None:
    done, other = life(10, 60, 1), life(11, 60, 2)
    lines = [each.line(times=False).split(maxsplit=1)[1] for each in done]
    assert compare(log(lines), captured([*done, *other])).both == len(done)


def test_results_that_differ_are_counted_and_paired() -> None:
    done = life(10, 20, 1)
    changed = Done(10, done[5].name, 77, done[5].submitted_ns, done[5].completed_ns, done[5].before_ns)
    comparison = compare(log(each.line() for each in [*done[:5], changed, *done[6:]]), captured(done))
    assert comparison.both == 20
    assert comparison.different_results == 1


@pytest.mark.long
def test_a_million_calls_take_seconds() -> None:
    """Of four threads; the log and the capture are arrays already."""
    done = [each for number in range(4) for each in life(10 + number, 500, number)]
    ours, theirs = captured(done), log(each.line() for each in done)
    big, little = np.tile(ours.rows, 500), np.tile(theirs.rows, 500)
    step_ns = np.repeat(np.arange(500) * 1_000_000_000, len(done))
    for field in ("submitted_ns", "completed_ns"):
        big[field] += step_ns
    little["started_ns"] += step_ns
    little["line"] = np.arange(1, len(little) + 1)
    many = replace(ours, rows=big, ended_ns=ours.ended_ns + 500_000_000_000)
    before = process_time()
    comparison = compare(replace(theirs, rows=little), many)
    assert process_time() - before < 15
    assert comparison.both == 1_000_000
