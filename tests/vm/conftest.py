"""Kernels to boot; a test is skipped, with the reason, where one cannot be."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vm.machine import HERE, Kernel, fetched_kernel, kernels_folder, run, why_no_machine
from tests.vm.prepared import prepare

BOOT_SECONDS = 600
FETCH_SECONDS = 300
WITH_TLS = ("6.1", "6.12")
"""What the tests of kTLS alone boot."""

RunInVm = Callable[..., tuple[str, Path]]


def kernel_or_skip(name: str, *, fetch: bool = False) -> Kernel:
    """The kernel of this name, from the network where it is not there and `fetch` says so."""
    missing = why_no_machine()
    if missing:
        pytest.skip(f"no virtual machines: {missing}; `make test-kernels` installs what they need")
    kernel = fetched_kernel(name)
    if kernel is None and fetch:
        command = (str(HERE / "fetch-kernel.sh"), name, str(kernels_folder() / name))
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.skip(f"kernel {name} was not fetched within {FETCH_SECONDS} s")
        kernel = fetched_kernel(name)
        if kernel is None:
            pytest.skip(f"kernel {name} cannot be fetched: {(done.stderr.splitlines() or [''])[-1]}")
    if kernel is None:
        pytest.skip(f"kernel {name} is not there; `make test-kernels` fetches it")
    return kernel


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module names the kernels it is about in `KERNEL_NAMES`; the others are about kTLS."""
    named = any("kernel" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "kernel" in metafunc.fixturenames and not named:
        metafunc.parametrize("kernel", getattr(metafunc.module, "KERNEL_NAMES", WITH_TLS), indirect=True)


@pytest.fixture
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return kernel_or_skip(request.param)


@pytest.fixture
def run_in_vm(kernel: Kernel, tmp_path: Path) -> RunInVm:
    """Run a command in a machine with `kernel`: what it printed, and what it left in /exchange."""

    def run_it(*command: str, seconds: float = BOOT_SECONDS) -> tuple[str, Path]:
        prepare(kernel, tmp_path)
        done = run(kernel, command, seconds=seconds, exchange=tmp_path)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode(), tmp_path

    return run_it
