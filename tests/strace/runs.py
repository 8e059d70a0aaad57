"""The programs of these tests, run once under strace and once under uringtrace.

Both runs have the same arguments, environment, working folder and descriptors, so that what
differs comes from the kernel's choices or from the tracer.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.bpf.processes import URINGTRACE, Process, wait_for
from tests.strace.log_lines import parse_log
from tests.strace.strace_output import StraceCall, StraceOutput, parse
from uringtrace.targets.build import COMPILER_FLAGS
from uringtrace.tracer.strace import Record, lines_of
from uringtrace.tracer.strace import parse as parse_lines

_SOURCES = Path(__file__).resolve().parent / "programs"
ECHO_SERVERS = ("echo_blocking", "echo_epoll", "echo_workers")
CONNECTIONS = 3
"""That the echo servers accept; the client of `talk` acts on all but the last, which ends them."""

Client = Callable[[Process, Path], None]
"""Acts on a program (the path) that a tracer (the process) runs."""


def compiled(name: str, folder: Path) -> Path:
    """The program from `name`.c or the folder `name`; skips the test without a compiler."""
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        pytest.skip(f"no C compiler ({compiler})")
    program, sources = folder / name, _SOURCES / name
    files = sorted(sources.glob("*.c")) if sources.is_dir() else [sources.with_suffix(".c")]
    command: list[str | Path] = [compiler, *COMPILER_FLAGS, "-o", program, *files, "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def strace_or_skip() -> None:
    """Skips the test where strace is missing or may not trace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"strace cannot trace here: {tried.stderr.strip()}")


class Runs:
    """Runs programs in one folder, which each run finds as the first did."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.work = folder / "work"

    def strace(
        self, program: Path, *arguments: str, options: Sequence[str] = (), client: Client | None = None
    ) -> StraceOutput:
        """`strace -f -yy` on the program; it must succeed."""
        output = self._folder / "strace.txt"
        command: list[str | Path] = [
            "strace",
            "-f",
            "-yy",
            "-ttt",
            "-T",
            *options,
            "-o",
            output,
            program,
            *arguments,
        ]
        self._run(command, program, client)
        return parse(output.read_text())

    def strace_records(self, program: Path, *arguments: str, options: Sequence[str]) -> tuple[Record, ...]:
        """`strace -f` with these options on the program: all that the log has."""
        output = self._folder / "strace.txt"
        self._run(["strace", "-f", *options, "-o", output, program, *arguments], program, None)
        return tuple(parse_lines(lines_of(output)))

    def log(
        self, program: Path, *arguments: str, options: Sequence[str] = (), client: Client | None = None
    ) -> tuple[StraceCall, ...]:
        """`uringtrace log -f` on the program; it must succeed and lose nothing."""
        output = self._folder / "log.txt"
        output.unlink(missing_ok=True)
        command: list[str | Path] = [
            *URINGTRACE,
            "log",
            "-f",
            *options,
            "-o",
            output,
            "--",
            program,
            *arguments,
        ]
        notices = self._run(command, program, client)
        assert "lost 0, untracked 0" in notices, notices
        return parse_log(output.read_text())

    def record(self, program: Path, *arguments: str) -> Path:
        """`uringtrace record -f` on the program; the recording."""
        output = self._folder / "recording"
        self._run([*URINGTRACE, "record", "-f", "-o", output, "--", program, *arguments], program, None)
        return output

    def compare(
        self,
        program: Path,
        *arguments: str,
        options: Sequence[str] = (),
        client: Client | None = None,
        columns: int = 80,
    ) -> str:
        """`uringtrace compare --once` on the program: all that both print."""
        given = (*URINGTRACE, "compare", "--once", "--yes", *options, "--", program, *arguments)
        command = ["env", f"COLUMNS={columns}", *given]
        self._run(command, program, client)
        return (self._folder / "process" / "stdout").read_text()

    def _run(self, command: Sequence[str | Path], program: Path, client: Client | None) -> str:
        if self.work.exists():
            shutil.rmtree(self.work)
        self.work.mkdir()
        with Process(command, self._folder / "process") as tracer:
            if client is not None:
                client(tracer, program)
            code = tracer.wait()
            assert code == 0, f"{command} exited {code}:\n{tracer.notices()}\n{tracer.output()}"
            return tracer.notices()


def talk(tracer: Process, program: Path) -> None:
    """An echo client that takes each step when the server has nothing left to do.

    So a server's calls do not depend on how fast the two are.
    """

    def said() -> str:
        assert tracer.running(), tracer.notices()
        return tracer.output()

    wait_for(lambda: said().endswith("\n"), "the server listens")
    host, port = json.loads(said())["listening"].rsplit(":", 1)
    process = wait_for(lambda: _descendant(tracer.pid, program), "the server is found")
    assert process is not None
    settle = _settled(process)
    settle()
    for _ in range(CONNECTIONS - 1):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            settle()
            for message in (b"hello!\n", b"and once more, so that it is echoed twice\n"):
                connection.sendall(message)
                echoed = b""
                while len(echoed) < len(message):
                    echoed += connection.recv(1024)
                assert echoed == message
                settle()
        settle()
    socket.create_connection((host, int(port)), timeout=30).close()


def _descendant(pid: int, program: Path) -> int | None:
    """The process below `pid` that executes the program."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            if Path(f"/proc/{child}/exe").readlink() == program.resolve():
                return child
            if found := _descendant(child, program):
                return found
    return None


def _settled(process: int) -> Callable[[], None]:
    """A function that returns once all threads of the process sleep and go on sleeping."""

    def state() -> tuple[str, ...]:
        found = []
        for thread in sorted(Path(f"/proc/{process}/task").iterdir()):
            lines = (thread / "status").read_text().splitlines()
            found += [line for line in lines if line.startswith(("State:", "voluntary", "nonvoluntary"))]
        return tuple(found)

    def settle() -> None:
        before: tuple[str, ...] = ()

        def asleep() -> bool:
            nonlocal before
            now, last = state(), before
            before = now
            sleeping = all("S (sleeping)" in line for line in now if line.startswith("State:"))
            return sleeping and now == last

        wait_for(asleep, "the server waits")

    return settle
