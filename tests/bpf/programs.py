"""C programs of these tests: each is compiled once per session and waits for a line on its stdin."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from uringtrace.targets.build import COMPILER_FLAGS, LIBRARIES

_SOURCES = Path(__file__).resolve().parent


def compiled(name: str, folder: Path) -> Path:
    """The program from `name`.c; skips the test where it cannot be compiled."""
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        pytest.skip(f"no C compiler ({compiler})")
    program = folder / name
    command = [compiler, *COMPILER_FLAGS, "-o", program, _SOURCES / f"{name}.c", *LIBRARIES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "liburing.h" in done.stderr or "-luring" in done.stderr:
        pytest.skip("liburing's headers or library are missing")
    assert done.returncode == 0, done.stderr
    return program
