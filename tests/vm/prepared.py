"""The probes for a kernel that is to be booted, compiled here and now.

Compiling takes a second on this machine and a minute in an emulated one. What cannot be
compiled here (without root, or without bcc) the machine compiles itself: this saves time and
changes nothing else. What was compiled is kept beside the kernel.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from tests.vm.image import type_information
from tests.vm.machine import PROCESSORS, Kernel
from uringtrace.errors import Error
from uringtrace.probes import cache, program
from uringtrace.probes.btf import Btf
from uringtrace.probes.compiler import compile_probes, source_text
from uringtrace.probes.layout import read_layout
from uringtrace.probes.program import Filter, Mode, Settings
from uringtrace.probes.tracepoints import are_preempted, choose
from uringtrace.tracer.bcc_import import load_bcc

MODES = (Mode.COUNT, Mode.STREAM_ARGUMENTS)
"""What `stat`, and `log` and `record`, compile."""


def prepare(kernel: Kernel, exchange: Path) -> None:
    """Put the probes for `kernel` where `machine.run` looks for them."""
    kept, folder = kernel.directory / "probes", exchange / "probes"
    with suppress(Error, OSError):
        kept.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(exist_ok=True)
        btf = Btf(_type_information(kernel))
        layout, chosen, text = read_layout(btf), choose(btf), source_text()
        for mode in MODES:
            settings = Settings(mode, Filter.FOLLOW)
            all_constants = program._constants(settings, layout, chosen, PROCESSORS)
            for constants in program.builds(all_constants, preempted=are_preempted(btf)):
                key = cache.cache_key(text, constants)
                if not (kept / f"{key}.json").exists():
                    cache.store(kept, key, compile_probes(load_bcc(), text, constants))
                shutil.copy(kept / f"{key}.json", folder)


def _type_information(kernel: Kernel) -> bytes:
    kept = kernel.directory / "btf"
    if not kept.exists():
        kept.write_bytes(type_information(kernel.image))
    return kept.read_bytes()
