"""However it ends: the report is complete, the target is left alone, the kernel holds nothing."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.bpf.kernel_objects import held_by, in_the_kernel, shown_by_bpftool
from tests.bpf.processes import Held, Tracer, counts, json_lines, wait_for
from uringtrace.tracer.record import Kind, is_call
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.recording.layout import is_held

pytestmark = pytest.mark.bpf

OPERATIONS = 12_000_000
"""Some seconds of NOPs: long enough to be in the middle of."""


@pytest.fixture
def busy(nop: Path, tmp_path: Path) -> Held:
    """A target that does OPERATIONS NOPs once it may go."""
    return Held([nop, "--pause", str(OPERATIONS)], tmp_path / "target")


def wait_for_progress(tracer: Tracer) -> None:
    """Until an interval with operations was reported: the target is in the middle of its work."""

    def progress() -> bool:
        lines = [
            json.loads(line) for line in tracer.output().splitlines(keepends=True) if line.endswith("}\n")
        ]
        return any(line["totals"]["io_uring"]["completions"] for line in lines)

    wait_for(progress, "progress")


STAT = ("stat", "--json", "-i", "0.1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_signal_ends_the_capture_with_the_report_and_the_target_goes_on(
    busy: Held, tmp_path: Path, number: signal.Signals
) -> None:
    with busy, Tracer(tmp_path / "tracer", *STAT, "-p", str(busy.pid)) as tracer:
        tracer.attached()
        busy.go()
        wait_for_progress(tracer)
        objects = held_by(tracer.pid)
        assert {kind for kind, _ in objects} >= {"prog", "map"}
        tracer.send(number)
        report = tracer.report()
        assert busy.running()
        wait_for(lambda: not objects & in_the_kernel(), "nothing of ours is in the kernel")
        assert 0 < counts(report)["NOP"] <= OPERATIONS
        assert report["type"] == "summary"
        assert report["lost"] == {}
        assert busy.said()["operations"] == OPERATIONS


def test_a_target_that_is_killed_in_the_middle_ends_the_capture_with_the_report(
    busy: Held, tmp_path: Path
) -> None:
    with (
        busy,
        Tracer(tmp_path / "stat", *STAT, "-p", str(busy.pid)) as stat,
        Tracer(tmp_path / "record", "record", "-p", str(busy.pid), "-o", tmp_path / "recording") as record,
    ):
        stat.attached()
        record.attached()
        busy.go()
        wait_for_progress(stat)
        busy.send(signal.SIGKILL)
        report = stat.report()
        assert record.wait() == 0, record.notices()
    lines = json_lines(stat.output())
    intervals = [line for line in lines if line["type"] == "interval"]
    totals = report["totals"]
    through_ring = totals["io_uring"]["completions"]
    told = sum(line["totals"]["io_uring"]["completions"] for line in intervals)
    assert 0 < told <= through_ring < OPERATIONS
    [ring] = report["rings"]
    assert (ring["completions"], ring["in_flight"]) == (through_ring, 0)
    # Both saw the whole of it: they were attached before and detached after.
    recording = open_recording(tmp_path / "recording")
    rows = [batch[batch["kind"] == Kind.COMPLETION] for batch in recording.batches()]
    completed = sum(int((~is_call(batch)).sum()) for batch in rows)
    returned = sum(int(is_call(batch).sum()) for batch in rows)
    assert completed <= through_ring
    assert returned <= totals["syscall"]["completions"]
    assert completed + returned + recording.losses.total_lost == totals["completions"]


@pytest.mark.parametrize("command", ["stat", "record"])
def test_a_tracer_that_is_killed_leaves_nothing_and_the_target_goes_on(
    busy: Held, tmp_path: Path, command: str
) -> None:
    recording = tmp_path / "recording"
    options = ["-o", recording] if command == "record" else []
    with busy, Tracer(tmp_path / "tracer", command, *options, "-p", str(busy.pid)) as tracer:
        tracer.attached()
        objects = held_by(tracer.pid)
        busy.go()
        if command == "record":
            wait_for(lambda: (recording / "journal-00001.bin").exists(), "a segment is full")
        assert objects <= in_the_kernel()
        tracer.send(signal.SIGKILL)
        assert tracer.wait() == -signal.SIGKILL
        assert busy.running()
        # The kernel frees programs and maps after a grace period.
        wait_for(lambda: not objects & in_the_kernel(), "nothing of ours is in the kernel")
        assert not any(number in shown_by_bpftool(kind) for kind, number in objects)
        assert tracer.session_is_empty()
        assert busy.said()["operations"] == OPERATIONS
    if command == "record":
        # Its converter ends by itself, when it notices.
        wait_for(lambda: not is_held(recording), "nobody writes to the recording")
        left = open_recording(recording)
        rows = sum(int((~is_call(batch)).sum()) for batch in left.batches())
        assert 0 < rows <= OPERATIONS
        assert any("died" in problem for problem in left.problems), left.problems


def test_the_second_interrupt_ends_at_once(busy: Held, tmp_path: Path) -> None:
    """The first one is held up by a reader that does not come to an end."""
    with busy, Tracer(tmp_path / "tracer", "log", "-o", "|sleep 300", "-p", str(busy.pid)) as tracer:
        tracer.attached()
        tracer.interrupt()
        wait_for(lambda: "lost 0" in tracer.notices(), "the first interrupt")
        assert tracer.running()
        tracer.interrupt()
        assert tracer.wait() in (130, -signal.SIGINT)
        assert "Traceback" not in tracer.notices()
        assert busy.running()


def test_an_interrupt_reaches_a_launched_command_too(nop: Path, tmp_path: Path) -> None:
    """A terminal sends Ctrl-C to both; the report comes, and nobody is left."""
    with Tracer(tmp_path, *STAT, "--", nop, "2000000000") as tracer:
        tracer.attached()
        wait_for_progress(tracer)
        tracer.send_to_all(signal.SIGINT)
        assert tracer.wait() in (-signal.SIGINT, 0, 130)
        assert tracer.session_is_empty()
    report = json_lines(tracer.output())[-1]
    assert report["type"] == "summary"
    assert counts(report)["NOP"] > 0


def test_a_duration_ends_the_capture_and_intervals_add_up(busy: Held, tmp_path: Path) -> None:
    with busy:
        tracer = Tracer(tmp_path / "tracer", *STAT, "-d", "0.3", "-p", str(busy.pid))
        with tracer:
            tracer.attached()
            busy.go()
            report = tracer.report()
        assert busy.running()
    *intervals, summary = json_lines(tracer.output())
    assert summary == report
    assert len(intervals) >= 1
    completed = sum(interval["totals"]["io_uring"]["completions"] for interval in intervals)
    assert 0 < completed <= report["totals"]["io_uring"]["completions"] < OPERATIONS
    called = sum(interval["totals"]["syscall"]["completions"] for interval in intervals)
    assert 0 < called <= report["totals"]["syscall"]["completions"]
    assert 0.3 <= report["duration_s"] < 5
