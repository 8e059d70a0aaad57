"""What the C targets print: the truth about themselves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

Truth = dict[str, Any]

COUNTS = ("submitted", "completions", "ended", "errors", "bytes", "notifications")


def run_json(*command: str | Path) -> Truth:
    completed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert completed.returncode == 0, completed.stderr
    parsed: Truth = json.loads(completed.stdout)
    return parsed


def requires(subject: Truth) -> None:
    if not subject["supported"]:
        pytest.skip(f"{subject['subject']}: {subject['why']}")
