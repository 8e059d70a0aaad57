"""A recording that is made beside the screen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import RING, STARTED_NS, rows
from tests.live.clock import Clock
from tests.live.running import FakeCapture, slots
from uringtrace.errors import Error, StorageError
from uringtrace.probes.ring_buffer import LONGEST_RUN
from uringtrace.tracer.live.capture_feed import CaptureFeed
from uringtrace.tracer.live.capture_recorder import CaptureRecorder
from uringtrace.tracer.record import Kind
from uringtrace.tracer.recording import Writer, open_recording
from uringtrace.tracer.source import Losses

SECOND = 1_000_000_000


def recorder(capture: FakeCapture, folder: Path) -> CaptureRecorder:
    return CaptureRecorder(capture, folder, clock=capture.clock, unix_clock=lambda: 10**18)


def test_screen_and_recording_see_each_drain_once(tmp_path: Path) -> None:
    """Started before the third drain and finished before the sixth."""
    capture = FakeCapture([], drains=[slots(number + 1) for number in range(8)])
    feed = CaptureFeed(capture, recordings=tmp_path, clock=capture.clock, pause=capture.clock.pass_seconds)
    paths: list[str] = []
    lines: list[str] = []

    def act(number: int) -> None:
        if number == 2:
            paths.append(feed.recorder.start())
            assert feed.recorder.start() == paths[0] == feed.recorder.path
        elif number == 5:
            lines.append(feed.recorder.finish())

    capture.before_drain = act
    shown = []
    feed.run(shown.append)
    assert shown[-1].summary.totals.completions == 36
    recorded = open_recording(Path(paths[0]))
    assert recorded.status == "complete"
    assert len(rows(*recorded.batches())) == 3 + 4 + 5
    assert lines == [f"12 operations in {paths[0]}"]
    assert feed.recorder.path is None


def test_it_counts_from_its_own_beginning(tmp_path: Path) -> None:
    """Rings, losses and the clock; and what is under way at its end is in it."""
    capture = FakeCapture([], rings=(RING,), losses=Losses({"operations": 7}, 2))
    capture.clock.pass_seconds(30)
    capture.under_way = slots(2, kind=Kind.UNFINISHED)
    beside = recorder(capture, tmp_path)
    path = Path(beside.start())
    beside.append(slots(5))
    capture.rings = (replace(RING, submitted=RING.submitted + 7, completions=RING.completions + 5),)
    capture.losses = Losses({"operations": 8, "facts": 1}, 2)
    beside.finish()
    recorded = open_recording(path)
    assert recorded.context.started_ns == STARTED_NS + 30 * SECOND
    [ring] = recorded.rings
    assert (ring.submitted, ring.completions, ring.overflows) == (7, 5, 0)
    assert recorded.losses == Losses({"operations": 1, "facts": 1}, 0)
    kinds = rows(*recorded.batches())["kind"].tolist()
    assert sorted(kinds) == [Kind.COMPLETION] * 5 + [Kind.UNFINISHED] * 2


def test_each_has_a_name_of_its_own_without_anything_a_shell_minds(tmp_path: Path) -> None:
    capture = FakeCapture([])
    capture.context = replace(capture.context, target="a b/../$(x)")
    beside = recorder(capture, tmp_path)
    names = []
    for _ in range(2):
        names.append(Path(beside.start()).name)
        beside.finish()
    assert names[1] == f"{names[0]}-2"
    assert names[0].startswith("uringtrace-a-b-..-x-2001")


def test_where_nothing_may_be_written_the_screen_goes_on(tmp_path: Path) -> None:
    beside = recorder(FakeCapture([]), tmp_path / "missing")
    with pytest.raises(Error, match="no such directory"):
        beside.start()
    assert beside.path is None
    beside.append(slots(1))
    assert beside.finish() == "nothing was recorded"


def test_a_full_disk_ends_the_recording_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(writer: Writer, chunk: object) -> bool:
        raise StorageError("recording stopped: the disk is full")

    beside = recorder(FakeCapture([]), tmp_path)
    beside.start()
    monkeypatch.setattr(Writer, "append", full)
    beside.append(slots(1))
    assert beside.path is None
    assert beside.finish().startswith("recording stopped: the disk is full; 0 operations in ")


def test_the_end_of_the_capture_completes_it(tmp_path: Path) -> None:
    capture = FakeCapture([], drains=[slots(3)], under_way=slots(9, kind=Kind.UNFINISHED))
    feed = CaptureFeed(capture, recordings=tmp_path, clock=Clock(), pause=lambda seconds: None)
    path = Path(feed.recorder.start())
    feed.run(lambda picture: None)
    recorded = open_recording(path)
    assert (recorded.status, len(rows(*recorded.batches()))) == ("complete", 3)
    assert feed.recorder.finish() == f"3 operations in {path}"
    with pytest.raises(Error, match="has ended"):
        feed.recorder.start()


def test_the_one_aside_is_independent_and_read_without_a_conversion(tmp_path: Path) -> None:
    """In a folder of its own, while the other one records, too."""
    capture = FakeCapture([], drains=[slots(number + 1) for number in range(6)])
    feed = CaptureFeed(capture, recordings=tmp_path, clock=capture.clock, pause=capture.clock.pass_seconds)
    private = tmp_path / "private"
    private.mkdir()
    paths: list[Path] = []

    def act(number: int) -> None:
        if number == 1:
            paths.append(Path(feed.recorder.start()))
        elif number == 2:
            paths.append(Path(feed.aside.start(private)))
        elif number == 4:
            feed.aside.finish()

    capture.before_drain = act
    feed.run(lambda picture: None)
    whole, aside = paths
    assert aside.parent == private
    assert len(rows(*open_recording(aside).batches())) == 3 + 4
    assert len(rows(*open_recording(whole).batches())) == 2 + 3 + 4 + 5 + 6
    assert not list(aside.rglob("*.parquet"))
    assert list(whole.rglob("*.parquet"))


def test_what_happened_until_a_moment_is_waited_for(tmp_path: Path) -> None:
    """A drain that leaves nothing and began after it; then it ends, whatever comes."""
    capture = FakeCapture([])
    beside = recorder(capture, tmp_path)
    path = Path(beside.start())
    now_ns = capture.clock.now_ns

    def drain(count: int, after_ns: int) -> None:
        capture.ended_ns = now_ns + after_ns
        beside.append(slots(count))

    drain(1, -5)
    with ThreadPoolExecutor(1) as other:
        finished = other.submit(beside.finish, now_ns)
        drain(2, 10)
        assert not finished.done(), "it may have begun before that moment"
        drain(LONGEST_RUN, 20)
        assert not finished.done(), "more may be left in the buffer"
        drain(3, 30)
        assert finished.result(30).startswith(f"{1 + 2 + LONGEST_RUN + 3:,} operations")
    assert len(rows(*open_recording(path).batches())) == 6 + LONGEST_RUN
