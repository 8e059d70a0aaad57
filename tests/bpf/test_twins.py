"""Probes that may be put aside are attached twice: each event is taken once, by one of the two."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bpf.processes import REPOSITORY
from uringtrace.targets import build

pytestmark = [pytest.mark.bpf]

WAYS = ("both", "twins")


def traced(way: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.bpf.preempted", way, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=100)


def said(output: str) -> dict[str, Any]:
    """The traced program's own account."""
    account: dict[str, Any] = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    return account


@pytest.mark.parametrize("way", WAYS)
def test_counts_are_exact(way: str, tmp_path: Path) -> None:
    report_path = tmp_path / "report.json"
    traced(way, "stat", f"--json={report_path}", "--", str(build.binary("nop")), "50000", "32")
    report = json.loads(report_path.read_text())
    assert (report["lost"], report["untracked"]) == ({}, 0)
    counts = {each["name"]: each["count"] for each in report["operations"]}
    assert counts["NOP"] == 50_000
    [ring] = report["rings"]
    assert (ring["submitted"], ring["completions"], ring["batches"]) == (50_000, 50_000, 1563)


@pytest.mark.parametrize("way", WAYS)
def test_every_call_has_its_line_once(way: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = traced(way, "log", "-o", str(log), "--", str(build.binary("calls")), "tcp", "0.1")
    lines = log.read_text().splitlines()
    assert f"{len(lines):,} lines; lost 0, untracked 0" in done.stderr
    calls = said(done.stdout)["calls"]
    for name in ("sendto", "recvfrom"):
        assert sum(f"{name}(" in line for line in lines) == calls // 2
    assert sum("exit_group(" in line for line in lines) == 1
    assert all("127.0.0.1:" in line for line in lines if "sendto(" in line)
