"""Kernels to boot; a test is skipped, with the reason, where one cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vm.machine import Kernel, fetched_kernel, run, why_no_machine

BOOT_SECONDS = 400

RunInVm = Callable[..., tuple[str, Path]]


@pytest.fixture(params=["6.1", "6.12"])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    missing = why_no_machine()
    if missing:
        pytest.skip(f"no virtual machines: {missing}; `make test-vm` installs what they need")
    kernel = fetched_kernel(request.param)
    if kernel is None:
        pytest.skip(f"kernel {request.param} is not there; `make test-vm` fetches it")
    return kernel


@pytest.fixture
def run_in_vm(kernel: Kernel, tmp_path: Path) -> RunInVm:
    """Run a command in a machine with `kernel`: what it printed, and what it left in /exchange."""

    def run_it(*command: str, seconds: float = BOOT_SECONDS) -> tuple[str, Path]:
        done = run(kernel, command, seconds=seconds, exchange=tmp_path)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode(), tmp_path

    return run_it
