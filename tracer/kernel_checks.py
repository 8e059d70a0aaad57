"""What the running kernel was built with, and which of its switches are set.

Read from /proc and /sys; kernel versions are never compared.
"""

from __future__ import annotations

from uringtrace.tracer.check import Check, Roots, Status, read

FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO, include/linux/proc_ns.h."""


def kernel_checks(roots: Roots) -> tuple[Check, ...]:
    """What the kernel was built with, and which of its switches are set."""
    return (
        btf(roots),
        lockdown(roots),
        io_uring_disabled(roots),
        unprivileged_bpf(roots),
        tracefs(roots),
        pid_namespace(roots),
        seccomp(roots),
    )


def btf(roots: Roots) -> Check:
    if (roots.sys / "kernel/btf/vmlinux").is_file():
        return Check("BTF", Status.OK, "the kernel describes its types", required=True)
    return Check(
        "BTF",
        Status.MISSING,
        "the kernel does not describe its types (/sys/kernel/btf/vmlinux)",
        "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y; those of distributions are",
        required=True,
    )


def lockdown(roots: Roots) -> Check:
    """kernel_lockdown(7): only the level `confidentiality` keeps BPF from reading memory."""
    text = read(roots.sys / "kernel/security/lockdown")
    if text is None:
        return Check(
            "lockdown", Status.UNKNOWN, "/sys/kernel/security/lockdown cannot be read", required=True
        )
    if "[confidentiality]" in text:
        return Check(
            "lockdown",
            Status.MISSING,
            "the kernel is locked down (confidentiality): BPF may not read its memory",
            "boot without lockdown=confidentiality; Secure Boot itself may stay on",
            required=True,
        )
    return Check("lockdown", Status.OK, text, required=True)


def io_uring_disabled(roots: Roots) -> Check:
    """Documentation/admin-guide/sysctl/kernel.rst, io_uring_disabled."""
    name = "io_uring switch"
    value = read(roots.proc / "sys/kernel/io_uring_disabled")
    if value == "2":
        return Check(
            name,
            Status.MISSING,
            "kernel.io_uring_disabled=2: no process may create a ring",
            "sysctl kernel.io_uring_disabled=0",
            required=True,
        )
    if value == "1":
        return Check(
            name,
            Status.DEGRADED,
            "kernel.io_uring_disabled=1: only processes of kernel.io_uring_group or with "
            "CAP_SYS_ADMIN may create rings",
            "sysctl kernel.io_uring_disabled=0 for all others",
            required=True,
        )
    detail = "this kernel has none" if value is None else f"kernel.io_uring_disabled={value}"
    return Check(name, Status.OK, detail, required=True)


def unprivileged_bpf(roots: Roots) -> Check:
    value = read(roots.proc / "sys/kernel/unprivileged_bpf_disabled")
    if value is None:
        return Check("unprivileged BPF", Status.UNKNOWN, "kernel.unprivileged_bpf_disabled cannot be read")
    return Check("unprivileged BPF", Status.OK, f"kernel.unprivileged_bpf_disabled={value}; not needed")


def tracefs(roots: Roots) -> Check:
    for folder in ("kernel/tracing", "kernel/debug/tracing"):
        try:
            mounted = (roots.sys / folder / "README").exists()
        except PermissionError:  # only root may look into it
            return Check("tracefs", Status.UNKNOWN, f"/sys/{folder} is root's; not needed by uringtrace")
        if mounted:
            return Check("tracefs", Status.OK, f"/sys/{folder}; not needed by uringtrace")
    return Check(
        "tracefs",
        Status.MISSING,
        "optional: only bpftrace and perf need it, in tests and benchmarks",
        "mount -t tracefs tracefs /sys/kernel/tracing",
    )


def pid_namespace(roots: Roots) -> Check:
    try:
        here = str((roots.proc / "self/ns/pid").readlink())
    except OSError:
        return Check("pid namespace", Status.UNKNOWN, "cannot be read")
    if here == FIRST_PID_NAMESPACE:
        return Check("pid namespace", Status.OK, "the machine's own")
    return Check(
        "pid namespace", Status.OK, "a container's: its process ids are meant, and only they are seen"
    )


def seccomp(roots: Roots) -> Check:
    """proc_pid_status(5), Seccomp: 2 is a filter, whose rules cannot be read."""
    fields = read(roots.proc / "self/status") or ""
    mode = next((line.split()[1] for line in fields.splitlines() if line.startswith("Seccomp:")), None)
    if mode == "0":
        return Check("seccomp", Status.OK, "no filter")
    if mode is None:
        return Check("seccomp", Status.UNKNOWN, "not reported by this kernel")
    return Check(
        "seccomp",
        Status.UNKNOWN,
        "a filter is set, as containers do; Docker's default one refuses bpf and io_uring_setup",
        "in Docker: --security-opt seccomp=unconfined",
    )
