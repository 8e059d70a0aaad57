"""Capabilities are read as the kernel writes them and named one by one."""

import ctypes
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from uringtrace.tracer import privileges

BITS = {"CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_SYS_RESOURCE": 24, "CAP_PERFMON": 38, "CAP_BPF": 39}


def mask(*names):
    return sum(1 << BITS[name] for name in names)


@pytest.mark.parametrize(
    ("held", "missing"),
    [
        ([], ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE"]),
        (["CAP_BPF", "CAP_PERFMON"], ["CAP_SYS_PTRACE", "CAP_SYS_RESOURCE"]),
        (["CAP_SYS_ADMIN"], ["CAP_SYS_PTRACE", "CAP_SYS_RESOURCE"]),
        (["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE"], []),
        (["CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE"], ["CAP_BPF"]),
    ],
)
def test_missing(held, missing):
    assert [capability.name for capability in privileges.missing(mask(*held))] == missing


def test_effective_is_this_process():
    """Against capget(2), which answers the same question without /proc."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    data = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, low words then high ones
    assert ctypes.CDLL(None).capget(header, data) == 0
    assert privileges.effective(Path("/proc")) == data[0] | data[3] << 32


def test_bits_are_those_of_the_kernel_header():
    header = Path("/usr/include/linux/capability.h")
    if not header.is_file():
        pytest.skip("linux-libc-dev is not installed")
    defined = {
        words[1]: words[2] for line in header.read_text().splitlines() if len(words := line.split()) == 3
    }
    for capability in privileges.CAPABILITIES:
        assert int(defined[capability.name]) == capability.bit


def test_unreadable(tmp_path):
    assert privileges.effective(tmp_path) is None
    assert privileges.in_first_user_namespace(tmp_path) is None


def test_the_sudo_line_runs_the_same_command(tmp_path, monkeypatch):
    """A shell and a fake sudo get exactly the words, spaces and quotes included."""
    fake = tmp_path / "sudo"
    fake.write_text('#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done\n')
    fake.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    arguments = ["log", "-e", "op=READ & fd=3", "--", "./it's", "$HOME"]
    line = privileges.sudo_line(arguments)
    done = subprocess.run(["sh", "-c", line], env={"PATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["env", f"PATH={path}", sys.executable, "-m", "uringtrace", *arguments]
    assert line.startswith('sudo env "PATH=$PATH" ' + shlex.quote(sys.executable))
