"""`uringtrace compare` on real servers: what both see, what only one does, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bpf.processes import URINGTRACE, Process, wait_for
from tests.compare.under_load import is_untouched, under_load
from uringtrace.cli.compare import OTHERS
from uringtrace.tracer.compare.others import OTHERS as OTHERS_BY_WORD
from uringtrace.tracer.compare.read import read_log
from uringtrace.tracer.compare.strace_process import tracer_of, version

pytestmark = [pytest.mark.bpf, pytest.mark.usefixtures("strace")]

Json = dict[str, Any]
COMPARE = (*URINGTRACE, "compare")


def compared(tracer: Process) -> Json:
    assert tracer.wait() == 0, tracer.notices()
    found: Json = json.loads(tracer.output())
    return found


def assert_all_seen_by_both(report: Json) -> None:
    """While strace was there: every call is a pair, of equal results, and nothing else happened."""
    comparison = report["comparison"]
    assert report["lost_total"] == 0
    assert comparison["only_strace"] == {}
    assert set(comparison["only_uringtrace"]) <= {"before", "after"}
    assert comparison["both"] == comparison["strace_calls"] == comparison["operations"]["happened"]
    assert comparison["different_results"] == 0
    assert report["strace"]["unparsed_lines"] == 0
    for part in ("operations", "calls", "bytes", "connections"):
        assert comparison[part]["coverage"] == 1, part


@pytest.mark.parametrize(
    "server", ["threadpool", *(pytest.param(name, marks=pytest.mark.long) for name in ("iterative", "epoll"))]
)
def test_of_a_server_of_calls_both_see_everything(tmp_path: Path, server: str) -> None:
    """One that blocks, one of threads, one of readiness, each under load."""
    with under_load(server) as running:
        command = (*COMPARE, "-p", str(running.pid), "--once", "--yes", "-d", "1", "--json")
        with Process(command, tmp_path) as tracer:
            report = compared(tracer)
        assert is_untouched(running.pid)
    assert_all_seen_by_both(report)
    assert report["comparison"]["strace_calls"] > 50
    assert report["comparison"]["offset_uncertainty_ns"] < 5_000_000
    assert report["strace"]["version"] == version()


def test_of_a_server_without_calls_strace_sees_nothing(tmp_path: Path) -> None:
    """SQPOLL in steady state: no line at all, every operation and byte in the capture."""
    with under_load("uring-sqpoll") as running:
        command = (*COMPARE, "-p", str(running.pid), "--once", "--yes", "-d", "0.5", "--json")
        with Process(command, tmp_path) as tracer:
            report = compared(tracer)
    comparison = report["comparison"]
    assert comparison["strace_calls"] == comparison["both"] == 0
    assert comparison["operations"]["happened"] == comparison["only_uringtrace"]["sqpoll"] > 10
    assert comparison["bytes"]["happened"] > 1000
    assert comparison["bytes"]["strace"] == 0
    assert (comparison["connections"]["happened"], comparison["connections"]["strace"]) == (1, 0)
    assert comparison["calls"]["coverage"] is None


def test_three_phases_tell_what_strace_costs(tmp_path: Path) -> None:
    with under_load("epoll") as running:
        command = (*COMPARE, "-p", str(running.pid), "--yes", "-d", "1", "--json")
        with Process(command, tmp_path) as tracer:
            report = compared(tracer)
    phases = report["phases"]
    assert [phase["observers"] for phase in phases] == ["bpf", "bpf and strace", "bpf"]
    for phase in phases:
        assert 0.9 < phase["seconds"] < 10
        assert phase["requests"] > 10
        assert phase["requests"] == phase["latency"]["count"]
        assert phase["target_cpu_s"] > 0
    assert [phase["observer_cpu_s"] is None for phase in phases] == [True, False, True]
    (cost,) = report["costs"]
    assert (cost["observer"], cost["happened"]) == ("strace", phases[1]["operations"])
    assert cost["told"] == phases[1]["told"] == report["comparison"]["strace_calls"]
    free = (phases[0]["requests"] + phases[2]["requests"]) / (phases[0]["seconds"] + phases[2]["seconds"])
    under = phases[1]["requests"] / phases[1]["seconds"]
    assert cost["slowdown"] == pytest.approx(free / under)
    first, with_strace, last = (phase["latency"]["p50_ns"] for phase in phases)
    assert cost["latency_factor"] == pytest.approx(with_strace / ((first + last) / 2))
    assert cost["cpu_factor"] > 0
    assert_all_seen_by_both(report)


def test_ctrl_c_lets_the_target_go_and_prints_what_there_is(tmp_path: Path) -> None:
    with under_load("epoll") as running:
        command = (*COMPARE, "-p", str(running.pid), "--once", "--yes", "-d", "60", "--json")
        with Process(command, tmp_path) as tracer:
            wait_for(lambda: tracer_of(running.pid), "strace is attached")
            wait_for(lambda: "with strace, which is attached" in tracer.notices(), "the phase has begun")
            tracer.interrupt()
            report = compared(tracer)
        assert is_untouched(running.pid)
    assert_all_seen_by_both(report)


def test_strace_does_not_outlive_a_compare_that_is_killed(tmp_path: Path) -> None:
    with under_load("epoll") as running:
        with Process((*COMPARE, "-p", str(running.pid), "--once", "--yes"), tmp_path) as tracer:
            strace = wait_for(lambda: tracer_of(running.pid), "strace is attached")
            tracer.send(signal.SIGKILL)
            wait_for(lambda: tracer_of(running.pid) == 0, "strace has let go")
        wait_for(lambda: not Path(f"/proc/{strace}/task").exists(), "strace is gone")
        assert is_untouched(running.pid)


@pytest.fixture
def sleeper() -> Any:
    """A target that does nothing."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def alone(tmp_path: Path, pid: int, *prefix: str, **environment: str) -> tuple[int, Json, str]:
    """Exit code, object and notices of a compare that cannot attach strace."""
    command = [*prefix, *COMPARE, "-p", str(pid), "--yes", "-d", "0.2", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=60
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def assert_shown_alone(found: tuple[int, Json, str], why: str) -> None:
    code, report, notices = found
    assert code == 1
    assert why in report["why_not"]
    assert f"{report['why_not']}; what uringtrace sees is shown alone" in notices
    assert report["comparison"] is report["strace"] is None
    assert report["costs"] == []
    assert [phase["observers"] for phase in report["phases"]] == ["bpf"]


def test_without_strace_the_capture_is_shown_alone(tmp_path: Path, sleeper: Any) -> None:
    assert_shown_alone(alone(tmp_path, sleeper.pid, PATH=str(tmp_path)), "strace is not installed")


def test_a_target_that_is_traced_already(tmp_path: Path, sleeper: Any) -> None:
    with Process(["strace", "-o", "/dev/null", "-p", str(sleeper.pid)], tmp_path) as other:
        wait_for(lambda: tracer_of(sleeper.pid), "the other strace is attached")
        found = alone(tmp_path, sleeper.pid)
        assert_shown_alone(found, f"traced already, by strace (process {other.pid})")
        assert tracer_of(sleeper.pid) == other.pid, "which it still is"


def test_a_target_that_may_not_be_traced(tmp_path: Path, sleeper: Any) -> None:
    """Without CAP_SYS_PTRACE nobody traces a process that has it."""
    found = alone(tmp_path, sleeper.pid, "setpriv", "--bounding-set", "-sys_ptrace")
    assert_shown_alone(found, f"strace may not trace process {sleeper.pid}: Operation not permitted")


def test_nobody_is_traced_without_a_yes(sleeper: Any) -> None:
    done = subprocess.run(
        [*COMPARE, "-p", str(sleeper.pid)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "strace will stop" in done.stderr
    assert "add --yes" in done.stderr


@pytest.mark.parametrize(("answer", "is_attached"), [("n\n", False), ("y\n", True)])
def test_on_a_terminal_it_asks(tmp_path: Path, sleeper: Any, answer: str, is_attached: bool) -> None:
    ours, theirs = os.openpty()
    try:
        os.write(ours, answer.encode())
        command = [*COMPARE, "-p", str(sleeper.pid), "--once", "-d", "0.2", "--json"]
        done = subprocess.run(
            command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True, check=False, timeout=60
        )
        asked = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "attach it? [y/N]" in asked
    assert done.returncode == (0 if is_attached else 2)
    assert bool(done.stdout) == is_attached


def test_a_command_is_seen_by_both_from_its_first_call(tmp_path: Path) -> None:
    """Also its children; and its exit code is that of the comparison."""
    script = "for n in 1 2; do cat /etc/hostname; done >/dev/null; exit 3"
    with Process((*COMPARE, "--once", "--yes", "--json", "--", "sh", "-c", script), tmp_path) as tracer:
        assert tracer.wait() == 3, tracer.notices()
        report = json.loads(tracer.output())
    comparison = report["comparison"]
    assert comparison["both"] == comparison["strace_calls"] == comparison["operations"]["happened"]
    names = {each["name"]: each["both"] for each in comparison["names"]}
    assert names["execve"] == 3
    assert names["exit_group"] == 3
    assert report["target"].startswith("sh -c")


@pytest.mark.long
def test_other_observers_have_phases_of_their_own(tmp_path: Path) -> None:
    """Each tells of about as many calls as happened."""
    for program in ("perf", "bpftrace"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    with under_load("epoll") as running:
        options = ("--once", "--yes", "-d", "1", "--json", "--with", "perf-trace,bpftrace")
        with Process((*COMPARE, "-p", str(running.pid), *options), tmp_path) as tracer:
            report = compared(tracer)
        assert is_untouched(running.pid)
    observers = ["bpf and strace", "bpf and perf trace", "bpf and bpftrace"]
    assert [phase["observers"] for phase in report["phases"]] == observers
    assert report["costs"] == [], "there is no phase without any of them"
    for phase in report["phases"]:
        assert phase["observer_cpu_s"] is not None
        # They are there a little longer than the phase, while they attach and let go.
        assert phase["operations"] * 0.8 <= phase["told"] <= phase["operations"] * 3 + 500
    assert_all_seen_by_both(report)


def test_the_words_of_with_are_the_observers() -> None:
    assert tuple(OTHERS_BY_WORD) == OTHERS


def test_the_log_is_kept_for_its_owner_alone_and_never_over_another(tmp_path: Path, sleeper: Any) -> None:
    """Keys are taken out of it, and what is left is read as a log."""
    path = tmp_path / "strace.log"
    script = 'import os,socket;os.getrandom(9);socket.socket().setsockopt(6,33,b"SECRET-FASTOPEN!")'
    command = (*COMPARE, "--once", "--yes", "--json", "--keep-log", str(path))
    with Process((*command, "--", sys.executable, "-c", script), tmp_path) as tracer:
        report = compared(tracer)
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert "TCP_FASTOPEN_KEY, <redacted>, 16) = 0" in text
    assert "getrandom(<redacted>, 9, 0) = 9" in text
    assert "SECRET" not in text
    log = read_log(path)
    assert (log.lines, len(log.rows)) == (report["strace"]["lines"], report["comparison"]["strace_calls"])
    done = subprocess.run(
        [*command, "-p", str(sleeper.pid)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert f"{path} exists already" in done.stderr
    assert "strace will stop" not in done.stderr, "before anything is done"
    assert path.read_text() == text
