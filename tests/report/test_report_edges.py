"""Recordings at the edge: one operation, an hour with one burst, losses, a clock far in the past, a crash."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import STARTED_NS, FakeSource, call, context, multishot_rows, row, rows
from tests.recording.conftest import write_recording
from uringtrace.tracer.record import Kind
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.report import Report, read_report, selection
from uringtrace.tracer.source import Losses
from uringtrace.ui.report.facts import facts, headlines, is_incomplete, warnings
from uringtrace.ui.report.markdown import markdown
from uringtrace.ui.report.page import page

HOUR = 3_600_000_000_000
Write = Callable[..., Path]


def shown(path: Path) -> Report:
    """The report, which must also be possible to show."""
    report = read_report(open_recording(path))
    assert page(report)
    assert markdown(report)
    return report


def test_one_operation(written: Write) -> None:
    report = shown(written([row("READ", result=10)]))
    assert report.rows == 1
    assert report.summary.totals.completions == 1
    assert [each.took_ns for each in report.slowest] == [12_000]
    assert report.times.completions.sum() == 1
    assert report.lanes.bars.began_ns.tolist() == [1_000_000]


def test_an_operation_that_ends_with_the_capture_is_in_its_last_step(written: Write) -> None:
    source = FakeSource([], ended_ns=STARTED_NS + 1_012_000)
    report = shown(written([row("READ")], source=source))
    assert report.ended_ns == 1_012_000
    assert report.times.completions[0, -1] == 1
    assert report.lanes.cells.step.tolist() == [report.lanes.cells.steps - 1] * 2


def test_a_row_later_than_the_last_drain_makes_the_capture_longer(written: Write) -> None:
    source = FakeSource([], ended_ns=STARTED_NS + 10)
    report = shown(written([row("READ")], source=source))
    assert report.ended_ns == 1_012_000
    assert report.summary.duration_s == pytest.approx(1_012_000 / 1e9)


def test_operations_before_the_beginning_that_the_recording_names(written: Write) -> None:
    """Probes see some while the others are being attached: times begin with the first of them."""
    batch = rows(
        row("READ", after_ns=-2_000_000, took_ns=1_000_000),
        row("READ", after_ns=-500_000, took_ns=1_000_000),
        row("RECV", after_ns=5_000_000, submitted_ns=0),
    )
    report = shown(written([batch], source=FakeSource([], ended_ns=STARTED_NS + 8_000_000)))
    assert (report.first_ns, report.ended_ns) == (-2_000_000, 8_000_000)
    times = report.times
    assert times.completions.sum() == 3
    steps = np.flatnonzero(times.completions.sum(axis=0)).tolist()
    ends = (-1_000_000, 500_000, 5_012_000)
    for step, end in zip(steps, ends, strict=True):
        assert times.start_ns(step) <= end < times.start_ns(step + 1)
    assert times.in_flight.min() >= 0
    # The third was there before everything, until 5.012 ms.
    assert times.in_flight[0].sum() * times.step_ns == pytest.approx(2_000_000 + 7_012_000, rel=1e-2)
    assert report.lanes.bars.began_ns.tolist() == [-2_000_000, -2_000_000, -500_000]
    assert report.lanes.windows[0].rows == 3


def test_an_hour_with_one_burst(written: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The burst is one cell of the hour, and a window in which every operation can be seen."""
    monkeypatch.setattr(selection, "MOST_BARS", 100)
    monkeypatch.setattr("uringtrace.tracer.report.read.MOST_BARS", 100)
    monkeypatch.setattr(selection, "WINDOW_ROWS", 60)
    moments = HOUR // 2 + np.arange(500) * 1_000
    batch = rows(*(row("READ", after_ns=int(moment), took_ns=300) for moment in moments))
    report = shown(written([batch], source=FakeSource([], ended_ns=STARTED_NS + HOUR)))
    assert report.ended_ns == HOUR
    assert report.lanes.cells.count.tolist() == [500, 500]
    assert not report.lanes.complete
    busiest = [window for window in report.lanes.windows if window.reason == "the slowest READ"]
    assert len(busiest) == 1
    assert HOUR // 2 <= busiest[0].began_ns < busiest[0].ended_ns <= HOUR // 2 + 501_000
    assert max(window.rows for window in report.lanes.windows) <= 61
    assert report.times.completions.sum() == 500


