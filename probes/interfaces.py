"""Which interfaces this kernel lets the probes see: operations on rings, system calls.

Each may be missing by itself: kernels before 6.0 have io_uring tracepoints that pass no
requests, and the registers of some processors are not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uringtrace.probes.btf import Btf
from uringtrace.probes.layout import Layout, read_layout
from uringtrace.probes.tracepoints import Chosen, choose, lacking

IO_URING_NEEDS = "a kernel whose io_uring tracepoints pass requests (io_kiocb *), as 6.1 and later"


@dataclass(frozen=True, slots=True)
class Interfaces:
    """Why each interface cannot be captured; empty where it can."""

    lacks_io_uring: str
    lacks_calls: str


def interfaces_of(layout: Layout, chosen: Sequence[Chosen]) -> Interfaces:
    """What fields and tracepoints together allow."""
    calls = "" if layout.has_calls else "where this processor keeps a call's arguments is not known"
    return Interfaces(
        lacking(chosen, ("io_uring_submit_req", "io_uring_complete")) or layout.lacks_io_uring,
        lacking(chosen, ("sys_enter", "sys_exit")) or calls,
    )


def kernel_interfaces() -> Interfaces:
    """Those of the running kernel; raises `CapabilityError` without BTF or on an unknown kernel."""
    btf = Btf.of_kernel()
    return interfaces_of(read_layout(btf), choose(btf))
