"""A recording shown at any of its moments, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import RING, STARTED_NS, FakeSource, call, context, row, rows
from tests.live.clock import Clock, Script
from tests.recording.conftest import write_recording
from uringtrace.tracer.live.cut import cut
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.live.playback_feed import PlaybackFeed
from uringtrace.tracer.record import Batch, Kind
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records

SECOND = 1_000_000_000
END = STARTED_NS + 10 * SECOND
SLEPT = call("read", 3, after_ns=2 * SECOND, took_ns=4 * SECOND, tid=7, slept=True, wakes=1)
SLEPT["woken_ns"] = SLEPT["completed_ns"]


def recorded() -> Batch:
    """Ten operations a second for ten seconds, one that takes three, a call that sleeps for four, one
    that never ends."""
    each = [row(after_ns=number * SECOND // 10, took_ns=1000) for number in range(100)]
    long = row("RECV", after_ns=SECOND, took_ns=3 * SECOND)
    open_still = row("ACCEPT", after_ns=5 * SECOND, took_ns=5 * SECOND, kind=Kind.UNFINISHED)
    batch = rows(*each, long, SLEPT, open_still)
    return batch[np.argsort(batch["completed_ns"], kind="stable")]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    probes = ("io_uring_complete", "sys_enter", "sys_exit")
    source = FakeSource([], context=context(probes=probes), rings=(RING,), ended_ns=END)
    batches = np.array_split(recorded(), 4)
    return write_recording(tmp_path_factory.mktemp("playback") / "run", batches, source=source)


def played(
    path: Path, *actions: Callable[[PlaybackFeed], object], playing: bool = True, speed: float = 1.0
) -> list[Picture]:
    """All pictures; where time stands still the next action is done, and after the last it ends."""
    clock = Clock(5)
    todo: list[Callable[[], object]] = []
    script = Script(clock, todo)
    feed = PlaybackFeed(open_recording(path), playing=playing, speed=speed, clock=clock, wait=script)
    todo += [lambda action=action: action(feed) for action in actions]  # type: ignore[misc]
    todo.append(feed.stop)
    pictures: list[Picture] = []
    feed.run(pictures.append)
    return pictures


def seconds(picture: Picture) -> float:
    return (picture.at_ns - STARTED_NS) / SECOND


def total(picture: Picture, name: str = "NOP") -> int:
    return sum(each.summary.count for each in picture.operations if each.summary.name == name)


def seek(second: float) -> Callable[[PlaybackFeed], object]:
    return lambda feed: feed.controls.seek(STARTED_NS + round(second * SECOND))


def test_it_plays_to_the_end_twice_a_second_and_stays_there(path: Path) -> None:
    pictures = played(path)
    assert [seconds(each) for each in pictures] == [each / 2 for each in range(21)]
    assert [each.ended for each in pictures] == [False] * 20 + [True]
    last = pictures[-1]
    assert last.playback is not None
    assert (last.playback.playing, last.playback.end_ns) == (False, END)
    assert (total(last), last.live, last.tracer_cpu) == (100, False, None)
    assert last.rings[0].summary.submitted == RING.submitted


def test_twice_the_speed_takes_half_the_pictures(path: Path) -> None:
    assert [seconds(each) for each in played(path, speed=4.0)] == [0, 2, 4, 6, 8, 10]


def test_a_moment_shows_what_was_so_far(path: Path) -> None:
    """Ten operations a second, those of the last whole second, and what was under way."""
    first, shown = played(path, seek(3.55), playing=False)
    assert total(first) == 0
    assert (seconds(shown), total(shown)) == (3.55, 36)
    nop = next(each for each in shown.operations if each.summary.name == "NOP")
    assert (nop.rate_now, nop.history) == (10.0, (10.0, 10.0, 10.0))
    assert shown.operations_now == 10.0
    ring = shown.rings[0].summary
    assert (ring.completions, ring.in_flight, ring.submitted) == (36, 1, 37)
    [sleeper] = [each for each in shown.threads if each.activity.tid == 7]
    assert (sleeper.call, sleeper.state, sleeper.in_call_ns) == ("read", "waiting", round(1.55 * SECOND))
    assert sleeper.waiting_now == pytest.approx(1.0)


def test_seeking_back_and_forth_gives_the_same_picture(path: Path) -> None:
    """The model is built anew for the way back; nothing of the later moment is left."""
    pictures = played(path, seek(3.0), seek(8.0), seek(3.0), playing=False)
    before, after = pictures[1], pictures[3]
    assert [seconds(each) for each in pictures] == [0, 3, 8, 3]
    assert before.summary == after.summary
    assert before.operations == after.operations
    assert before.threads == after.threads
    assert (before.recent.rows, before.rings) == (after.recent.rows, after.rings)


def test_at_the_end_what_never_ended_is_under_way(path: Path) -> None:
    shown = played(path, seek(99.0), playing=False)[-1]
    accept = next(each for each in shown.operations if each.summary.name == "ACCEPT")
    assert (seconds(shown), shown.ended, accept.in_flight, accept.summary.count) == (10.0, True, 1, 0)


def test_pausing_stands_still_and_resuming_goes_on(path: Path) -> None:
    feeds: list[PlaybackFeed] = []

    def resume(feed: PlaybackFeed) -> None:
        feeds.append(feed)
        feed.controls.resume()

    pictures = played(path, seek(9.0), resume, playing=False)
    assert [seconds(each) for each in pictures] == [0, 9, 9, 9.5, 10]
    assert [each.playback.playing for each in pictures if each.playback] == [False, False, True, True, False]


def test_resuming_at_the_end_begins_again(path: Path) -> None:
    pictures = played(path, seek(10.0), lambda feed: feed.controls.resume(), playing=False)
    assert [seconds(each) for each in pictures[:4]] == [0, 10, 0, 0.5]
    assert seconds(pictures[-1]) == 10


def test_a_speed_that_is_none_is_refused(path: Path) -> None:
    feed = PlaybackFeed(open_recording(path))
    with pytest.raises(ValueError, match="above 0"):
        feed.controls.set_speed(0)


def test_stopping_before_it_ran_shows_nothing(path: Path) -> None:
    feed = PlaybackFeed(open_recording(path))
    feed.stop()
    pictures: list[Picture] = []
    feed.run(pictures.append)
    assert pictures == []
    assert (feed.recorder, feed.context.target) == (None, "process 4242")


def test_records_are_cut_at_a_moment_with_what_belongs_to_them() -> None:
    batch = rows(*(row(after_ns=each, took_ns=0) for each in (10, 20, 30)))
    memory = np.zeros(3, MEMORY)
    memory["row"], memory["length"] = [0, 1, 2], [1, 2, 3]
    events = np.zeros(2, SOCKET_EVENT)
    events["ns"] = STARTED_NS + np.array([25, 15], np.uint64)
    before, later = cut(Records(batch, memory, events), STARTED_NS + 20)
    assert [len(before.operations), len(later.operations)] == [2, 1]
    assert (before.memory["row"].tolist(), later.memory["row"].tolist()) == ([0, 1], [0])
    assert later.memory["length"].tolist() == [3]
    assert [len(before.socket_events), len(later.socket_events)] == [1, 1]
