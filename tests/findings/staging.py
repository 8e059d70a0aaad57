"""Plays a scene: the server, `uringtrace diagnose` or `record` beside it, and the visitors."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from tests.findings.scenes import Scene
from tests.findings.visits import Address
from tests.servers.running import Line, running


class Watched(Protocol):
    """A server that runs."""

    pid: int
    address: Address

    def stop(self) -> Line:
        """End it; its last line."""
        ...


@dataclass(frozen=True)
class Played:
    """What came of a scene."""

    truth: Line
    """The server's last line."""
    pids: tuple[int, ...]
    output: str
    """What the tool printed."""
    errors: str

    @property
    def diagnosis(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.output)
        return found


def play(scene: Scene, *command: str) -> Played:
    """`command` is what follows `uringtrace`, without the target."""
    with running(scene.server, *scene.arguments) as server:
        return watched(server, scene.visit, *command)


def watched(server: Watched, visit: Callable[[Address], None], *command: str) -> Played:
    """Visit what runs already, with the tool beside it, and end it."""
    pids = _processes(server.pid)
    with _beside(command, pids) as tool:
        visit(server.address)
        tool.send_signal(signal.SIGINT)
        output, errors = tool.communicate(timeout=60)
    assert tool.returncode in (0, 3), errors
    return Played(server.stop(), pids, output, errors)


def record(scene: Scene, path: Path) -> Line:
    """Write a recording of the scene; the server's last line."""
    return play(scene, "record", "-o", str(path)).truth


def _processes(pid: int) -> tuple[int, ...]:
    """The server's processes; workers are there when it has said that it listens."""
    children = psutil.Process(pid).children(recursive=True)
    return pid, *(child.pid for child in children)


@contextmanager
def _beside(command: tuple[str, ...], pids: tuple[int, ...]) -> Iterator[subprocess.Popen[str]]:
    tool = [sys.executable, "-m", "uringtrace", *command, "-f", "-p", ",".join(map(str, pids))]
    with subprocess.Popen(tool, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "Ctrl-C" in line:
                    break
            else:
                raise AssertionError(f"{command[0]} ended before it began")
            yield process
        finally:
            if process.poll() is None:
                process.kill()
