"""Processes of the benchmark that run beside one another: a server, and who traces it.

Whatever is started here is ended here, whichever way the measurement ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.launch import REPOSITORY, Failed, reason_of

DEADLINE_SECONDS = 20
_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Running:
    """A process in a session of its own, and the file that holds its stdout and stderr."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Until it has printed the text. Raises `Failed` when it ends before, or does not in time."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while text not in self.text():
            if self.process.poll() is not None:
                raise Failed(reason_of(self.process.returncode, self.text()))
            if time.monotonic() > deadline:
                raise Failed(f"did not say {text!r} within {DEADLINE_SECONDS} s")
            time.sleep(_PAUSE_SECONDS)

    def end(self, number: signal.Signals) -> None:
        """Ask it to end, and wait. Raises `Failed` when it fails, or does not end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed("did not end when asked to") from None
        if status not in (0, -number, 128 + number):
            raise Failed(reason_of(status, self.text()))


@contextmanager
def running(command: Sequence[str]) -> Iterator[Running]:
    """Start a command in the checkout; what is left of its session at the end is killed."""
    with tempfile.TemporaryDirectory(prefix="uringtrace-bench.") as folder:
        output = Path(folder) / "output"
        with output.open("wb") as sink:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
                start_new_session=True,
            )
        try:
            yield Running(process, output)
        finally:
            _kill_session(process)


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(DEADLINE_SECONDS)


@dataclass(frozen=True, slots=True)
class Attacher:
    """One row: a tracer that attaches to a running process."""

    name: str
    command: Callable[[int], Sequence[str]]
    """From the process id."""
    ready: str = ""
    """What it prints once attached. Of one that prints nothing, a second is waited."""
    goal: float | None = None
    """Smallest share of the untraced rate that the project aims at."""
    missing: str = ""
    """Why it cannot run here; empty when it can."""


@contextmanager
def attached(tracer: Attacher, pid: int) -> Iterator[None]:
    """Trace the process for a while. Raises `Failed` when the tracer does not attach or end well."""
    with running(tracer.command(pid)) as process:
        if tracer.ready:
            process.wait_for(tracer.ready)
        else:
            time.sleep(1)
        yield
        if process.process.poll() is not None:
            raise Failed(f"ended before its target: {reason_of(process.process.returncode, process.text())}")
        process.end(signal.SIGINT)


def missing(program: str) -> str:
    """Why a row is left out; empty when its program is there."""
    return "" if shutil.which(program) else f"{program} is not installed"
