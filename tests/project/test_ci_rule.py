"""A CI run in which every test that needs BPF was skipped fails where the machine offers BPF."""

import os
import subprocess
import sys

import pytest

TESTS = """
import pytest

@pytest.mark.bpf
def test_needs_bpf():
    {body}

def test_needs_nothing():
    pass
"""

MACHINE = """
import tests.conftest

tests.conftest.why_no_capture = lambda: {reason!r}
tests.conftest.machine_offers_bpf = lambda: {offers!r}
"""


@pytest.mark.parametrize(
    ("ci", "reason", "offers", "body", "code"),
    [
        ("true", "bcc is not installed", True, "pass", 1),
        ("true", "", True, "pytest.skip('fio is not installed')", 1),
        ("true", "", True, "pass", 0),
        ("true", "", True, "assert False", 1),
        ("true", "not permitted", False, "pass", 0),
        ("", "bcc is not installed", True, "pass", 0),
    ],
)
def test_exit_code(repository, tmp_path, ci, reason, offers, body, code):
    (tmp_path / "test_sample.py").write_text(TESTS.format(body=body))
    (tmp_path / "machine.py").write_text(MACHINE.format(reason=reason, offers=offers))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = bpf: needs BPF\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.conftest",
            "-p",
            "machine",
            "-p",
            "no:cacheprovider",
            "-rs",
        ],
        env={**os.environ, "CI": ci, "PYTHONPATH": f"{tmp_path}:{repository}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert ("but this machine offers it" in done.stdout) == (code == 1 and "assert" not in body)
    if reason:
        assert f"BPF is not available: {reason}" in done.stdout
