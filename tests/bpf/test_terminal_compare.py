"""strace attached from the terminal application: exact, and let go however that ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bpf.processes import URINGTRACE, wait_for
from tests.bpf.tmux import Terminal
from tests.compare.under_load import is_untouched, under_load
from tests.strace.runs import strace_or_skip
from uringtrace.tracer.compare.strace_process import tracer_of

pytestmark = [pytest.mark.bpf, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def strace() -> None:
    strace_or_skip()


def attach(terminal: Terminal, pid: int) -> None:
    """For longer than the test takes."""
    terminal.send("c")
    terminal.shows("for 5 s?")
    terminal.send(*"++++++++", "y")
    wait_for(lambda: tracer_of(pid), "strace is attached")
    terminal.shows("strace is attached")


def test_both_see_each_call_of_the_chosen_time_and_a_closed_terminal_lets_go(tmp_path: Path) -> None:
    """A comparison to its end, one that Esc ends early, and one under which the terminal is closed."""
    with (
        under_load("epoll") as server,
        Terminal([*URINGTRACE, str(server.pid)], tmp_path, (110, 36)) as terminal,
    ):
        process = Path(f"/proc/{terminal.pid}")
        terminal.shows("unseen by strace")
        terminal.send("c")
        terminal.shows("Attach strace to process", "for 5 s?")
        assert tracer_of(server.pid) == 0, "not without a yes"
        terminal.send("-", "-", "-", "-")
        terminal.shows("for 1 s?")
        terminal.send("y")
        screen = terminal.shows("S WITH STRACE", "ONLY URINGTRACE")
        counts = re.search(r"of them system calls +([\d,]+) +([\d,]+) +100%$", screen, re.MULTILINE)
        assert counts is not None, screen
        assert counts[1] == counts[2] != "0"
        assert len(re.findall(r"^ *nothing +0", screen, re.MULTILINE)) == 2, screen
        assert is_untouched(server.pid)
        terminal.send("q")
        terminal.shows("MINUTE")
        attach(terminal, server.pid)
        terminal.send("Escape")
        terminal.shows("S WITH STRACE", "ONLY URINGTRACE")
        assert is_untouched(server.pid)
        terminal.send("q")
        terminal.shows("MINUTE")
        attach(terminal, server.pid)
        strace = tracer_of(server.pid)
        terminal.close()
        wait_for(lambda: not process.exists(), "the application has ended with its terminal")
        assert not Path(f"/proc/{strace}").exists(), "and strace before it"
        assert is_untouched(server.pid)
