"""Help and bad usage answer at once: the commands load nothing heavy before they run."""

import subprocess
import sys

import pytest

HEAVY = ("numpy", "duckdb", "psutil", "bcc", "plotly", "textual")


@pytest.mark.parametrize("module", ["stat", "log", "live"])
def test_importing_a_command_loads_nothing_heavy(module: str) -> None:
    program = f"import sys, uringtrace.cli.{module}; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
