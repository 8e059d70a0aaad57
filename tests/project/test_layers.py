"""The rules between the layers hold, and importing a layer loads no more than it should."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("textual", "plotly", "bcc", "duckdb", "pyarrow", "shtab")


def test_import_rules(repository):
    linter = Path(sys.executable).parent / "lint-imports"
    if not linter.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [str(linter), "--no-cache"], capture_output=True, text=True, check=False, cwd=repository
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "module", ["uringtrace", "uringtrace.tracer", "uringtrace.tracer.environment", "uringtrace.ui"]
)
def test_importing_loads_nothing_heavy(repository, module):
    program = f"import {module}, sys; print(*(n for n in {HEAVY!r} if n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=repository
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", ["tracer", "probes", "ui", "targets"])
def test_bare_names_are_banned(repository, name):
    """ruff refuses the name under which the same code would be loaded twice."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--stdin-filename", "tests/x.py", "-"],
        input=f"import {name}\n\nprint({name})\n",
        capture_output=True, text=True, check=False, cwd=repository,
    )  # fmt: skip
    assert "TID251" in done.stdout, done.stdout + done.stderr
