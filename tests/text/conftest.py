"""Commands under test get fakes in place of the kernel and of recordings."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import uringtrace.tracer.capture
import uringtrace.tracer.recording
from tests.fakes import OPERATION_NAMES, FakeCountingSource, FakeSource
from uringtrace.cli.main import main

ME = str(os.getpid())
"""A process that exists, since targets are looked up before anything starts."""

Command = Callable[..., int]


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeCountingSource], None]:
    """Make counting captures be this fake."""

    def replace(source: FakeCountingSource) -> None:
        monkeypatch.setattr(uringtrace.tracer.capture, "start_counting", lambda *_: source)

    return replace


@pytest.fixture
def streaming(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeSource], None]:
    """Make streaming captures be this fake; the kernel's operations are those of the fakes."""

    def replace(source: FakeSource) -> None:
        monkeypatch.setattr(uringtrace.tracer.capture, "start_streaming", lambda *_: source)

    monkeypatch.setattr("uringtrace.cli.log.kernel_operation_names", lambda: OPERATION_NAMES)
    return replace


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[FakeSource], str]:
    """Make a directory that opens as this fake, and return its path."""

    def replace(source: FakeSource) -> str:
        monkeypatch.setattr(uringtrace.tracer.recording, "open_recording", lambda path: source)
        return str(tmp_path)

    return replace


@pytest.fixture
def run() -> Command:
    """Run a command line as the program would; returns the exit code."""

    def run(*argv: str) -> int:
        return main(argv)

    return run
