"""Findings on a real terminal, of a reference server that misbehaves: with the numbers it counted itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.bpf.processes import URINGTRACE
from tests.bpf.test_terminal import ATTACHED, watching
from tests.servers.running import running

pytestmark = pytest.mark.bpf


def test_a_fault_is_found_with_the_servers_own_count(tmp_path: Path) -> None:
    """Also what was found is still there when the target has ended, and its window is on the timeline."""
    with (
        running("uring", "--fault", "cq-overflow") as server,
        watching(server.pid, tmp_path, size=(140, 40)) as terminal,
    ):
        terminal.shows(ATTACHED)
        terminal.send("7")
        terminal.shows("SEVERITY", "not applicable")
        command = [*URINGTRACE, "load", server.url, "--requests", "2000"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        terminal.shows("cq-overflow", "the completion queue overflows", " found something")
        overflowed = server.stop()["faults"]["cq-overflow"]
        terminal.shows(" ended", "lost 0")
        terminal.send("Enter")
        terminal.shows("WARNING", "What to change", f"overflows {overflowed:,}, completions")
        terminal.send("w")
        terminal.shows("stays (f follows)", "ran ╌ waited")
        terminal.send("q")
        assert terminal.left() == 0
