"""Files that the kernel side has forgotten are let go, and only those."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.fakes import STARTED_NS, call, context, rows
from tests.live.clock import Clock
from tests.live.running import FakeCapture, slots
from uringtrace.tracer.capture import start_streaming
from uringtrace.tracer.live import capture_feed
from uringtrace.tracer.live.file_sweep import FileSweep
from uringtrace.tracer.live.model import LiveModel
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.record import Kind
from uringtrace.tracer.records import only_operations
from uringtrace.tracer.source import File
from uringtrace.tracer.target import Target

SECOND = 1_000_000_000


def opened(*numbers: int) -> Mapping[int, File]:
    return {number: File(number, f"/tmp/{number}", 1, number) for number in numbers}


def test_what_is_in_the_table_or_in_a_call_that_goes_on_stays() -> None:
    under_way = slots(1, kind=Kind.UNFINISHED)
    under_way["file"] = 3
    capture = FakeCapture([], files=opened(*range(1, 11)), numbered={1, 2, 99}, under_way=under_way)
    assert FileSweep(capture, between=10).gone() == [4, 5, 6, 7, 8, 9, 10]


def test_it_looks_when_many_have_come_and_tells_each_once() -> None:
    capture = FakeCapture([], files=opened(*range(1, 10)), numbered={1})
    sweep = FileSweep(capture, between=10)
    assert sweep.gone() == []
    capture.files = opened(*range(1, 11))
    assert sweep.gone() == list(range(2, 11))
    capture.files = opened(*range(1, 20))
    assert sweep.gone() == []
    capture.files = opened(*range(1, 21))
    assert sweep.gone() == list(range(11, 21))


def test_the_number_of_files_is_bounded_whatever_comes() -> None:
    """A thousand files are opened one after the other, each in use for a while."""
    capture = FakeCapture([])
    sweep = FileSweep(capture, between=50)
    files: dict[int, File] = {}
    most = 0
    for number in range(1, 1001):
        files |= opened(number)
        capture.files, capture.numbered = files, set(range(max(1, number - 9), number + 1))
        for gone in sweep.gone():
            del files[gone]
        most = max(most, len(files))
    assert 50 < most <= 70


def test_they_go_when_no_row_that_is_kept_can_name_them() -> None:
    both = context(probes=("io_uring_complete", "sys_enter", "sys_exit"))
    facts = FakeCapture([], context=both)
    model = LiveModel(both, 10, clock=Clock(), cost=Clock())

    def read(second: int) -> None:
        one = rows(call("read", 5, file=second, after_ns=second * SECOND))
        model.add(only_operations(one), facts)

    for second in range(1, 11):
        read(second)
    model.let_go(STARTED_NS + 10 * SECOND + SECOND // 2, [3, 10])
    assert model.unnamed_files(STARTED_NS + 11 * SECOND) == []
    for second in range(11, 40):
        read(second)
    assert model.unnamed_files(STARTED_NS + 40 * SECOND) == [3, 10]
    assert model.unnamed_files(STARTED_NS + 41 * SECOND) == []


@pytest.mark.bpf
@pytest.mark.timeout(120)
def test_a_process_that_opens_many_files_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It opens and closes one after the other, until many were seen and few of them are known still."""
    monkeypatch.setattr(capture_feed, "FileSweep", partial(FileSweep, between=100))
    program = (
        "import itertools, os, sys, time\n"
        "for number in itertools.count():\n"
        "    os.close(os.open(f'{sys.argv[1]}/{number % 3000}', os.O_CREAT | os.O_WRONLY))\n"
        "    time.sleep(0.0003)\n"
    )
    with start_streaming(Target(command=(sys.executable, "-c", program, str(tmp_path)))) as capture:
        feed = capture_feed.CaptureFeed(capture, rows=300)
        shown: list[Picture] = []

        def post(picture: Picture) -> None:
            shown.append(picture)
            numbers = capture.files.keys()
            # How many are known depends on what came since the last look.
            if max(numbers, default=0) > 6_000 and len(numbers) < 3_000:
                feed.stop()

        feed.run(post)
        assert capture.losses.total_lost == 0
        for part in shown[-1].recent.parts:
            named = set(part.operations["file"].tolist()) - {0}
            assert named <= capture.files.keys()
