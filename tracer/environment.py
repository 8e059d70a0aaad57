"""What this machine offers a capture, and the first thing that stands in its way.

Looks and never changes anything. Every function takes the roots of the file systems
it reads, so that a test can lay out a machine in a folder.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import ParamSpec

from uringtrace.errors import CapabilityError
from uringtrace.probes.interfaces import IO_URING_NEEDS, Interfaces, kernel_interfaces
from uringtrace.probes.tracepoints import Report, are_preempted, probe_report
from uringtrace.tracer import privileges
from uringtrace.tracer.bcc_import import load_bcc
from uringtrace.tracer.check import THIS_MACHINE, Check, Roots, Status, first_blocking
from uringtrace.tracer.kernel_checks import FIRST_PID_NAMESPACE, kernel_checks

_Parameters = ParamSpec("_Parameters")
_Checks = Callable[_Parameters, tuple[Check, ...]]
_LIBBPF_NAMES = ("libbpf.so.1", "libbpf.so.0")


def examine(roots: Roots = THIS_MACHINE) -> Mapping[str, tuple[Check, ...]]:
    """Every check, by heading, in the order in which they are worth reading."""
    return {
        "Privileges": privilege_checks(roots),
        "Kernel": kernel_checks(roots),
        "Software": software_checks(roots),
        "Interfaces": interface_checks(),
        "Tracepoints": (*tracepoint_checks(), *preemption_check()),
    }


def require_capture(roots: Roots = THIS_MACHINE) -> None:
    """Raise `CapabilityError` with the first reason why no capture can start here.

    Leaves tracepoints, bcc and the other software to the capture itself: it looks at
    what it uses, and a start that finds its probes compiled already needs no bcc.
    """
    mask = privileges.effective(roots.proc)
    lacking = privileges.missing(mask) if mask is not None else ()
    if any(capability.required for capability in lacking):
        names = [c.name for c in lacking if c.required or c.name == "CAP_SYS_PTRACE"]
        raise CapabilityError(f"not permitted: {listed(names)} missing", privileges.sudo_line())
    for checks in (privilege_checks, kernel_checks):
        blocking = first_blocking(checks(roots))
        if blocking is not None:
            raise CapabilityError(f"{blocking.name}: {blocking.detail}", blocking.way_out)


def pid_namespace_inode(roots: Roots = THIS_MACHINE) -> int | None:
    """The inode of our pid namespace, or None where it is the machine's own or not told.

    The probes see the process ids of the machine; in a container they translate them.
    """
    path = roots.proc / "self/ns/pid"
    try:
        return None if str(path.readlink()) == FIRST_PID_NAMESPACE else path.stat().st_ino
    except OSError:
        return None


def listed(names: list[str]) -> str:
    """`A, B and C`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def privilege_checks(roots: Roots) -> tuple[Check, ...]:
    """One check per capability, and whether they count outside this container."""
    mask = privileges.effective(roots.proc)
    checks = []
    for capability in privileges.CAPABILITIES:
        if mask is None:
            status = Status.UNKNOWN
        else:
            status = Status.OK if privileges.holds(mask, capability) else Status.MISSING
        kind = "needed to " if capability.required else "optional: to "
        way_out = privileges.sudo_line() if status is Status.MISSING and capability.required else ""
        checks.append(Check(capability.name, status, kind + capability.use, way_out, capability.required))
    return (*checks, user_namespace(roots))


def user_namespace(roots: Roots) -> Check:
    first = privileges.in_first_user_namespace(roots.proc)
    if first is None:
        return Check("user namespace", Status.UNKNOWN, "cannot be read", required=True)
    if first:
        return Check("user namespace", Status.OK, "the machine's own", required=True)
    return Check(
        "user namespace",
        Status.MISSING,
        "root of a container is not root of the machine: its capabilities do not count",
        "run uringtrace on the host, or in a container without user namespace remapping",
        required=True,
    )


