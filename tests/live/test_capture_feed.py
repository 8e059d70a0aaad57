"""Pictures of a running capture."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import STARTED_NS, context
from tests.live.clock import Clock
from tests.live.running import FakeCapture, slots
from uringtrace.probes.ring_buffer import LONGEST_RUN
from uringtrace.probes.slots import ARGUMENTS_KIND
from uringtrace.targets import build
from uringtrace.tracer.capture import start_streaming
from uringtrace.tracer.live.backlog import PIECE_SLOTS, Backlog
from uringtrace.tracer.live.capture_feed import CaptureFeed
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.record import Kind
from uringtrace.tracer.target import Target

SECOND = 1_000_000_000


def pictures_of(capture: FakeCapture) -> list[Picture]:
    clock = capture.clock
    shown: list[Picture] = []
    CaptureFeed(capture, clock=clock, pause=clock.pass_seconds).run(shown.append)
    return shown


def totals(pictures: list[Picture]) -> list[int]:
    return [each.summary.totals.completions for each in pictures]


@pytest.mark.parametrize(("operations", "period"), [(0, 1.0), (1, 0.5)])
def test_pictures_come_twice_a_second_and_once_where_nothing_happens(operations: int, period: float) -> None:
    capture = FakeCapture([], drains=[slots(operations)] * 100)
    shown = pictures_of(capture)
    assert shown[0].at_ns == STARTED_NS + SECOND // 100
    gaps = np.diff([each.at_ns for each in shown[:-1]]) / SECOND
    assert len(shown) > 5
    assert gaps.mean() == pytest.approx(period, rel=0.1)
    assert gaps.max() < period + 0.11
    assert [each.ended for each in shown] == [False] * (len(shown) - 1) + [True]


def test_every_operation_is_counted_once_however_it_was_drained() -> None:
    drains = [slots(1), slots(0), slots(3000), slots(LONGEST_RUN), slots(LONGEST_RUN), slots(7)]
    shown = pictures_of(FakeCapture([], drains=drains))
    assert totals(shown)[-1] == 3008 + 2 * LONGEST_RUN
    assert totals(shown) == sorted(totals(shown))
    assert shown[-1].recent.rows + shown[-1].recent.dropped == 3008 + 2 * LONGEST_RUN


def test_while_the_buffer_is_full_draining_comes_first() -> None:
    """And a picture is of the moment up to which everything was counted."""
    drains = [
        slots(10),
        *[slots(LONGEST_RUN, at_ns=STARTED_NS + 10**6 * each) for each in range(1, 30)],
        slots(5),
    ]
    waiting: list[int] = []
    capture = FakeCapture([], drains=drains)
    feed = CaptureFeed(capture, clock=capture.clock, pause=capture.clock.pass_seconds)
    capture.before_drain = lambda number: waiting.append(feed._backlog.waiting)
    shown: list[Picture] = []
    feed.run(shown.append)
    assert max(waiting) == 29 * LONGEST_RUN
    assert totals(shown)[-1] == 15 + 29 * LONGEST_RUN


def test_after_stop_there_are_no_pictures() -> None:
    capture = FakeCapture([], drains=[slots(1)] * 200)
    feed = CaptureFeed(capture, clock=capture.clock, pause=capture.clock.pass_seconds)
    shown: list[Picture] = []

    def post(picture: Picture) -> None:
        shown.append(picture)
        feed.stop()

    feed.run(post)
    assert len(shown) == 1
    assert capture.stopped


def test_what_is_under_way_is_shown() -> None:
    begun = slots(3, kind=Kind.UNFINISHED)
    capture = FakeCapture([], drains=[slots(4)] * 60, under_way=begun)
    operation = pictures_of(capture)[1].operations[0]
    assert (operation.summary.name, operation.in_flight) == ("NOP", 3)


def test_a_process_that_may_not_be_read_raises_nothing() -> None:
    """Its number stands for no process here."""
    shown = pictures_of(FakeCapture([], drains=[slots(4)] * 60, pids=frozenset({4242})))
    assert [each.state for each in shown[1].threads] == ["unknown"]
    everything = pictures_of(FakeCapture([], drains=[slots(4)] * 60, pids=None))
    assert [each.state for each in everything[1].threads] == ["unknown"]


def test_the_backlog_gives_everything_in_order_and_never_parts_a_record() -> None:
    random = np.random.default_rng(5)
    whole = slots(10 * PIECE_SLOTS)
    whole["kind"][random.random(len(whole)) < 0.5] = ARGUMENTS_KIND
    whole["kind"][0] = Kind.COMPLETION
    whole["user_data"] = np.arange(len(whole))
    begins = np.flatnonzero(whole["kind"] < ARGUMENTS_KIND)
    backlog = Backlog()
    borders = [0, *begins[[50, 51, 9000, 40_000]].tolist(), len(whole)]
    for begin, end in pairwise(borders):
        backlog.append(whole[begin:end])
    pieces = []
    while (piece := backlog.take()) is not None:
        assert piece["kind"][0] == Kind.COMPLETION
        assert len(piece) <= 3 * PIECE_SLOTS
        pieces.append(piece)
    assert (np.concatenate(pieces)["user_data"] == whole["user_data"]).all()
    assert backlog.waiting == 0


def test_the_clock_is_the_captures() -> None:
    capture = FakeCapture([], context=context(), clock=Clock(STARTED_NS + 5 * SECOND), drains=[slots(0)])
    assert pictures_of(capture)[-1].elapsed_ns >= 5 * SECOND


@pytest.mark.bpf
def test_a_real_target_is_counted_exactly_and_recorded_beside(tmp_path: Path) -> None:
    """From the first picture to the one that says that it ended."""
    nop = build.binary("nop")
    shown: list[Picture] = []
    with start_streaming(Target(command=(str(nop), "200000"))) as capture:
        feed = CaptureFeed(capture, recordings=tmp_path)
        path = Path(feed.recorder.start())
        feed.run(shown.append)
    last = shown[-1]
    [operation] = [each.summary for each in last.operations if each.summary.name == "NOP"]
    assert operation.count + last.losses.lost.get("operations", 0) == 200_000
    assert last.ended
    assert {each.state for each in last.threads} == {"ended"}
    assert last.rings[0].summary.completions == 200_000
    assert last.tracer_cpu is None or last.tracer_cpu > 0
    assert (path / "meta.json").exists()
    assert feed.recorder.path is None
