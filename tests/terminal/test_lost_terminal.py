"""What is drawn on a terminal that is gone."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from uringtrace.ui.terminal.lost_terminal import LostTerminal, terminal_may_go


def test_what_cannot_be_written_goes_nowhere() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", buffering=1) as file:
        terminal = LostTerminal(file)
        assert (terminal.isatty(), terminal.fileno()) == (True, slave)
        terminal.write("seen")
        terminal.flush()
        assert os.read(master, 10) == b"seen"
        os.close(master)
        with pytest.raises(OSError, match="Input/output error"):
            os.write(slave, b"x")
        assert terminal.write("lost\n" * 5000) == 25_000
        terminal.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), slave)


def test_textual_draws_on_it_only_meanwhile() -> None:
    before = sys.__stderr__
    with terminal_may_go():
        assert isinstance(sys.__stderr__, LostTerminal)
    assert sys.__stderr__ is before


CONTINUED = """
import signal, sys, threading
from tests.terminal.pictures import picture
from tests.terminal.running import StillFeed
from uringtrace.ui.terminal.app import UringtraceApp

class Told(StillFeed):
    def run(self, post):
        print("runs", file=said)
        super().run(post)

said = open(sys.argv[1], "w", buffering=1)
def tell(number, frame):
    print(sum(each.name == "textual-input" for each in threading.enumerate()), file=said)

signal.signal(signal.SIGRTMIN, tell)
UringtraceApp(Told(picture())).run()
"""


def test_to_be_continued_without_having_been_stopped_starts_nothing_again(
    repository: Path, tmp_path: Path
) -> None:
    """A terminal that is closed sends SIGCONT; a second thread that reads it would never end."""
    said = tmp_path / "said"
    os.mkfifo(said)
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(repository)}
    process = subprocess.Popen(
        [sys.executable, "-c", CONTINUED, str(said)],
        stdin=slave, stdout=slave, stderr=slave, cwd=repository, env=environment,
    )  # fmt: skip
    os.close(slave)
    try:
        with said.open() as lines:
            assert lines.readline() == "runs\n"
            # Handlers run in the order of their numbers.
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGRTMIN)
            assert lines.readline() == "1\n"
    finally:
        process.kill()
        process.wait()
        os.close(master)
