"""What is drawn on a terminal that is gone."""

from __future__ import annotations

import os
import pty
import sys

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