def test_losses_are_said_first(written: Write) -> None:
    source = FakeSource([], losses=Losses({"operations": 2}, 1))
    report = shown(written([row("READ")], source=source))
    assert warnings(report)[0] == "lost 2 (operations 2), untracked 1"
    assert is_incomplete(report)
    assert '<p class="alarm">lost 2 (operations 2), untracked 1</p>' in page(report)


def test_what_was_not_captured_is_said_and_not_nought(written: Write) -> None:
    source = FakeSource([], context=context(probes=("io_uring_complete",)))
    report = shown(written([row("READ")], source=source))
    assert dict(facts(report))["interfaces"] == "system calls not captured"
    names = [each.name for each in headlines(report)]
    assert "system calls" not in names
    assert "unseen by strace" not in names


def test_unfinished_operations_are_shown_with_their_age(written: Write) -> None:
    """The oldest first; one that was already running has the age of the capture, and no beginning."""
    ended = {"kind": Kind.UNFINISHED, "completed_ns": STARTED_NS + 10**9}
    batch = rows(
        row("RECV", after_ns=10**8, **ended),
        call("futex", 0, 128, submitted_ns=0, **ended),
        row("READ", after_ns=10**6),
    )
    report = shown(written([batch], source=FakeSource([], ended_ns=STARTED_NS + 10**9)))
    assert [(each.operation, each.submitted_ns, each.took_ns) for each in report.unfinished] == [
        ("futex", None, 10**9),
        ("RECV", 10**8, 9 * 10**8),
    ]
    bars = report.lanes.bars
    futex = report.lanes.operations.index("futex")
    assert bars.begun_before[bars.operation == futex].tolist() == [True]
    assert bars.slowest.sum() == 3


def test_completions_of_a_multishot_operation_are_stretches(written: Write) -> None:
    report = shown(written([multishot_rows("ACCEPT", [4, 5, 6])]))
    assert report.slowest == ()
    assert report.lanes.bars.began_ns.tolist() == [1_000_000, 2_000_000, 3_000_000]
    assert report.times.in_flight[0].sum() * report.times.step_ns == pytest.approx(3_000_000, rel=1e-6)


@pytest.mark.parametrize("unix_ns", [0, 86_400_000_000_000, -(10**18), 2**62])
def test_a_clock_far_from_now(written: Write, unix_ns: int) -> None:
    given = context(started_ns=1_000, started_unix_ns=unix_ns)
    batch = row("READ", submitted_ns=2_000, completed_ns=3_000)
    report = shown(written([batch], source=FakeSource([], context=given, ended_ns=10_000)))
    assert report.ended_ns == 9_000
    assert dict(facts(report))["captured"].endswith("for 9.00µs")


def test_a_recorder_that_died_is_said(demo_path: Path, tmp_path: Path) -> None:
    """What its connections and threads are is worked out; a missing part is counted as lost."""
    copy = tmp_path / "copy"
    shutil.copytree(demo_path, copy)
    (copy / "connections.parquet").unlink()
    (copy / "threads.parquet").unlink()
    report = shown(copy)
    assert report.connections.total == 8
    assert report.threads_total == 5
    (copy / "operations-00000.parquet").unlink()
    report = shown(copy)
    assert report.rows == 0
    assert report.summary.losses.lost["damaged"] == 11_844
    assert any("missing" in problem for problem in report.problems)


def test_results_that_are_addresses_do_not_overflow(written: Write) -> None:
    """mmap returns one for each; their sum is no number of bytes."""
    batch = np.repeat(call("mmap", result=0x7FFF_FFFF_F000), 70_000)
    report = shown(written([batch]))
    assert report.summary.totals.bytes == 0
    assert report.times.bytes.sum() == 0


def test_many_threads_and_connections_stay_bounded(written: Write) -> None:
    from uringtrace.tracer.report.lane_list import MOST

    batch = rows(*(row("READ", tid=10_000 + number, after_ns=number) for number in range(300)))
    report = shown(written([batch]))
    assert len([lane for lane in report.lanes.lanes if lane.group == "thread"]) == MOST["thread"] + 1
    assert report.threads_total == 300
    assert len(report.threads) == 100


def test_a_recording_of_the_first_schema(tmp_path: Path) -> None:
    """Of io_uring only: its other columns are NULL and its tables empty."""
    path = write_recording(
        tmp_path / "run",
        [row("READ", result=5)],
        source=FakeSource([], context=context(probes=("io_uring_complete",))),
    )
    meta = path / "meta.json"
    meta.write_text(meta.read_text().replace('"schema": 2', '"schema": 1'))
    report = shown(path)
    assert report.summary.totals.syscall is None
    assert report.rows == 1
