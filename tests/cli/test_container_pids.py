"""A number on the command line means a process by its pid here or, where that is none, by an inner one."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bpf.processes import URINGTRACE, wait_for
from uringtrace.cli.command import parse
from uringtrace.cli.log import LogCommand
from uringtrace.cli.target_options import target_from
from uringtrace.errors import TargetError
from uringtrace.tracer.namespaces import Resolved, resolve
from uringtrace.tracer.target import Target

KERNEL_THREAD = 0x0020_0000

Add = Callable[..., None]


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "proc" / "sys").mkdir(parents=True)
    (tmp_path / "proc" / "uptime").write_text("1 1\n")
    return tmp_path / "proc"


@pytest.fixture
def add(proc: Path) -> Add:
    """Add a process to /proc; `inner` are its pids in the namespaces further in."""

    def write(
        pid: int,
        *inner: int,
        name: str = "worker",
        state: str = "S (sleeping)",
        tgid: int = 0,
        flags: int = 0,
    ) -> None:
        folder = proc / str(pid)
        folder.mkdir()
        pids = "\t".join(map(str, (pid, *inner)))
        lines = [f"Name:\t{name}", f"State:\t{state}", f"Tgid:\t{tgid or pid}", f"NSpid:\t{pids}"]
        (folder / "status").write_text("\n".join(lines) + "\n")
        (folder / "stat").write_text(f"{pid} ({name}) {state[0]} 1 1 1 0 -1 {flags} 0 0\n")

    return write


def test_a_pid_of_here_means_that_process(proc: Path, add: Add) -> None:
    add(17)
    add(12345, 18)
    assert resolve(17, proc) == Resolved(17)


def test_a_pid_further_in_means_the_process_that_has_it(proc: Path, add: Add) -> None:
    add(1)
    add(12345, 17)
    add(12346, 18)
    assert resolve(12345, proc) == Resolved(12345)
    found = resolve(17, proc)
    assert (found.pid, found.inner) == (12345, 17)
    assert found.note == "17 is process 12345 here (pid 17 in its pid namespace)"


@pytest.mark.parametrize("pid", [300, 7])
def test_any_namespace_further_in_counts(proc: Path, add: Add, pid: int) -> None:
    """A container within a container: three pids, each of which names it."""
    add(12345, 300, 7)
    assert resolve(pid, proc).pid == 12345


def test_where_both_could_be_meant_the_one_here_is_and_the_other_is_named(proc: Path, add: Add) -> None:
    add(17, name="cron")
    add(12345, 17, name="nginx")
    found = resolve(17, proc)
    assert (found.pid, found.inner) == (17, None)
    assert found.note == (
        "17 means the process with that pid here; 12345 (nginx) has pid 17 in its pid namespace"
    )
    add(12346, 17, name="redis")
    assert resolve(17, proc).note.endswith(
        "; 12345 (nginx), 12346 (redis) have pid 17 in their pid namespaces"
    )


def test_several_further_in_are_listed(proc: Path, add: Add) -> None:
    for number in range(7):
        add(5000 + number, 1, name=f"i{number}")
    with pytest.raises(TargetError) as caught:
        resolve(1, proc)
    assert caught.value.message == "1 is no process here, but a pid of 7 processes in pid namespaces"
    assert caught.value.way_out == (
        "name one by its pid here: 5000 (i0), 5001 (i1), 5002 (i2), 5003 (i3), 5004 (i4), 2 more"
    )


def test_a_number_that_cannot_be_traced_here_may_be_meant_further_in(proc: Path, add: Add) -> None:
    add(17, name="migration/0", flags=KERNEL_THREAD)
    add(18, state="Z (zombie)")
    with pytest.raises(TargetError, match="is a kernel thread"):
        resolve(17, proc)
    add(12345, 17)
    add(12346, 18)
    kernel, zombie = resolve(17, proc), resolve(18, proc)
    assert (kernel.pid, zombie.pid) == (12345, 12346)
    assert kernel.note.endswith(
        "; 17 (migration/0) is a kernel thread: it makes no system calls and has no rings"
    )
    assert zombie.note.endswith("; process 18 has ended and only waits for its parent")


def test_a_thread_here_is_never_another_process(proc: Path, add: Add) -> None:
    add(10)
    add(17, tgid=10)
    add(12345, 17)
    with pytest.raises(TargetError) as caught:
        resolve(17, proc)
    assert caught.value.message == "17 (worker) is a thread of process 10"
    assert caught.value.way_out == ("name the process: -p 10; 12345 (worker) has pid 17 in its pid namespace")


def test_one_that_has_ended_is_not_meant(proc: Path, add: Add) -> None:
    add(12345, 17, state="Z (zombie)")
    with pytest.raises(TargetError, match="no such process: 17"):
        resolve(17, proc)
    add(12346, 17)
    assert resolve(17, proc).pid == 12346


def test_a_process_that_ends_while_proc_is_read(proc: Path, add: Add) -> None:
    """Its folder is listed and then has no status."""
    (proc / "400").mkdir()
    add(12345, 17)
    assert resolve(17, proc).pid == 12345


def test_a_kernel_that_does_not_list_pids(proc: Path) -> None:
    (proc / "17").mkdir()
    (proc / "17" / "status").write_text("Name:\told\nState:\tS\nTgid:\t17\n")
    assert resolve(17, proc) == Resolved(17)


def test_the_target_and_the_notices_say_which_was_meant(
    proc: Path, add: Add, capsys: pytest.CaptureFixture[str]
) -> None:
    add(10)
    add(12345, 17)
    target = target_from(parse("log", LogCommand(), ["-p", "10,17,12345"]), proc)
    assert target == Target(pids=(10, 12345), inner_pids=((12345, 17),))
    assert str(target) == "processes 10, 12345 (17 in its pid namespace)"
    assert capsys.readouterr().err == ("uringtrace: 17 is process 12345 here (pid 17 in its pid namespace)\n")


def free_pid() -> int:
    """A number that no process here has, nor will have soon: half the range away from the last one."""
    limit = int(Path("/proc/sys/kernel/pid_max").read_text())
    last = os.getpid()
    return next(
        number
        for number in ((last + limit // 2 + step) % (limit - 1000) + 500 for step in range(limit))
        if not Path(f"/proc/{number}").exists()
    )


def pid_here(inner: int) -> int | None:
    """The process whose innermost pid this is, once it has become `cat`."""
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            fields = (folder / "status").read_text().splitlines() if folder.name.isdecimal() else []
            pids = next((line.split()[1:] for line in fields if line.startswith("NSpid:")), [])
            if len(pids) > 1 and pids[-1] == str(inner) and fields[0] == "Name:\tcat":
                return int(folder.name)
    return None


@dataclass
class Contained:
    """`cat` in a pid namespace of its own; it ends when its standard input does."""

    process: subprocess.Popen[bytes]
    pid: int
    inner: int

    def echo(self, line: bytes) -> None:
        """Have it read and write a line; returns when it has."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()
        assert self.process.stdout.readline() == line

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()


