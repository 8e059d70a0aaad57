"""Launching a command: held until released, then left exactly as its caller made it."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from uringtrace.errors import TargetError
from uringtrace.tracer.launch import Launched

DEADLINE = 20.0


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; fail when it does not come."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def finish(launched: Launched) -> int:
    launched.release()
    until(launched.ended)
    assert launched.status is not None
    return launched.status


@pytest.mark.parametrize("status", [0, 1, 42, 127])
def test_the_exit_status_is_the_commands(status: int) -> None:
    assert os.waitstatus_to_exitcode(finish(Launched(("sh", "-c", f"exit {status}")))) == status


def test_a_signal_that_ends_the_command_is_its_status() -> None:
    status = finish(Launched(("sh", "-c", "kill -KILL $$")))
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_nothing_runs_before_the_release(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    launched = Launched(("touch", str(mark)))
    assert not launched.ended()
    assert Path(f"/proc/{launched.pid}/cmdline").read_bytes() == Path("/proc/self/cmdline").read_bytes()
    assert not mark.exists()
    finish(launched)
    assert mark.exists()


def test_an_abandoned_command_never_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    launched = Launched(("touch", str(mark)))
    launched.abandon()
    assert not Path(f"/proc/{launched.pid}").exists()
    assert not mark.exists()


@pytest.mark.parametrize("command", ["no-such-command-anywhere", "/no/such/file", "/tmp"])
def test_a_command_that_is_not_there_is_named(command: str) -> None:
    with pytest.raises(TargetError, match=f"cannot start {command}"):
        Launched((command,))


def test_a_file_that_may_not_be_executed_is_named(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("x")
    with pytest.raises(TargetError, match="not found or not executable"):
        Launched((str(file),))


def test_what_the_kernel_refuses_to_execute_is_said(tmp_path: Path) -> None:
    file = tmp_path / "garbage"
    file.write_bytes(b"\x7fnot a program")
    file.chmod(0o755)
    launched = Launched((str(file),))
    with pytest.raises(TargetError, match="Exec format error"):
        launched.release()
    assert launched.ended()
    assert not Path(f"/proc/{launched.pid}").exists(), "no zombie stays"


def test_a_child_killed_while_it_waits_has_that_status() -> None:
    launched = Launched(("true",))
    os.kill(launched.pid, signal.SIGKILL)
    until(lambda: Path(f"/proc/{launched.pid}/stat").read_text().rsplit(") ", 1)[1][0] == "Z")
    status = finish(launched)
    assert os.WTERMSIG(status) == signal.SIGKILL


def current_call(pid: int) -> str:
    """proc_pid_syscall(5): a number and more, or `running`."""
    return Path(f"/proc/{pid}/syscall").read_text().split()[0]


def test_a_called_child_waits_in_no_system_call(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    launched = Launched(("touch", str(mark)))
    until(lambda: current_call(launched.pid) != "running")
    launched.call()
    assert [current_call(launched.pid) for _ in range(20)] == ["running"] * 20
    assert not mark.exists()
    assert finish(launched) == 0
    assert mark.exists()


def test_a_called_child_that_is_abandoned_never_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    launched = Launched(("touch", str(mark)))
    launched.call()
    launched.end()
    assert not Path(f"/proc/{launched.pid}").exists()
    assert not mark.exists()


def test_a_called_child_tires_of_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uringtrace.tracer.launch._PATIENCE", 0.05)
    mark = tmp_path / "ran"
    launched = Launched(("touch", str(mark)))
    launched.call()
    until(launched.ended)
    with pytest.raises(TargetError, match=f"cannot start touch: {os.strerror(errno.ETIMEDOUT)}"):
        launched.release()
    assert not mark.exists()


def test_a_running_command_is_ended_with_sigterm() -> None:
    launched = Launched(("sleep", "600"))
    launched.release()
    launched.end()
    until(launched.ended)
    assert launched.status is not None
    assert os.WTERMSIG(launched.status) == signal.SIGTERM
    launched.end()


def is_inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


REPORT = """
import json, os, sys
fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
json.dump({
    "argv": sys.argv[2:],
    "environment": dict(os.environ),
    "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
    "ignored": fields["SigIgn"].strip(),
    "blocked": fields["SigBlk"].strip(),
    "folder": os.getcwd(),
    "parent": os.getppid(),
}, open(sys.argv[1], "w"))
"""


def test_the_command_is_as_if_it_had_been_started_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments, environment, descriptors, signals and folder, against subprocess.Popen."""
    monkeypatch.setenv("ODD", "a=b\nc")
    monkeypatch.chdir(tmp_path)
    ours = os.open(os.devnull, os.O_RDONLY)
    arguments = ["--", "", "with space", "-p", "ü", "*"]
    # What our own caller lets us inherit, the command inherits too.
    inherited = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    inherited = [fd for fd in inherited if is_inheritable(fd)]
    reports = []
    for name in ("launched", "direct"):
        report = tmp_path / name
        command = [sys.executable, "-c", REPORT, str(report), *arguments]
        if name == "launched":
            assert finish(Launched(tuple(command))) == 0
        else:
            subprocess.run(command, check=True, pass_fds=inherited, restore_signals=True, timeout=DEADLINE)
        reports.append(json.loads(report.read_text()))
    os.close(ours)
    launched, direct = reports
    assert launched == direct
    assert ours not in launched["descriptors"]
    assert launched["argv"] == arguments
    assert launched["environment"]["ODD"] == "a=b\nc"


def test_launching_leaves_us_no_descriptor() -> None:
    def descriptors() -> set[str]:
        return {entry.name for entry in Path("/proc/self/fd").iterdir()}

    before = len(descriptors())
    finish(Launched(("true",)))
    Launched(("true",)).abandon()
    assert len(descriptors()) == before


@pytest.mark.parametrize("called", [False, True])
def test_when_we_die_first_the_command_never_runs(tmp_path: Path, repository: Path, called: bool) -> None:
    mark = tmp_path / "ran"
    script = textwrap.dedent(
        f"""
        import os
        from uringtrace.tracer.launch import Launched
        from uringtrace.tracer import launch
        launch._PATIENCE = 0.5
        launched = Launched(("touch", {str(mark)!r}))
        print(launched.pid, flush=True)
        if {called}:
            launched.call()
        os.kill(os.getpid(), 9)
        """
    )
    died = subprocess.run(
        [sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, timeout=DEADLINE
    )
    assert died.returncode == -signal.SIGKILL
    child = Path(f"/proc/{died.stdout.strip()}/stat")
    until(lambda: not child.exists() or child.read_text().rsplit(") ", 1)[1][0] == "Z")
    assert not mark.exists()
