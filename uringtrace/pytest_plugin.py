"""Tests that record what a program does while they run, and fail where it does too much.

Loaded by pytest wherever uringtrace is installed, so importing it costs nothing: a recorder is a
process of its own, and what reads its recording is imported when there is one. docs/pytest.md describes
the marker and the fixture. Invariant: a limit that could not be judged fails, and is never taken as kept;
only where this machine cannot capture a test is skipped, with the reason.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from uringtrace.cli.diagnose import GATES, least_severity
from uringtrace.errors import EXIT_USAGE

if TYPE_CHECKING:
    from uringtrace.notebook import Recording
    from uringtrace.tracer.findings import Diagnosed
    from uringtrace.tracer.findings.regression_samples import Samples

MARKER = "uringtrace"
_ATTACHED = "; Ctrl-C to end"
"""Ends the line that `uringtrace record` writes when its probes are attached."""
_ATTACHING_SECONDS = 60
_ENDING_SECONDS = 120


class Recorded:
    """What was recorded; all but `path` is for after the recording has ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """The recording: `uringtrace report PATH` and every other command reads it."""

    @cached_property
    def _samples(self) -> Samples:
        from uringtrace.tracer.findings.regression_samples import samples_of
        from uringtrace.tracer.recording import open_recording

        return samples_of(open_recording(self.path))

    @cached_property
    def diagnosed(self) -> Diagnosed:
        """What `uringtrace diagnose` says of it: `.findings`, worst first, and all `.verdicts`."""
        from uringtrace.tracer.findings.recorded import diagnosed_whole
        from uringtrace.tracer.recording import open_recording

        return diagnosed_whole(open_recording(self.path))

    def open(self) -> Recording:
        """Its tables, as `uringtrace.open` has them."""
        from uringtrace import open as open_for_reading

        return open_for_reading(self.path)

    @property
    def requests(self) -> int:
        """Requests that were answered, see docs/connections.md."""
        return int(self._samples.requests.sum())

    @property
    def operations(self) -> int:
        """Completions of io_uring."""
        return int(self._samples.operations.sum())

    @property
    def syscalls(self) -> int:
        """System calls that returned."""
        return int(self._samples.calls.sum())

    @property
    def lost(self) -> int:
        """Records that the kernel could not hand over: with any, all counts are lower bounds."""
        return self._samples.lost

    @property
    def syscalls_per_request(self) -> float | None:
        """None without a request."""
        return self.syscalls / self.requests if self.requests else None

    @property
    def operations_per_request(self) -> float | None:
        """None without a request."""
        return self.operations / self.requests if self.requests else None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a marker asks for."""

    target: str | None = None
    """Name of the fixture that is the target: a process id, or something with a `pid`. None: this process."""
    follow: bool = False
    """Also the children that the target forks."""
    max_syscalls_per_request: float | None = None
    max_operations_per_request: float | None = None
    fail_on: str | None = None
    """The least severity of a finding that fails the test: `info`, `warn`, `critical`."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARKER}(target=None, follow=False, max_syscalls_per_request=None, "
        "max_operations_per_request=None, fail_on=None): record the fixture `target`, or this "
        "process, while the test runs, and fail where it does more than that (docs/pytest.md)",
    )


