"""What all tests share: running the program, and the rule for tests that need BPF.

A test marked `bpf` is skipped where this machine cannot capture, with the reason. In
CI (CI=true) such a run must not pass unnoticed: it fails where every one of them was
skipped although the kernel and the privileges would allow them, whatever the reason
given (bcc not installed, fio not installed).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from uringtrace.errors import CapabilityError
from uringtrace.tracer.bcc_import import load_bcc
from uringtrace.tracer.check import THIS_MACHINE
from uringtrace.tracer.environment import privilege_checks, require_capture
from uringtrace.tracer.kernel_checks import kernel_checks

# How long an example takes says something of the machine, and nothing of the program.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

REPOSITORY = Path(__file__).resolve().parent.parent

Run = Callable[..., subprocess.CompletedProcess[str]]


def why_no_capture() -> str:
    """Why this machine cannot capture; empty where it can."""
    try:
        require_capture()
        load_bcc()
    except CapabilityError as error:
        return error.message
    return ""


BEGUN_FIRST = ("vm/test_matrix.py", "report/test_report_browser.py")
"""Files that take minutes: begun last, one of them would be left alone in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not str(item.path).endswith(BEGUN_FIRST))
    marked = [item for item in items if item.get_closest_marker("bpf")]
    reason = why_no_capture() if marked else ""
    if reason:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=f"BPF is not available: {reason}"))


def machine_offers_bpf() -> bool:
    """Whether the kernel and the privileges allow BPF, whatever is installed."""
    return not any(check.blocks for check in (*privilege_checks(THIS_MACHINE), *kernel_checks(THIS_MACHINE)))


BPF_OUTCOMES = pytest.StashKey[list[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.get_closest_marker("bpf") and (report.when == "call" or report.skipped):
        item.session.stash.setdefault(BPF_OUTCOMES, []).append(report.outcome)
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    outcomes = session.stash.get(BPF_OUTCOMES, [])
    all_skipped = bool(outcomes) and set(outcomes) == {"skipped"}
    if os.environ.get("CI") == "true" and exitstatus == 0 and all_skipped and machine_offers_bpf():
        print(f"\nall {len(outcomes)} tests that need BPF were skipped, but this machine offers it")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def compiled_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests start need not compile the same Python each time, nor leave any in the tree."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        environment.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


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
