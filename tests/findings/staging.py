"""Plays a scene: the server, `uringtrace diagnose` or `record` beside it, and the visitors."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.findings.scenes import Scene
from tests.servers.running import Line, Running, running


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
        pids = _processes(server, scene)
        with _beside(command, pids) as tool:
            scene.visit(server.address)
            tool.send_signal(signal.SIGINT)
            output, errors = tool.communicate(timeout=60)
        assert tool.returncode in (0, 3), errors
        return Played(server.stop(), pids, output, errors)


def record(scene: Scene, path: Path) -> Line:
    """Write a recording of the scene; the server's last line."""
    return play(scene, "record", "-o", str(path)).truth


def _processes(server: Running, scene: Scene) -> tuple[int, ...]:
    """The server's processes; workers are there when it has said that it listens."""
    children = psutil.Process(server.pid).children(recursive=True)
    return server.pid, *(child.pid for child in children)


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
