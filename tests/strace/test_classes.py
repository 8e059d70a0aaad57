"""Our classes of system calls are strace's, for all the calls that `calls` makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.strace.runs import Runs
from tests.strace.strace_output import StraceCall
from uringtrace.tracer.syscalls.classes import CLASSES

Program = Callable[[str], Path]


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_class_has_the_calls_that_strace_shows_for_it(
    runs: Runs, program: Program, strace_calls: tuple[StraceCall, ...], name: str
) -> None:
    made = {call.name for call in strace_calls}
    shown = runs.strace(program("calls"), str(runs.work), options=("-e", f"trace=%{name}")).calls
    assert made & CLASSES[name] == {call.name for call in shown}
