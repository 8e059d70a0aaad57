"""Rings misused by a real program: the kernel's records lead to the finding, with the program's numbers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.findings import ring_misuse

pytestmark = pytest.mark.bpf
SLICE = "links"
WAYS = [
    ("errors", "error-flood", "errors", ring_misuse.TIMES),
    ("links", "broken-link", "broken", ring_misuse.CHAINS),
    ("overlap", "buffer-overlap", "pairs", ring_misuse.PAIRS),
    ("unmapped", "memory-unmapped", "unmapped", ring_misuse.PAIRS),
    ("unregistered", "unregistered-in-use", "in_use", ring_misuse.PAIRS),
    ("asleep", "sqpoll-asleep", "wakes", ring_misuse.TIMES),
    ("leaked", "never-completed", "in_flight", ring_misuse.PAIRS),
    ("unused", "ring-unused", "submitted", 0),
]


@pytest.mark.parametrize(
    ("way", "tag", "value", "expected"),
    [pytest.param(*each, id=each[0], marks=() if each[0] == SLICE else pytest.mark.long) for each in WAYS],
)
def test_what_the_program_does_is_found(way, tag, value, expected):
    command = [sys.executable, "-m", "uringtrace", "diagnose", "--json", "--"]
    program = [sys.executable, "-m", "tests.findings.ring_misuse", way]
    run = subprocess.run(command + program, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    diagnosis = json.loads(run.stdout)
    (found,) = [each for each in diagnosis["findings"] if each["tag"] == tag]
    above = {each["tag"] for each in diagnosis["findings"] if each["severity"] != "info"}
    # On a slow machine the operations are so few that the polling thread is busy in vain.
    assert above - {"sqpoll-burning"} <= {tag}
    values = {name: number for each in found["evidence"] for name, number in each["values"].items()}
    assert values[value] == expected
