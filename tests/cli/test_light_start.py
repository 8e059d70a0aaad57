"""The application's start: fewer threads and collections, and nothing of that in the environment."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import os
from uringtrace.cli.light_start import start_light
before = dict(os.environ)
start_light()
assert dict(os.environ) == before
print(len(os.listdir("/proc/self/task")), os.popen("echo $OPENBLAS_NUM_THREADS").read().strip() or "unset")
"""


def said(**variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.check_output(command, text=True, env={**environment, **variables}).strip()


def test_numpy_is_alone_and_a_child_does_not_know_of_it():
    assert said() == "1 unset"


def test_a_choice_of_the_user_stands():
    assert said(OPENBLAS_NUM_THREADS="2").endswith(" 2")
