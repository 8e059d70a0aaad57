"""`uringtrace RECORDING --strace FILE`: a log beside the recording of the same seconds, on the screen."""

from __future__ import annotations

import sys
from errno import errorcode
from pathlib import Path

import numpy as np
import pytest

from tests.bpf.tmux import Terminal
from uringtrace import targets
from uringtrace.cli.main import dispatch
from uringtrace.errors import UsageError
from uringtrace.tracer.compare.beside import READING, Progress
from uringtrace.tracer.record import FIRST_CALL, Kind
from uringtrace.tracer.recording import open_recording
from uringtrace.ui.terminal.compare_work import OfFiles

RECORDING = Path(targets.__file__).parent / "demo" / "recording"
URINGTRACE = (sys.executable, "-m", "uringtrace")


def written_log(path: Path) -> int:
    """What strace would have written of the recording's calls; how many these are."""
    recording = open_recording(RECORDING)
    rows = np.concatenate(list(recording.batches()))
    context = recording.context
    calls = rows[
        (rows["opcode"] >= FIRST_CALL) & (rows["kind"] == Kind.COMPLETION) & (rows["submitted_ns"] > 0)
    ]
    calls = np.sort(calls, order="submitted_ns")
    shift_ns = context.started_unix_ns - context.started_ns
    lines = []
    for row in calls:
        at_ns = int(row["submitted_ns"]) + shift_ns - 100
        name, result = context.operation_names[int(row["opcode"])], int(row["result"])
        result_text = f"-1 {errorcode[-result]}" if result < 0 else str(result)
        lines.append(f"{row['tid']}  {at_ns // 10**9}.{at_ns % 10**9:09d} {name}() = {result_text}")
    path.write_text("\n".join(lines) + "\n")
    return len(lines)


def test_a_log_and_a_recording_are_read_once(tmp_path: Path) -> None:
    count = written_log(tmp_path / "log")
    assert count > 10
    told: list[Progress] = []
    files = OfFiles(tmp_path / "log", RECORDING)
    found = files.run(told.append)
    comparison = found.report.comparison
    assert comparison is not None
    assert comparison.both == comparison.strace_calls == count
    assert comparison.operations.happened > comparison.calls.happened
    lines = {entry.line for entry in found.report.entries if entry.line is not None}
    assert set(found.texts.left) == lines
    assert all(found.texts.right.get(entry.row) for entry in found.report.entries if entry.row is not None)
    assert files.run(told.append) is found
    assert told == [Progress(READING)]


def test_it_is_on_the_screen_at_once_and_again_with_its_key(tmp_path: Path) -> None:
    count = written_log(tmp_path / "log")
    command = [*URINGTRACE, str(RECORDING), "--strace", str(tmp_path / "log")]
    with Terminal(command, tmp_path / "terminal", (120, 40)) as terminal:
        terminal.shows("strace beside uringtrace", f"{count:,}", "ONLY URINGTRACE", "URINGTRACE")
        terminal.send("q")
        terminal.shows("MINUTE")
        terminal.send("c")
        terminal.shows("strace beside uringtrace", "ONLY STRACE")
        terminal.send("C-c")
        assert terminal.left() == 0
        assert "Traceback" not in terminal.everything()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--strace", "x", "1"], "goes with a recording"),
        (["--strace", "x", "--", "true"], "with a recording"),
    ],
)
def test_a_log_without_a_recording_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dispatch(["live", *words])
