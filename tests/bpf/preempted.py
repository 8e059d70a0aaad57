"""uringtrace as on a kernel that may put threads aside in the middle of a probe.

`python -m tests.bpf.preempted both|twins ARGUMENTS…`; with `twins` only the twins are attached, as
if the kernel skipped every probe that has one.
"""

from __future__ import annotations

import os
import sys

from uringtrace.cli.main import main
from uringtrace.probes import program
from uringtrace.probes.btf import Btf
from uringtrace.probes.twins import TWINS

_attach = program.attach_raw_tracepoint


def preempted(btf: Btf | None = None) -> bool:
    return True


def attach_twins_only(name: str, loaded: int) -> int:
    return os.open(os.devnull, os.O_RDONLY) if name in TWINS else _attach(name, loaded)


if __name__ == "__main__":
    program.are_preempted = preempted
    if sys.argv[1] == "twins":
        program.attach_raw_tracepoint = attach_twins_only
    sys.exit(main(sys.argv[2:]))
