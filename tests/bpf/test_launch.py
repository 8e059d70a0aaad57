"""Launching a command: attached before its first instruction, its end passed on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.bpf.processes import Tracer, counts
from uringtrace.tracer.capture import start_counting, start_streaming
from uringtrace.tracer.record import FIRST_CALL, Kind, is_call
from uringtrace.tracer.syscalls.numbers import system_call_names
from uringtrace.tracer.target import Target

pytestmark = pytest.mark.bpf

OPERATIONS = 7
NUMBERS = {name: number for number, name in system_call_names(os.uname().machine).items()}


@pytest.mark.parametrize("streaming", [False, True], ids=["counting", "streaming"])
def test_a_program_that_starts_with_io_uring_is_seen_from_its_first_operation(
    nop: Path, streaming: bool
) -> None:
    """Twenty times, since what would be missed would be missed by chance.

    Its first system call is the execve that it starts with: the shell's.
    """
    target = Target(command=("sh", "-c", 'exec "$1" "$2" >/dev/null', "sh", str(nop), str(OPERATIONS)))
    execve = FIRST_CALL + NUMBERS["execve"]
    seen = []
    for _ in range(10):
        if streaming:
            with start_streaming(target) as capture:
                batch = np.concatenate(list(capture.batches()))
            asked = batch[~is_call(batch)]
            completed = asked[asked["kind"] == Kind.COMPLETION]
            seen.append((len(completed), len(asked), capture.losses.untracked))
            calls = batch[is_call(batch)]
            assert calls["opcode"][0] == execve
            assert (calls["opcode"] == execve).sum() == 2
        else:
            with start_counting(target) as counting:
                while not counting.wait(1.0):
                    pass
                counters = counting.counters()
                totals = counters[:FIRST_CALL]
                seen.append(
                    (
                        int(totals["completions"].sum()),
                        int(totals["submitted"].sum()),
                        counting.losses.untracked,
                    )
                )
            assert counters["completions"][execve] == 2
    assert seen == [(OPERATIONS, OPERATIONS, 0)] * 10


@pytest.mark.parametrize("command", ["stat", "log", "record"])
@pytest.mark.parametrize("status", [0, 7])
def test_the_exit_status_is_passed_on(tmp_path: Path, command: str, status: int) -> None:
    options = ["-o", tmp_path / "recording"] if command == "record" else []
    with Tracer(tmp_path, command, *options, "--", "sh", "-c", f"exit {status}") as tracer:
        assert tracer.wait() == status, tracer.notices()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV], ids=lambda n: n.name)
def test_the_signal_that_ended_the_command_ends_us_after_the_report(
    nop: Path, tmp_path: Path, number: signal.Signals
) -> None:
    script = f'"$1" 50 >/dev/null; kill -{number.value} $$'
    with Tracer(tmp_path, "stat", "-f", "--", "sh", "-c", script, "sh", nop) as tracer:
        assert tracer.wait() == -number.value
    assert "NOP" in tracer.output()
    assert "Traceback" not in tracer.notices()


def test_the_command_has_our_standard_streams(tmp_path: Path) -> None:
    """Its output is where it would be without us, and ours comes after it."""
    script = "echo out; echo err >&2"
    with Tracer(tmp_path, "stat", "--json", "--", "sh", "-c", script) as tracer:
        assert tracer.wait() == 0
    assert tracer.output().splitlines()[0] == "out"
    assert "err" in tracer.notices().splitlines()
    report = tracer.report()
    assert counts(report) == {}
    assert counts(report, "syscall")["write"] == 2


@pytest.mark.parametrize("command", ["stat", "log", "record"])
def test_a_command_that_is_not_found_is_bad_usage(tmp_path: Path, command: str) -> None:
    output = tmp_path / "recording"
    options = ["-o", output] if command == "record" else []
    with Tracer(tmp_path / "tracer", command, *options, "--", "no-such-command") as tracer:
        assert tracer.wait() == 2
        assert tracer.session_is_empty()
    assert tracer.notices().splitlines() == [
        "uringtrace: error: cannot start no-such-command: not found or not executable"
    ]
    assert not output.exists()


def test_a_command_that_the_kernel_refuses_is_bad_usage(tmp_path: Path) -> None:
    program = tmp_path / "not a program"
    program.write_text("hello\n")
    program.chmod(0o700)
    with Tracer(tmp_path / "tracer", "stat", "--", program) as tracer:
        assert tracer.wait() == 2
        assert tracer.session_is_empty()
    [line] = tracer.notices().splitlines()
    assert line.endswith("Exec format error")
