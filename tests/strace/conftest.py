"""The programs, compiled once, and a folder to run them in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.strace.runs import Runs, compiled, strace_or_skip
from tests.strace.strace_output import StraceCall

Program = Callable[[str], Path]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    folder = tmp_path_factory.mktemp("programs")
    return cache(lambda name: compiled(name, folder))


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    strace_or_skip()
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def strace_calls(runs: Runs, program: Program) -> tuple[StraceCall, ...]:
    """What strace shows of `calls`."""
    return runs.strace(program("calls"), str(runs.work)).calls
