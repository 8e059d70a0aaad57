"""Runs one command of the benchmark: with a time limit, and in the checkout's environment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
URINGTRACE = (sys.executable, "-m", "uringtrace")


class Failed(Exception):
    """A command of the benchmark did not do what it should; `reason` is one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def limited(command: Sequence[str], seconds: int) -> list[str]:
    """The command under timeout(1), which also ends tools that wait for a stopped child."""
    return ["timeout", "-k", "1", str(seconds), *command]


def run(command: Sequence[str], seconds: int) -> subprocess.CompletedProcess[str]:
    """Run to the end. Raises `Failed` with the last line of stderr for another status than 0."""
    completed = subprocess.run(limited(command, seconds), capture_output=True, text=True, cwd=REPOSITORY)
    if completed.returncode != 0:
        raise Failed(reason_of(completed.returncode, completed.stderr))
    return completed


def reason_of(status: int, stderr: str) -> str:
    """One line for a command that failed."""
    if status in (124, 137):
        return "took too long"
    lines = stderr.strip().splitlines()
    return lines[-1] if lines else f"exit status {status}"


def measured(output: str, first: str = "operations") -> dict[str, Any]:
    """The JSON line of `nop`, or the one whose first member has that name, wherever a tracer's
    output surrounds it. Raises `Failed`."""
    for line in output.splitlines():
        if line.startswith(f'{{"{first}"'):
            values: dict[str, Any] = json.loads(line)
            return values
    raise Failed("the traced program printed nothing")
