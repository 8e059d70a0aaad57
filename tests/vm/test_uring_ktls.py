"""The reference server `uring-ktls` where there is kTLS: which way it finds, and with which calls."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest

from tests.vm.conftest import RunInVm
from tests.vm.machine import Kernel
from tests.vm.uring_ktls_visit import ENDINGS, TARGETS

SECONDS = 900
CONNECTIONS = len(ENDINGS) + 1
"""While strace looks on; the last one is refused."""
_TIME = re.compile("clock_gettime|gettimeofday")


@pytest.mark.vm
@pytest.mark.parametrize("kernel", ["6.1", "6.12"], indirect=True)
@pytest.mark.timeout(SECONDS + 60)
def test_the_kernel_makes_the_records(run_in_vm: RunInVm, kernel: Kernel) -> None:
    """By a command of the ring without any call, where the kernel has it; else by three calls each."""
    _, exchange = run_in_vm(sys.executable, "-m", "tests.vm.uring_ktls_visit", seconds=SECONDS)
    for said in json.loads((exchange / "visits.json").read_text()):
        minimal = said["first"]["handshake"] == "minimal"
        by_ring = kernel.version_numbers >= (6, 7)
        assert said["first"]["mode"] == ("ktls-ring" if by_ring else "ktls-setsockopt")
        assert ("setsockopt command" in (said["first"]["missing"] or "")) == (not by_ring)
        suite = "TLS_AES_128_GCM_SHA256" if minimal else "TLS_AES_256_GCM_SHA384"
        assert said["suites"] == [suite] * len(ENDINGS)
        assert "unexpected message" in said["refused"].lower()
        expected = {} if by_ring else {"setsockopt": 3 * CONNECTIONS}
        assert calls_of_the_server(said, minimal) == expected
        last = said["last"]
        assert last["connections"] == last["closed"] == last["handshakes"] == CONNECTIONS + 1
        assert last["requests"] == len(ENDINGS) * len(TARGETS) + said["heartbeats"]
        assert last["http_bytes_out"] > len(ENDINGS) * sum(TARGETS.values())
        assert last["operations"].get("URING_CMD", 0) == (3 * (CONNECTIONS + 1) if by_ring else 0)


def calls_of_the_server(said: dict[str, Any], minimal: bool) -> dict[str, int]:
    """Without OpenSSL's getpid, and without the time where this machine has none in the vDSO."""
    calls: dict[str, int] = dict(said["calls"])
    if said["clock"] not in ("tsc", "kvm-clock"):
        calls = {name: count for name, count in calls.items() if not _TIME.search(name)}
    if not minimal:
        assert calls.pop("getpid") > 0
    return calls