def software_checks(roots: Roots) -> tuple[Check, ...]:
    """What has to be installed."""
    return (bcc(roots), libbpf(), headers(roots))


def bcc(roots: Roots) -> Check:
    try:
        version = getattr(load_bcc(roots.usr), "__version__", "of unknown version")
    except CapabilityError as error:
        return Check("bcc", Status.MISSING, error.message, error.way_out, required=True)
    return Check("bcc", Status.OK, str(version), required=True)


def libbpf(names: Iterable[str] = _LIBBPF_NAMES) -> Check:
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return Check("libbpf", Status.OK, name, required=True)
    return Check(
        "libbpf",
        Status.MISSING,
        "the library that reads BTF is not installed",
        "install libbpf1 (Debian, Ubuntu) or libbpf (Fedora, Arch)",
        required=True,
    )


def headers(roots: Roots) -> Check:
    """The UAPI headers that bcc compiles against; no kernel headers are needed."""
    include = roots.usr / "include"
    machine = platform.machine()
    places = (include / f"{machine}-linux-gnu/asm", include / "asm")
    if (include / "linux/types.h").is_file() and any(place.is_dir() for place in places):
        return Check("C headers", Status.OK, "linux/ and asm/", required=True)
    return Check(
        "C headers",
        Status.MISSING,
        "linux/ and asm/ are not in /usr/include: the probes cannot be compiled",
        "install linux-libc-dev (Debian, Ubuntu), kernel-headers (Fedora), linux-api-headers (Arch)",
        required=True,
    )


def _unknown_where_not_told(name: str) -> Callable[[_Checks[_Parameters]], _Checks[_Parameters]]:
    """These ask the running kernel: where it does not tell, they are one check that says so."""

    def decorate(checks: _Checks[_Parameters]) -> _Checks[_Parameters]:
        @wraps(checks)
        def told(*args: _Parameters.args, **options: _Parameters.kwargs) -> tuple[Check, ...]:
            try:
                return checks(*args, **options)
            except CapabilityError as error:
                return (Check(name, Status.UNKNOWN, error.message, error.way_out),)

        return told

    return decorate


@_unknown_where_not_told("interfaces")
def interface_checks(interfaces: Interfaces | None = None) -> tuple[Check, ...]:
    """One check per interface, `interfaces` by default the running kernel's; each is required
    where the other cannot be captured."""
    interfaces = interfaces or kernel_interfaces()
    rows = (
        ("io_uring operations", interfaces.lacks_io_uring, f"they need {IO_URING_NEEDS}"),
        ("system calls", interfaces.lacks_calls, ""),
    )
    alone = all(lacks for _, lacks, _ in rows)
    return tuple(
        Check(name, Status.MISSING, f"cannot be captured: {lacks}", way_out, required=alone)
        if lacks
        else Check(name, Status.OK, "can be captured", required=alone)
        for name, lacks, way_out in rows
    )


@_unknown_where_not_told("tracepoints")
def tracepoint_checks(reports: Iterable[Report] | None = None) -> tuple[Check, ...]:
    """One check per tracepoint the probes use; `reports` defaults to the running kernel's."""
    return tuple(map(tracepoint, probe_report() if reports is None else reports))


@_unknown_where_not_told("whole probes")
def preemption_check(preempted: bool | None = None) -> tuple[Check, ...]:
    """Whether the kernel runs every probe for every event, by default the running kernel."""
    if not (are_preempted() if preempted is None else preempted):
        return (Check("whole probes", Status.OK, "no thread is put aside in the middle of a probe"),)
    detail = (
        "a thread may be put aside in the middle of a probe, which is skipped for others on its processor "
        "meanwhile: what is skipped is counted as lost"
    )
    return (Check("whole probes", Status.DEGRADED, detail),)


def tracepoint(report: Report) -> Check:
    """What the probes say of one tracepoint, as a check."""
    if report.found:
        return Check(report.name, Status.OK, report.prototype)
    return Check(report.name, Status.MISSING, f"{report.prototype}: {report.costs}")
