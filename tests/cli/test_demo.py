"""`uringtrace demo`: what it prints, that it checks its counts, and that nothing is left running."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import Run
from uringtrace.cli import demo
from uringtrace.cli.demo_report import Seen, differences, headline, report
from uringtrace.cli.main import main
from uringtrace.errors import CapabilityError
from uringtrace.targets.catalogue import ARCHITECTURES
from uringtrace.tracer.latency import LatencySummary
from uringtrace.tracer.source import Losses
from uringtrace.tracer.summary import InterfaceTotals, OperationSummary, Summary, Totals
from uringtrace.ui.text.style import Style

PATIENCE_SECONDS = 30.0
LATENCY = LatencySummary(7, 123_456.0, 1.0, 1.0, 123_456_789.0, 1.0, None, 123_456_789)


def operation(name: str, interface: str, count: int, errors: int = 0) -> OperationSummary:
    return OperationSummary(
        1, name, interface, count, count, count, 1.5, errors, None, 0, 0, LATENCY, 0, 0, 0, None
    )  # fmt: skip


def seen(*operations: OperationSummary, load: dict[str, Any] | None = None) -> Seen:
    """A server that answered 1,000 requests on 16 connections; `load` replaces what the client says."""
    calls = sum(each.count for each in operations if each.interface == "syscall")
    every = sum(each.count for each in operations)
    totals = Totals(
        every, every, 1.0, 0, 0, 0, 0, 0, 0, 0, 0,
        InterfaceTotals(every - calls, 1.0, 0, 0), InterfaceTotals(calls, 1.0, 0, 0), None,
    )  # fmt: skip
    said = {
        "rate": 100.0,
        "requests": {"answered": 1000, "failed": 0, "unfinished": 0},
        "connections": {"opened": 16},
        "latency": {"p50_ns": 1000, "p99_ns": 2000, "max_ns": 3000},
        **(load or {}),
    }
    summary = Summary("6.18", "x86_64", "server", 10.0, operations, (), totals, Losses())
    truth = {"connections": 16, "requests": 1000}
    return Seen(ARCHITECTURES["uring-sqpoll"], None, summary, said, truth)


QUIET = (operation("RECV", "io_uring", 1016), operation("ACCEPT", "io_uring", 16))
BUSY = tuple(operation(f"a_long_call_name_{number}", "syscall", 10**9 + number) for number in range(30))


def test_a_server_without_system_calls() -> None:
    lines = report(seen(*QUIET), Style())
    assert [line.split()[0] for line in lines[2:4]] == ["nothing", "ACCEPT"]
    assert lines[-1] == "1,000 requests answered, 1,032 operations, 0 system calls"


def test_both_views_of_a_busy_server_fit_80_columns() -> None:
    lines = report(seen(operation("ACCEPT", "io_uring", 16), *BUSY), Style())
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["WHAT", "STRACE", "SEES", "WHAT", "HAPPENS"]
    assert any(re.fullmatch(r"… and 18 more +… and 19 more", line) for line in lines)


def test_counts_that_agree_say_nothing() -> None:
    assert differences(seen(*QUIET)) == []
    called = operation("accept4", "syscall", 20, errors=4)
    assert differences(seen(called)) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"connections": {"opened": 17}}, "opened 17 connections"),
        ({"requests": {"answered": 999, "failed": 0, "unfinished": 0}}, "999 answers"),
        ({"requests": {"answered": 1001, "failed": 0, "unfinished": 0}}, "1,001 answers"),
        ({"requests": {"answered": 990, "failed": 4, "unfinished": 5}}, "990 answers"),
    ],
)
def test_a_client_that_counts_otherwise_is_told_of(change: dict[str, Any], word: str) -> None:
    (difference,) = differences(seen(*QUIET, load=change))
    assert word in difference


def test_a_capture_that_misses_a_connection_is_told_of() -> None:
    (difference,) = differences(seen(operation("ACCEPT", "io_uring", 15)))
    assert "15 accepted connections were captured, the server counted 16" in difference


def test_what_the_client_gave_up_may_have_been_answered() -> None:
    given_up = seen(*QUIET, load={"requests": {"answered": 990, "failed": 2, "unfinished": 9}})
    assert differences(given_up) == []
    assert "the client gave up 11 requests" in report(given_up, Style())
    assert headline(given_up).startswith("1,000 requests")


def test_without_an_answer_there_is_no_latency() -> None:
    nothing = seen(*QUIET, load={"latency": None, "requests": {"answered": 0, "failed": 0, "unfinished": 16}})
    empty = replace(nothing, truth={"connections": 16, "requests": 0})
    assert not any("p50" in line for line in report(empty, Style())[5:])


def test_where_no_capture_is_possible_a_recording_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> None:
        raise CapabilityError("not permitted: CAP_BPF missing", "sudo uringtrace")

    monkeypatch.setattr("uringtrace.tracer.environment.require_capture", refused)
    assert main(["demo"]) == 0
    text = capsys.readouterr().out
    assert "No demonstration on this machine: not permitted: CAP_BPF missing\n  sudo uringtrace" in text
    assert "NOT a capture of this machine" in text
    assert "io_uring_enter" in text.partition("$ uringtrace stat")[2]


def test_no_such_server(run_uringtrace: Run) -> None:
    done = run_uringtrace("demo", "epol")
    assert (done.returncode, "no reference server is called epol" in done.stderr) == (2, True)


def gone(pidfd: int) -> bool:
    """Whether a process ends in time; a zombie has ended."""
    ready, _, _ = select.select([pidfd], [], [], PATIENCE_SECONDS)
    os.close(pidfd)
    return bool(ready)


def test_a_tethered_server_ends_with_its_parent(tmp_path: Path) -> None:
    """Also when the parent is killed, which leaves it no time to end anything."""
    program = (
        "import os, subprocess, time\n"
        "from uringtrace.cli.tethered import tethered\n"
        "stdout = os.dup(1)\n"
        "subprocess.Popen(tethered(stdout, 'serve', 'prefork'), pass_fds=(stdout,))\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        server = psutil.Process(json.loads(parent.stdout.readline())["pid"])
        family = [os.pidfd_open(each.pid) for each in (server, *server.children())]
        assert len(family) == 3
        parent.kill()
        assert all(gone(pidfd) for pidfd in family)


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "uringtrace", "demo", *arguments]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def connected(process: psutil.Process) -> bool:
    """Whether this is the load generator, and has all its connections."""
    return len(process.net_connections()) >= demo.CONNECTIONS and "load" in process.cmdline()


def loading(process: subprocess.Popen[str]) -> list[int]:
    """Wait until server and load generator are at work; descriptors of both."""
    assert process.stdout is not None
    while "uringtrace load" not in (line := process.stdout.readline()):
        assert line, "the demonstration ended"
    children: list[psutil.Process] = []
    while len(children) < 2 or not any(connected(child) for child in children):
        assert process.poll() is None
        children = psutil.Process(process.pid).children()
    return [os.pidfd_open(child.pid) for child in children]


@pytest.mark.bpf
@pytest.mark.parametrize("server", [demo.DEFAULT, "fork", "uring-ktls"])
def test_a_demonstration_agrees_with_itself(run_uringtrace: Run, server: str) -> None:
    """What capture, client and server count is the same, or its exit code would be 1."""
    done = run_uringtrace("demo", server, "-d", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    found = re.search(
        r"^([\d,]+) requests answered, ([\d,]+) operations, ([\d,]+) system calls?$", done.stdout, re.M
    )
    assert found, done.stdout
    requests, operations, calls = (int(number.replace(",", "")) for number in found.groups())
    # Each request is received and answered; a server that polls may sleep until the load begins.
    assert operations >= 2 * requests > 0
    assert server != demo.DEFAULT or calls <= 2
    assert "lost 0, untracked 0" in done.stdout


@pytest.mark.bpf
def test_ctrl_c_ends_all_and_the_report_is_printed() -> None:
    with start("-d", "60") as process:
        children = loading(process)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert all(gone(child) for child in children)
    assert (process.returncode, errors) == (0, "")
    assert "requests answered" in output


@pytest.mark.bpf
def test_a_killed_demonstration_leaves_nobody_behind() -> None:
    with start("epoll", "-d", "60") as process:
        children = loading(process)
        process.kill()
        assert all(gone(child) for child in children)
