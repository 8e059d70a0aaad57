"""`uringtrace record`: how it starts, how it ends, and what it says; over a fake capture."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from tests.fakes import FakeSource
from uringtrace.cli.command import COMMANDS, parse
from uringtrace.cli.record import human_size, seconds, size
from uringtrace.errors import RecordingError, StorageError, TargetError, UsageError
from uringtrace.probes.slots import OPERATION_SLOT
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.source import Losses


@dataclass
class FakeCapture(FakeSource):
    """Yields slots; `step` is called before each chunk, `after_stop` chunks follow a stop."""

    step: object = None
    count: int = 5
    after_stop: int = 0
    drained: bool = False

    def chunks(self) -> Iterator[np.ndarray]:
        for number in range(self.count):
            if self.stopped:
                break
            if callable(self.step):
                self.step(self, number)
            yield slots(10)
        for _ in range(self.after_stop):
            yield slots(10)
        self.drained = True


def slots(count: int) -> np.ndarray:
    array = np.zeros(count, OPERATION_SLOT)
    array["kind"], array["completed_ns"], array["submitted_ns"] = 1, 20, 10
    return array


@pytest.fixture
def record(tmp_path, monkeypatch, capsys):
    """Run the command on a fake capture; returns exit code and what it said."""
    from uringtrace.tracer import capture as module

    def run(capture, *options):
        targets = []
        monkeypatch.setattr(module, "start_streaming", lambda target, _: targets.append(target) or capture)
        command = COMMANDS["record"].load()
        argv = [str(os.getpid()), "-o", str(tmp_path / "run"), *options]
        code = command.run(parse("record", command, argv))
        assert len(targets) == 1
        return code, capsys.readouterr()

    return run


def test_until_the_target_ends(record, tmp_path):
    code, said = record(FakeCapture([], losses=Losses({"operations": 1200}, 7)))
    lines = said.err.splitlines()
    assert code == 0
    assert said.out == ""
    assert lines[0].endswith("Ctrl-C to end")
    summary = next(line for line in lines if "50 operations" in line)
    assert "lost 1,200, untracked 7" in summary
    recording = open_recording(tmp_path / "run")
    assert sum(batch.size for batch in recording.batches()) == 50
    assert recording.status == "complete"


def test_a_signal_ends_it_and_what_is_in_the_ring_is_kept(record, tmp_path):
    def step(capture, number):
        if number == 2:
            signal.raise_signal(signal.SIGTERM)

    code, _ = record(FakeCapture([], step=step, count=1000, after_stop=4))
    assert code == 0
    assert sum(batch.size for batch in open_recording(tmp_path / "run").batches()) == 70


def test_a_duration_ends_it(record, tmp_path):
    capture = FakeCapture([], count=10**6)
    code, _ = record(capture, "-d", "0.05")
    assert code == 0
    assert capture.drained
    assert open_recording(tmp_path / "run").status == "complete"


def test_the_exit_status_of_the_program_is_passed_on(record):
    assert record(FakeCapture([], child_status=3 << 8))[0] == 3


def test_a_size_ends_it_with_a_notice(record, tmp_path):
    capture = FakeCapture([], count=10**6)
    code, said = record(capture, "--max-size", "1M")
    assert code == 0
    assert "stopped: size limit" in said.err
    assert capture.drained, "the probes are detached before the conversion"
    on_disk = sum(path.stat().st_size for path in (tmp_path / "run").iterdir())
    assert on_disk <= 1 << 20


def test_a_full_disk_is_exit_1_and_the_summary_is_still_said(record, tmp_path, monkeypatch, capsys):
    def step(capture, number):
        if number == 3:
            monkeypatch.setattr(os, "writev", full)

    writev = os.writev

    def full(descriptor, parts):
        monkeypatch.setattr(os, "writev", writev)
        raise OSError(28, "No space left on device")

    capture = FakeCapture([], step=step, count=1000)
    with pytest.raises(StorageError, match="disk is full") as caught:
        record(capture)
    said = capsys.readouterr().err
    assert caught.value.exit_code == 1
    assert "30 operations" in said
    assert "stopped: disk full" in said
    assert capture.drained
    assert sum(batch.size for batch in open_recording(tmp_path / "run").batches()) == 30


def test_an_existing_output_is_refused_before_anything_starts(tmp_path, run_uringtrace):
    (tmp_path / "run").mkdir()
    done = run_uringtrace("record", str(os.getpid()), "-o", str(tmp_path / "run"), "--force")
    assert done.returncode == 2
    assert "exists and is not a recording" in done.stderr
    assert list((tmp_path / "run").iterdir()) == []


def test_a_capture_that_does_not_start_leaves_nothing_behind(tmp_path, monkeypatch):
    from uringtrace.tracer import capture as module

    class Refusing(FakeCapture):
        def __enter__(self):
            raise TargetError("it is gone")

    monkeypatch.setattr(module, "start_streaming", lambda *_: Refusing([]))
    command = COMMANDS["record"].load()
    with pytest.raises(TargetError):
        command.run(parse("record", command, [str(os.getpid()), "-o", str(tmp_path / "run")]))
    assert list(tmp_path.iterdir()) == []


def test_force_replaces_a_recording(record, tmp_path):
    record(FakeCapture([]))
    with pytest.raises(RecordingError, match="exists"):
        record(FakeCapture([]))
    assert record(FakeCapture([], count=1), "--force")[0] == 0
    assert sum(batch.size for batch in open_recording(tmp_path / "run").batches()) == 10


@pytest.mark.parametrize(
    ("text", "value"), [("1M", 1 << 20), ("3G", 3 << 30), ("2048K", 2 << 20), ("9999999", 9999999)]
)
def test_sizes(text, value):
    assert size(text) == value


@pytest.mark.parametrize(
    "options",
    [
        ("--max-size", "1"),
        ("--max-size", "1T"),
        ("--max-size", "-1M"),
        ("--max-size", "1.5G"),
        ("-d", "0"),
        ("-d", "-1"),
        ("-d", "nan"),
        ("-d", "inf"),
        ("-d", "soon"),
    ],
)
def test_bad_values_are_usage(options):
    command = COMMANDS["record"].load()
    with pytest.raises(UsageError):
        parse("record", command, ["1", "-o", "run", *options])


def test_seconds_may_be_fractions():
    assert seconds("0.5") == 0.5


def test_sizes_for_people():
    assert [human_size(value) for value in (0, 1023, 1024, 5 << 20, 3 << 30)] == [
        "0 bytes", "1023 bytes", "1.0 KiB", "5.0 MiB", "3.0 GiB",
    ]  # fmt: skip
