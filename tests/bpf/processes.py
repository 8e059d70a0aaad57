"""Targets and tracers as processes: started, waited for and ended, always with a deadline.

What they print goes to files, so that neither can block on a pipe nobody reads.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
URINGTRACE = (sys.executable, "-m", "uringtrace")
DEADLINE = 60.0
_PAUSE = 0.005

Json = dict[str, Any]
T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, seconds: float = DEADLINE) -> T:
    """The first true value of `condition`; the test fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds:.0f} s still not so: {what}")
        time.sleep(_PAUSE)


class Process:
    """A child process in a session of its own; leaving the context kills what is left of it."""

    def __init__(self, command: Sequence[str | Path], folder: Path, *, stdin: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.stdout, self.stderr = folder / "stdout", folder / "stderr"
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        with self.stdout.open("wb") as output, self.stderr.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=output,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(DEADLINE)
        if self._process.stdin:
            self._process.stdin.close()

    def output(self) -> str:
        return self.stdout.read_text()

    def notices(self) -> str:
        return self.stderr.read_text()

    def running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def interrupt(self) -> None:
        """Ctrl-C to this process."""
        self.send(signal.SIGINT)

    def send_to_all(self, number: signal.Signals) -> None:
        """To every process of its session, as a terminal does."""
        os.killpg(self.pid, number)

    def wait(self) -> int:
        """The exit code, or minus the signal that ended it."""
        try:
            return self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {DEADLINE:.0f} s; it said:\n{self.notices()}")

    def session_is_empty(self) -> bool:
        """Whether no process of its session is left, this one included."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        return False


class Held(Process):
    """A target that waits for a line on its stdin: `kinds --pause`, `nop --pause`, or `held_shell`."""

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        super().__init__(command, folder, stdin=subprocess.PIPE)
        wait_for(lambda: '"ready"' in self.output(), "the target is ready")

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def said(self) -> Json:
        """Waits for the target's end; what its last line says."""
        assert self.wait() == 0, self.notices()
        parsed: Json = json.loads(self.output().splitlines()[-1])
        return parsed


def held_shell(script: str, *arguments: str | Path) -> tuple[str | Path, ...]:
    """A command that does `script` once it is told to; its process id is the shell's."""
    return ("sh", "-c", f"echo '{{\"ready\": 0}}'; read line; {script}", "sh", *arguments)


class Tracer(Process):
    """`uringtrace` in the background."""

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        super().__init__([*URINGTRACE, *arguments], folder)

    def attached(self) -> Self:
        """Waits for the notice that is printed once the probes are attached."""
        wait_for(lambda: "Ctrl-C to end" in self.notices() or not self.running(), "the tracer is attached")
        assert self.running(), self.notices()
        return self

    def report(self) -> Json:
        """Waits for the end; the one JSON object of `stat --json`."""
        assert self.wait() == 0, self.notices()
        parsed: Json = json.loads(self.output().splitlines()[-1])
        return parsed

    def operations(self, interface: str = "io_uring") -> list[Json]:
        """Waits for the end; the completions of one interface that `log --json` printed.

        Notifications are left out. Of system calls: those that returned.
        """
        assert self.wait() == 0, self.notices()
        lines = [line for line in json_lines(self.output()) if is_completion(line)]
        return [line for line in lines if line["interface"] == interface]


def json_lines(text: str) -> list[Json]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def is_completion(line: Json) -> bool:
    """As docs/json.md defines how to count completions."""
    return line.get("type") == "operation" and line["kind"] == "completion" and not line["notification"]


def counts(report: Json, interface: str = "io_uring") -> dict[str, int]:
    """Completions by operation of one interface, from the object of `stat --json`."""
    return {
        operation["name"]: operation["count"]
        for operation in report["operations"]
        if operation["interface"] == interface
    }


@contextmanager
def mounted(*arguments: str | Path) -> Iterator[None]:
    """A file system that is mounted for a while; `arguments` as for mount(8), the place last."""
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(arguments[-1])], check=True)
