"""nop, calls and demo did what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.targets.truth import Truth, requires, run_json
from uringtrace.targets import build


def test_nop_measures_its_own_loop(truth: Truth) -> None:
    requires(truth["subjects"][0])
    measured = run_json(build.binary("nop"), "1000", "7")
    assert (measured["operations"], measured["batch"]) == (1000, 7)
    assert measured["ns_per_operation"] == pytest.approx(measured["elapsed_ns"] / 1000, abs=0.01)


@pytest.mark.parametrize("kind", ["getppid", "pread", "pipe", "tcp"])
def test_calls_counts_what_it_did(kind: str, kinds: Path) -> None:
    did = run_json(build.binary("calls"), kind, "0.05")
    assert did["kind"] == kind
    assert did["elapsed_ns"] >= 50_000_000
    assert did["calls"] > 0
    # Two clocks, read one after the other: they differ by less than a millisecond.
    assert 0 < did["cpu_ns"] <= did["elapsed_ns"] + 1_000_000
    assert did["calls_per_second"] == pytest.approx(did["calls"] * 1e9 / did["cpu_ns"], abs=1)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        ("getppid", [r"getppid\(\)"]),
        ("pread", [r"pread64\(\d+, .*, 1, 0\) += 1"]),
        ("pipe", [r"write\(\d+, .*, 64\) += 64", r"read\(\d+, .*, 64\) += 64"]),
        (
            "tcp",
            [r"sendto\(\d+, .*, 64, 0, NULL, 0\) += 64", r"recvfrom\(\d+, .*, 64, 0, NULL, NULL\) += 64"],
        ),
    ],
)
def test_strace_counts_as_many_calls(kind: str, calls: list[str], kinds: Path, tmp_path: Path) -> None:
    log = tmp_path / "strace"
    did = run_json("strace", "-qq", "-o", log, build.binary("calls"), kind, "0.05")
    lines = log.read_text().splitlines()
    for call in calls:
        seen = sum(bool(re.match(call, line)) for line in lines)
        assert seen == did["calls"] // len(calls)


def test_the_demo_answers_every_request(by_subject: dict[str, Truth]) -> None:
    requires(by_subject["multishot_recv"])
    said = subprocess.run([build.binary("demo")], capture_output=True, text=True, timeout=60).stdout
    did = {what: int(count) for count, what in re.findall(r"(\d+) ([a-z ]+)", said)}
    assert did["connections"] == 4
    assert did["requests"] == did["answers"] == did["reads"] == did["log lines"] > 1000
    assert did["errors"] == 0
