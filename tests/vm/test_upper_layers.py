"""What kernels that have kTLS tell of it."""

from __future__ import annotations

import json
import sys

import pytest

from tests.vm.conftest import BOOT_SECONDS, RunInVm
from uringtrace.tracer.socket_diagnosis import parse_answer

pytestmark = [pytest.mark.vm, pytest.mark.timeout(BOOT_SECONDS + 20)]


def test_version_cipher_and_directions_are_those_that_were_set(run_in_vm: RunInVm) -> None:
    """Over IPv4 and IPv6, with one direction, both and none; also through `open_sockets`."""
    output, exchange = run_in_vm(sys.executable, "-m", "tests.vm.print_upper_layers")
    cases = json.loads(output)["cases"]
    assert len(cases) == 11
    for case in cases:
        transmit, receive = ("software" if way in case["ways"] else "none" for way in (1, 2))
        assert case["told"] == {
            "name": "tls",
            "version": case["version"] if case["ways"] else None,
            "cipher": case["cipher"] if case["ways"] else None,
            "transmit": transmit,
            "receive": receive,
        }
        assert case["open_sockets"]
    # Messages end where they say, so the datagrams can be read one after the other.
    assert parse_answer((exchange / "answers").read_bytes()).upper_layers