@pytest.fixture
def contained() -> Iterator[Contained]:
    if not Path("/proc/sys/kernel/ns_last_pid").exists():
        pytest.skip("this kernel lets nobody choose a pid (CONFIG_CHECKPOINT_RESTORE)")
    inner = free_pid()
    script = f"echo {inner - 1} > /proc/sys/kernel/ns_last_pid; cat; true"
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            pid = wait_for(lambda: pid_here(inner), "cat runs in its namespace")
            yield Contained(process, pid, inner)
        finally:
            process.kill()


@pytest.mark.bpf
@pytest.mark.parametrize("by", ["pid", "inner"])
def test_a_process_in_a_container_is_traced_by_either_pid(
    contained: Contained, by: str, repository: Path
) -> None:
    """Both name the same process, its calls are shown with the pid here, and what was meant is said."""
    number = getattr(contained, by)
    command = [*URINGTRACE, "log", "-e", "trace=/^(read|write)$", "-p", str(number)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=repository
    ) as tracer:
        assert tracer.stderr is not None
        notices = [tracer.stderr.readline()]
        while notices[-1] and "Ctrl-C to end" not in notices[-1]:
            notices.append(tracer.stderr.readline())
        contained.echo(b"hello\n")
        contained.end()
        output, rest = tracer.communicate(timeout=60)
    assert tracer.returncode == 0, rest
    lines = output.splitlines()
    who = f"[pid {contained.pid} tid {contained.pid}] "
    assert all(line.startswith(who) for line in lines)
    assert [line.removeprefix(who).partition("(")[0] for line in lines] == ["read", "write", "read"]
    inner = contained.inner
    meant = f"uringtrace: {inner} is process {contained.pid} here (pid {inner} in its pid namespace)\n"
    assert (meant in notices) == (by == "inner")


@pytest.mark.bpf
def test_inside_a_container_its_own_pids_are_meant(repository: Path) -> None:
    """The tracer and `cat` share a pid namespace; the probes see the pids that both of them see."""
    script = 'exec 3<&0; cat <&3 >&2 & exec "$@" log -e trace=read -p $!'
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, "sh"]
    with subprocess.Popen(
        [*command, *URINGTRACE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=repository,
    ) as tracer:  # fmt: skip
        assert tracer.stderr is not None
        start = tracer.stderr.readline()
        found = re.fullmatch(r"uringtrace: logging process (\d+)\. Ctrl-C to end\n", start)
        assert found, start
        output, rest = tracer.communicate("hello\n", timeout=60)
    assert tracer.returncode == 0, rest
    assert "hello" in rest
    who = f"[pid {found[1]} tid {found[1]}] read("
    assert [line.startswith(who) for line in output.splitlines()] == [True, True]
    assert int(found[1]) < 100
