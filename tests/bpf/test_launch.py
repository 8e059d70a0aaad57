"""Launching a command: attached before its first instruction, its end passed on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.bpf.processes import Tracer, counts
from uringtrace.tracer.capture import start_counting, start_streaming
from uringtrace.tracer.record import Kind
from uringtrace.tracer.target import Target

pytestmark = pytest.mark.bpf

OPERATIONS = 7


@pytest.mark.parametrize("streaming", [False, True], ids=["counting", "streaming"])
def test_a_program_that_starts_with_io_uring_is_seen_from_its_first_operation(
    nop: Path, streaming: bool, tmp_path: Path
) -> None:
    """Twenty times, since what would be missed would be missed by chance."""
    target = Target(command=("sh", "-c", 'exec "$1" "$2" >/dev/null', "sh", str(nop), str(OPERATIONS)))
    seen = []
    for _ in range(10):
        if streaming:
            with start_streaming(target) as capture:
                kinds = [kind for batch in capture.batches() for kind in batch["kind"].tolist()]
            seen.append((kinds.count(Kind.COMPLETION), len(kinds), capture.losses.untracked))
        else:
            with start_counting(target) as counting:
                while not counting.wait(1.0):
                    pass
                seen.append(
                    (
                        int(counting.counters()["completions"].sum()),
                        int(counting.counters()["submitted"].sum()),
                        counting.losses.untracked,
                    )
                )
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
    assert counts(tracer.report()) == {}


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
