"""`uringtrace RECORDING` and what cannot be shown, on a real terminal without a capture."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bpf.tmux import Terminal
from uringtrace import targets
from uringtrace.cli.command import parse
from uringtrace.cli.live import LiveCommand
from uringtrace.errors import UsageError

URINGTRACE = (sys.executable, "-m", "uringtrace")
RECORDING = Path(targets.__file__).parent / "demo" / "recording"


def parsed(*words: str) -> argparse.Namespace:
    return parse("live", LiveCommand(), list(words))


@pytest.mark.parametrize("rows", ["0", "-1", "many", "999", "20000001"])
def test_the_number_of_rows_has_limits(rows: str) -> None:
    with pytest.raises(UsageError, match="is not a number from 1,000 to 20,000,000"):
        parsed("1", "--rows", rows)


def test_what_is_chosen_when_nothing_is_said() -> None:
    arguments = parsed("1")
    assert (arguments.rows, arguments.light, arguments.text) == (200_000, False, False)


def test_a_recording_is_played_and_left(tmp_path: Path) -> None:
    with Terminal([*URINGTRACE, RECORDING], tmp_path, (100, 30)) as terminal:
        terminal.shows("OPERATION", "READ", "unseen by strace", "ended ×1")
        terminal.send(".")
        terminal.shows("×2")
        terminal.send("q")
        assert terminal.left() == 0
        assert "Traceback" not in terminal.everything()


def test_what_a_damaged_recording_lacks_is_said_when_the_screen_is_gone(tmp_path: Path) -> None:
    """What is left of it is shown; what cannot be read counts as lost."""
    damaged = tmp_path / "recording"
    shutil.copytree(RECORDING, damaged)
    parts = list(damaged.rglob("*.parquet"))
    assert parts
    for part in parts:
        part.write_bytes(part.read_bytes()[:100])
    with Terminal([*URINGTRACE, damaged], tmp_path / "terminal") as terminal:
        terminal.shows("!lost ", "unseen by strace")
        terminal.send("q")
        assert terminal.left() == 0
        text = terminal.everything()
        assert any(line.startswith("uringtrace: ") for line in text.splitlines())
        assert "Traceback" not in text


def test_without_a_terminal_a_recording_is_not_played() -> None:
    done = subprocess.run([*URINGTRACE, RECORDING], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "uringtrace: error: a recording is played on a terminal"
    assert "uringtrace stat" in done.stderr


def test_a_process_that_there_is_not_is_one_error_on_a_terminal(tmp_path: Path) -> None:
    with Terminal([*URINGTRACE, "4194304"], tmp_path) as terminal:
        assert terminal.left() != 0
        text = terminal.everything()
        assert text.count("uringtrace: error: ") == 1
        assert "Traceback" not in text
