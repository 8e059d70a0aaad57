"""What cannot work ends with one or two lines on stderr, the right exit code, and nothing left behind."""

from __future__ import annotations

import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bpf.kernel_objects import held_by_anyone, in_the_kernel
from tests.bpf.processes import (
    REPOSITORY,
    URINGTRACE,
    Held,
    Process,
    Tracer,
    held_shell,
    json_lines,
    mounted,
    wait_for,
)
from uringtrace.tracer.record import is_call
from uringtrace.tracer.recording import open_recording

pytestmark = pytest.mark.bpf

NOBODY = 65534


def io_uring_rows(recording: Path) -> int:
    return sum(int((~is_call(batch)).sum()) for batch in open_recording(recording).batches())


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where failing commands run; they leave no file in it."""
    place = tmp_path / "here"
    place.mkdir()
    yield place
    assert list(place.iterdir()) == []


def fails(
    tmp_path: Path, *arguments: str | Path, code: int = 2, wrapper: tuple[str | Path, ...] = ()
) -> list[str]:
    """Run `uringtrace`, which fails before it starts anything; its lines on stderr."""
    with Process([*wrapper, *URINGTRACE, *arguments], tmp_path / "tracer") as process:
        status = process.wait()
        assert process.session_is_empty()
    lines = process.notices().splitlines()
    assert status == code, lines
    assert process.output() == ""
    assert lines[0].startswith("uringtrace: error: ")
    assert 1 <= len(lines) <= 2
    assert all(line.startswith("  ") for line in lines[1:])
    return lines


def a_kernel_thread() -> int:
    """The first child of kthreadd, which every kernel has."""
    return next(
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and entry.name != "2" and (entry / "stat").read_text().split()[3] == "2"
    )


@pytest.mark.parametrize("command", ["stat", "log", "record"])
def test_no_such_process(tmp_path: Path, folder: Path, command: str) -> None:
    options = {"stat": [f"--json={folder}/x"], "log": ["-o", folder / "x"], "record": ["-o", folder / "x"]}
    nobody = int(Path("/proc/sys/kernel/pid_max").read_text()) - 1
    [line] = fails(tmp_path, command, *options[command], "-p", str(nobody))
    assert line == f"uringtrace: error: no such process: {nobody}"


def test_a_process_that_has_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        [line] = fails(tmp_path, "stat", "-p", str(ended.pid))
    assert line == f"uringtrace: error: process {ended.pid} has ended and only waits for its parent"


def test_a_kernel_thread(tmp_path: Path) -> None:
    pid = a_kernel_thread()
    [line] = fails(tmp_path, "stat", "-p", str(pid))
    what = r"is a kernel thread: it makes no system calls and has no rings"
    assert re.fullmatch(rf"uringtrace: error: {pid} \(.+\) {what}", line)


def check_privilege_message(lines: list[str], *arguments: str) -> None:
    first, way_out = lines
    assert first == "uringtrace: error: not permitted: CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE missing"
    assert way_out.strip().startswith('sudo env "PATH=$PATH" ')
    assert way_out.endswith(shlex.join(arguments))


@pytest.mark.parametrize("command", ["stat", "log", "record"])
def test_root_without_capabilities(tmp_path: Path, folder: Path, command: str) -> None:
    options = ["-o", str(folder / "x")] if command == "record" else []
    arguments = [command, *options, "-p", str(os.getpid())]
    wrapper = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    check_privilege_message(fails(tmp_path, *arguments, wrapper=wrapper), *arguments)


def test_another_user(tmp_path: Path) -> None:
    wrapper = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    probe = [*wrapper, sys.executable, "-c", "import uringtrace.tracer.capture"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    if subprocess.run(probe, env=environment, capture_output=True, check=False).returncode != 0:
        pytest.skip("user nobody may not read this checkout or its Python")
    arguments = ("stat", "-p", str(os.getpid()))
    check_privilege_message(fails(tmp_path, *arguments, wrapper=wrapper), *arguments)


def test_an_environment_without_capture_is_described_not_traced_back(tmp_path: Path) -> None:
    wrapper = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    with Process([*wrapper, *URINGTRACE, "check"], tmp_path) as process:
        assert process.wait() == 1
    assert "CAP_BPF" in process.output()
    assert "Traceback" not in process.notices()


def pretending(tmp_path: Path, file: str, content: str | None) -> tuple[str | Path, ...]:
    """A wrapper in whose mount namespace `file` reads as `content`, or as an empty file."""
    fake = tmp_path / "fake"
    fake.write_text(content or "")
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    wrapper = ("unshare", "--mount", "sh", "-c", script, "sh", fake, file)
    done = subprocess.run([*map(str, wrapper), "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    return wrapper


def test_io_uring_switched_off(tmp_path: Path) -> None:
    switch = "/proc/sys/kernel/io_uring_disabled"
    if not Path(switch).exists():
        pytest.skip("this kernel has no such switch")
    wrapper = pretending(tmp_path, switch, "2\n")
    first, way_out = fails(tmp_path, "stat", "-p", str(os.getpid()), wrapper=wrapper)
    assert "kernel.io_uring_disabled=2" in first
    assert way_out.strip() == "sysctl kernel.io_uring_disabled=0"


def test_no_type_information(tmp_path: Path) -> None:
    wrapper = pretending(tmp_path, "/sys/kernel/btf/vmlinux", None)
    lines = fails(tmp_path, "stat", "-p", str(os.getpid()), wrapper=wrapper)
    assert "BTF" in lines[0]


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("bogus=1", "bogus"),
        ("op=READ and latency>fast", "fast"),
        ("op=NO_SUCH_OPERATION", "NO_SUCH_OPERATION"),
    ],
)
def test_a_bad_filter_points_at_the_word(tmp_path: Path, folder: Path, expression: str, word: str) -> None:
    arguments = ["log", "-o", folder / "x", "-e", expression, "-p", str(os.getpid())]
    with Process([*URINGTRACE, *arguments], tmp_path / "tracer") as process:
        assert process.wait() == 2
    error, shown, marks, *_ = process.notices().splitlines()
    assert error.startswith("uringtrace: error: ")
    assert shown.strip() == expression
    start = shown.index(word)
    assert marks == " " * start + "^" * len(word)
    assert "Traceback" not in process.notices()


def test_an_output_that_exists_is_not_replaced_without_force(nop: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text("precious")
    for arguments in (["log", "-o", output], ["stat", f"--json={output}"]):
        lines = fails(tmp_path, *arguments, "--", nop, "10")
        assert lines == [f"uringtrace: error: {output} exists already", "  --force overwrites it"]
        assert output.read_text() == "precious"
        with Tracer(tmp_path / "forced", *arguments, "--force", "--", nop, "10") as tracer:
            assert tracer.wait() == 0
        assert "NOP" in output.read_text()
        output.write_text("precious")
    lines = fails(tmp_path, "record", "-o", output, "--", nop, "10")
    assert lines[0].startswith(f"uringtrace: error: {output} ")
    assert output.read_text() == "precious"


def test_a_recording_that_exists_is_replaced_with_force_only(nop: Path, tmp_path: Path) -> None:
    output = tmp_path / "recording"
    for number, options in (("10", []), ("20", ["--force"])):
        with Tracer(tmp_path / number, "record", "-o", output, *options, "--", nop, number) as tracer:
            assert tracer.wait() == 0
        assert io_uring_rows(output) == int(number)
    lines = fails(tmp_path, "record", "-o", output, "--", nop, "30")
    assert lines[0] == f"uringtrace: error: {output} exists"
    assert io_uring_rows(output) == 20


def test_recordings_are_private(nop: Path, tmp_path: Path) -> None:
    output = tmp_path / "recording"
    with Tracer(tmp_path / "tracer", "record", "-o", output, "--", nop, "10") as tracer:
        assert tracer.wait() == 0
    assert stat.S_IMODE(output.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in output.iterdir()} == {0o600}


def test_a_full_disk_ends_the_recording_and_keeps_what_is_there(nop: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=48m", "tmpfs", disk):
        with (
            Held([nop, "--pause", "4000000"], tmp_path / "target") as target,
            Tracer(tmp_path / "tracer", "record", "-o", disk / "recording", "-p", str(target.pid)) as tracer,
        ):
            tracer.attached()
            target.go()
            assert tracer.wait() == 1
            assert tracer.session_is_empty()
            assert target.said()["operations"] == 4_000_000
        notices = tracer.notices()
        assert "disk full" in notices
        assert "Traceback" not in notices
        recording = open_recording(disk / "recording")
        rows = sum(len(batch) for batch in recording.batches())
        assert recording.status == "stopped: disk full"
        assert 100_000 < rows < 4_000_000
        assert f"{rows:,} operations" in notices


def test_a_size_limit_ends_the_recording_and_the_target_goes_on(nop: Path, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    with (
        Held([nop, "--pause", "4000000"], tmp_path / "target") as target,
        Tracer(
            tmp_path / "tracer", "record", "--max-size", "20M", "-o", path, "-p", str(target.pid)
        ) as tracer,
    ):
        tracer.attached()
        target.go()
        assert tracer.wait() == 0, tracer.notices()
        assert target.said()["operations"] == 4_000_000
    recording = open_recording(path)
    assert recording.status == "stopped: size limit"
    assert sum(each.stat().st_size for each in path.iterdir()) <= 20 << 20
    assert sum(len(batch) for batch in recording.batches()) > 100_000


def test_a_duration_ends_a_recording(nop: Path, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    with Held([nop, "--pause", "100"], tmp_path / "target") as target:
        with Tracer(tmp_path / "tracer", "record", "-d", "0.2", "-o", path, "-p", str(target.pid)) as tracer:
            assert tracer.wait() == 0
        assert target.running()
    assert open_recording(path).status == "complete"


def test_a_launch_that_fails_leaves_no_probe(tmp_path: Path) -> None:
    """The kernel refuses the program when all probes are attached: they go, and the child too."""
    program = tmp_path / "not a program"
    program.write_text("hello\n")
    program.chmod(0o700)
    before = in_the_kernel()
    fails(tmp_path, "stat", "--", program)
    wait_for(lambda: not (in_the_kernel() - before - held_by_anyone()), "nothing was left")


def test_a_pipe_that_is_closed_early_ends_quietly(nop: Path, tmp_path: Path) -> None:
    """`uringtrace log -- … | head -1`: no traceback, and the command is not disturbed."""
    script = '"$@" | head -1'
    with Process(["sh", "-c", script, "sh", *URINGTRACE, "log", "--", nop, "200000"], tmp_path) as process:
        assert process.wait() == 0
        assert process.session_is_empty()
    assert "Traceback" not in process.notices()


def test_intervals_of_a_target_that_does_nothing(tmp_path: Path) -> None:
    """It sits in one system call all the time: there are intervals, and nothing in them."""
    with (
        Held(held_shell("exit 0"), tmp_path / "target") as target,
        Tracer(
            tmp_path / "tracer", "stat", "--json", "-i", "0.1", "-d", "0.35", "-p", str(target.pid)
        ) as tracer,
    ):
        report = tracer.report()
        assert target.running()
        target.send(signal.SIGKILL)
    assert [line["type"] for line in json_lines(tracer.output())] == ["interval"] * 3 + ["summary"]
    assert report["operations"] == []