@pytest.fixture
def uringtrace_record(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., AbstractContextManager[Recorded]]:
    """`with uringtrace_record(pid) as run:` records a process; afterwards `run` says what it did."""

    def record(pid: int, *, follow: bool = False) -> AbstractContextManager[Recorded]:
        return recording(pid, tmp_path_factory.mktemp("uringtrace") / "recording", follow=follow)

    return record


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Around the test itself: what fixtures do before and after is not recorded."""
    marker = pyfuncitem.get_closest_marker(MARKER)
    if marker is None:
        return (yield)
    limits = limits_of(marker)
    request = pyfuncitem._request  # what hooks around a test have to ask for fixtures
    pid = os.getpid() if limits.target is None else pid_of(request.getfixturevalue(limits.target))
    folder = request.getfixturevalue("tmp_path_factory").mktemp("uringtrace")
    with recording(pid, folder / "recording", follow=limits.follow) as run:
        result = yield
    broken = broken_limits(run, limits)
    if broken:
        pytest.fail("\n".join([*broken, f"the recording: {run.path}"]), pytrace=False)
    return result


def limits_of(marker: pytest.Mark) -> Limits:
    """Raises `pytest.UsageError` for what the marker does not know."""
    try:
        limits = Limits(*marker.args, **marker.kwargs)
    except TypeError as error:
        raise pytest.UsageError(f"@pytest.mark.{MARKER}: {error}") from None
    if limits.fail_on is not None and limits.fail_on not in GATES:
        raise pytest.UsageError(
            f"@pytest.mark.{MARKER}: fail_on is one of {', '.join(GATES)}, not {limits.fail_on!r}"
        )
    return limits


def pid_of(target: object) -> int:
    """Of a process id, or of something that has a `pid`, such as a `subprocess.Popen`."""
    pid = target if isinstance(target, int) else getattr(target, "pid", None)
    if not isinstance(pid, int):
        raise pytest.UsageError(f"@pytest.mark.{MARKER}: the target has no pid: {target!r}")
    return pid


def broken_limits(run: Recorded, limits: Limits) -> list[str]:
    """A line for each limit that was not kept, or that nobody can know to have been."""
    broken = []
    for name, value, most in (
        (
            ("system calls", run.syscalls_per_request, limits.max_syscalls_per_request),
            ("io_uring operations", run.operations_per_request, limits.max_operations_per_request),
        )
        if _counts(limits)
        else ()
    ):
        if most is None:
            continue
        if value is None:
            broken.append(f"no request was answered: {name} per request cannot be judged")
        elif value > most:
            broken.append(
                f"{value:.3g} {name} per request ({run.requests:,} requests), at most {most:g} allowed"
            )
        elif run.lost:
            broken.append(f"{run.lost:,} records were lost: {name} per request cannot be judged")
    if limits.fail_on is not None:
        least = least_severity(limits.fail_on)
        broken += [
            f"{finding.severity.word}: {finding.title} ({finding.tag}): "
            + "; ".join(each.text for each in finding.evidence)
            for finding in run.diagnosed.findings
            if finding.severity >= least
        ]
    return broken


def _counts(limits: Limits) -> bool:
    return limits.max_syscalls_per_request is not None or limits.max_operations_per_request is not None


@contextmanager
def recording(pid: int, path: Path, *, follow: bool = False) -> Iterator[Recorded]:
    """Record the process while the block runs; skips the test where this machine cannot capture."""
    if not Path(f"/proc/{pid}").exists():
        pytest.fail(f"there is no process {pid} to record", pytrace=False)
    command = [sys.executable, "-m", "uringtrace", "record", "-p", str(pid), "-o", str(path)]
    # Its own session: a Ctrl-C of the user's is for pytest, which then ends it.
    process = subprocess.Popen(
        [*command, *(["-f"] if follow else [])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _wait_until_attached(process)
        yield Recorded(path)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=_ENDING_SECONDS)
        if process.returncode != 0:
            pytest.fail(f"the recorder ended with {process.returncode}: {said.decode(errors='replace')}")
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate()


def _wait_until_attached(process: subprocess.Popen[bytes]) -> None:
    """Skips the test where a condition for capturing is not met; fails it where anything else is wrong."""
    assert process.stderr is not None
    deadline = time.monotonic() + _ATTACHING_SECONDS
    said = b""
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stderr], [], [], 1.0)
        if not ready:
            continue
        more = os.read(process.stderr.fileno(), 65_536)
        said += more
        if _ATTACHED.encode() in said:
            return
        if not more:
            text = said.decode(errors="replace").strip()
            if process.wait() == EXIT_USAGE:
                pytest.skip(f"nothing can be recorded here: {text}")
            pytest.fail(f"the recorder ended with {process.returncode}: {text}", pytrace=False)
    pytest.fail(f"the recorder did not attach within {_ATTACHING_SECONDS} s", pytrace=False)
