"""strace and uringtrace on the same run of a program, call by call, through `uringtrace compare`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.strace.runs import CONNECTIONS, ECHO_SERVERS, Client, Runs, talk

pytestmark = pytest.mark.bpf

Program = Callable[[str], Path]


def compared(runs: Runs, program: Path, *arguments: str, client: Client | None = None) -> dict[str, Any]:
    """The object of `compare --once --json -- PROGRAM`."""
    text = runs.compare(program, *arguments, options=("--json",), client=client)
    (line,) = (line for line in text.splitlines() if line.startswith('{"schema"'))
    found: dict[str, Any] = json.loads(line)
    return found


def assert_all_seen_by_both(report: dict[str, Any], *, io_uring: bool = False) -> None:
    comparison = report["comparison"]
    assert comparison["only_strace"] == {}
    # What the process was in when strace came, before it became the program.
    assert set(comparison["only_uringtrace"]) - {"before"} == ({"io_uring"} if io_uring else set())
    assert comparison["both"] == comparison["strace_calls"] == comparison["calls"]["happened"] > 20
    assert comparison["different_results"] == 0
    assert report["strace"]["unparsed_lines"] == report["lost_total"] == 0


def test_every_call_of_the_program_is_seen_by_both(runs: Runs, program: Program) -> None:
    """Of `calls`, in all its processes: most different calls, many of which fail."""
    report = compared(runs, program("calls"), str(runs.work))
    assert_all_seen_by_both(report, io_uring=True)
    assert len(report["comparison"]["names"]) >= 120


@pytest.mark.parametrize(
    "server",
    [pytest.param(name, marks=() if name == "echo_workers" else pytest.mark.long) for name in ECHO_SERVERS],
)
def test_every_call_of_an_echo_server_is_seen_by_both(runs: Runs, program: Program, server: str) -> None:
    assert_all_seen_by_both(compared(runs, program(server), str(CONNECTIONS), client=talk))


def test_the_columns_show_who_woke_whom(runs: Runs, program: Program) -> None:
    """Of the server with workers: the wait that the waker ended, and the threads that futex wakes.

    strace shows that the calls returned; why is on the other side.
    """
    text = runs.compare(
        program("echo_workers"), str(CONNECTIONS), options=("--rows", "1000"), client=talk, columns=900
    )
    rows = [line.split(" │ ") for line in text.splitlines() if " │ " in line]
    waits = [right for left, right in rows if "epoll_wait(" in left and "epoll_wait(" in right]
    wakes = [right for left, right in rows if "FUTEX_WAKE" in left and "FUTEX_WAKE" in right]
    assert any(re.search(r"ready=.*eventfd.*written by thread \d+", right) for right in waits), waits
    assert any(re.search(r"wakes=\d+", right) for right in wakes), wakes
