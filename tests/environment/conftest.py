"""Machines laid out in a folder: /proc, /sys and /usr of one where a capture is possible."""

import platform
import sys
from dataclasses import dataclass

import pytest

from uringtrace.tracer.check import Roots

EVERYTHING = 0x1FFFFFFFFFF
NOTHING = 0

BCC = "from .libbcc import lib\n__version__ = '0.30.0'\n"


@dataclass
class Machine:
    """A folder that looks like a machine; tests take something away from it."""

    roots: Roots

    def write(self, path, text):
        file = self.roots.proc.parent / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def remove(self, path):
        (self.roots.proc.parent / path).unlink()

    def link(self, path, target):
        file = self.roots.proc.parent / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.symlink_to(target)

    def capabilities(self, mask):
        self.write("proc/self/status", f"Name:\tpython3\nCapEff:\t{mask:016x}\nSeccomp:\t0\n")


@pytest.fixture
def machine(tmp_path):
    """Root on a recent distribution's kernel, bcc installed."""
    made = Machine(Roots(tmp_path / "proc", tmp_path / "sys", tmp_path / "usr"))
    made.capabilities(EVERYTHING)
    made.link("proc/self/ns/user", "user:[4026531837]")
    made.link("proc/self/ns/pid", "pid:[4026531836]")
    made.write("proc/sys/kernel/io_uring_disabled", "0\n")
    made.write("proc/sys/kernel/unprivileged_bpf_disabled", "2\n")
    made.write("sys/kernel/btf/vmlinux", "BTF")
    made.write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
    made.write("sys/kernel/tracing/README", "tracing mini-HOWTO")
    made.write("usr/include/linux/types.h", "")
    made.write(f"usr/include/{platform.machine()}-linux-gnu/asm/types.h", "")
    made.write("usr/lib/python3/dist-packages/bcc/__init__.py", BCC)
    made.write("usr/lib/python3/dist-packages/bcc/libbcc.py", "lib = object()\n")
    return made


@pytest.fixture
def no_bcc(monkeypatch):
    """Forget an imported bcc, and hide one that this Python would import by itself."""
    loaded = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "bcc"}
    monkeypatch.setattr("uringtrace.tracer.bcc_import.importable_folders", lambda: ())
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "bcc"]:
        del sys.modules[name]
    sys.modules.update(loaded)
