"""What all tests share: running the program, and the rule for tests that need BPF.

A test marked `bpf` is skipped where this machine cannot capture, with the reason. In
CI (CI=true) such a run must not pass unnoticed: it fails where every one of them was
skipped although the machine can capture, or although it ran as root.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from uringtrace.errors import CapabilityError
from uringtrace.tracer.environment import require_capture

REPOSITORY = Path(__file__).resolve().parent.parent

Run = Callable[..., subprocess.CompletedProcess[str]]


def why_no_capture() -> str:
    """Why this machine cannot capture; empty where it can."""
    try:
        require_capture()
    except CapabilityError as error:
        return error.message
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("bpf")]
    reason = why_no_capture() if marked else ""
    if reason:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=f"BPF is not available: {reason}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):  # type: ignore[no-untyped-def]  # pluggy's wrappers are generators
    report = yield
    if item.get_closest_marker("bpf"):
        outcomes = item.session.stash.setdefault(BPF_OUTCOMES, [])
        if report.when == "call" or report.outcome == "skipped":
            outcomes.append(report.outcome)
    return report


BPF_OUTCOMES = pytest.StashKey[list[str]]()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    outcomes = session.stash.get(BPF_OUTCOMES, [])
    all_skipped = bool(outcomes) and all(outcome == "skipped" for outcome in outcomes)
    if os.environ.get("CI") != "true" or exitstatus != pytest.ExitCode.OK or not all_skipped:
        return
    if not why_no_capture():
        print(f"\nall {len(outcomes)} tests that need BPF were skipped, but this machine can capture")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def run_uringtrace() -> Run:
    """Run `python -m uringtrace ARGUMENTS` to its end; keywords go to `subprocess.run`."""

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        settings = {"cwd": REPOSITORY, "capture_output": True, "text": True, "timeout": 60, **options}
        command = [sys.executable, "-m", "uringtrace", *arguments]
        return subprocess.run(command, check=False, **settings)  # type: ignore[call-overload,no-any-return]

    return run


@pytest.fixture
def repository() -> Path:
    """The root of the source tree."""
    return REPOSITORY
