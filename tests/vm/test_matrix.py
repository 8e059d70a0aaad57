"""One boot of each kernel, in which everything is captured that the reference programs do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.vm.conftest import kernel_or_skip
from tests.vm.machine import Kernel
from tests.vm.matrix import CAPTURES, FEATURES, KERNELS, RESULTS, TLS_BY_COMMAND, Compare
from tests.vm.observation import NO, SECONDS, WRONG, Observation, Result, Skipped, as_json, observe
from uringtrace.targets.catalogue import ARCHITECTURES

KERNEL_NAMES = KERNELS
SLICE_KERNEL = "6.12"
OLDEST_WITH_REQUESTS = (6, 0)
OLDEST_WITH_PREEMPTED_PROBES = (7, 0)
_PACKAGES = re.compile(r"^\S+ needs ")
"""What a server says where a Python package is not installed (targets/serving.py)."""


def problems(observation: Observation, features: Mapping[str, Compare], kernel: Kernel) -> list[Result]:
    """What is wrong, and what is missing although the kernel can have it."""
    lacks = {TLS_BY_COMMAND} if kernel.version_numbers < (6, 7) else set()
    if kernel.version_numbers < OLDEST_WITH_REQUESTS:
        lacks = set(features)
    may_skip = kernel.version_numbers >= OLDEST_WITH_PREEMPTED_PROBES
    return [
        each
        for each in observation.results(features)
        if each.outcome == WRONG
        or (
            each.outcome == NO
            and each.feature not in lacks
            and not _PACKAGES.search(each.detail)
            and not (may_skip and each.detail == str(Skipped()))
        )
    ]


@pytest.mark.vm
@pytest.mark.timeout(SECONDS + 120)
def test_what_a_kernel_shows_is_exact(kernel: Kernel, tmp_path: Path) -> None:
    observation = observe(kernel, tmp_path, logged=tuple(ARCHITECTURES))
    results = list(observation.results(FEATURES))
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{kernel.name}.json").write_text(as_json(observation, results))
    assert problems(observation, FEATURES, kernel) == []


@pytest.mark.vm_slice
@pytest.mark.timeout(SECONDS + 120)
def test_another_kernel_than_this_one_shows_the_same(tmp_path: Path) -> None:
    """A boot of one kernel, in every test run; all of them: `make test-kernels`."""
    kernel = kernel_or_skip(SLICE_KERNEL, fetch=True)
    observation = observe(kernel, tmp_path)
    assert problems(observation, CAPTURES, kernel) == []
