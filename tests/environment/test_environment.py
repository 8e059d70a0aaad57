"""Each thing taken away from a good machine is named, and blocks a capture only if it must."""

from itertools import chain
from pathlib import Path

import pytest

from uringtrace.errors import CapabilityError
from uringtrace.probes.btf import Btf
from uringtrace.probes.interfaces import Interfaces
from uringtrace.probes.tracepoints import Report
from uringtrace.tracer.check import Check, Status, first_blocking
from uringtrace.tracer.environment import (
    interface_checks,
    kernel_checks,
    libbpf,
    listed,
    pid_namespace_inode,
    preemption_check,
    privilege_checks,
    require_capture,
    software_checks,
    tracepoint_checks,
)

pytestmark = pytest.mark.usefixtures("no_bcc")


@pytest.fixture(autouse=True)
def _libbpf(monkeypatch):
    """libbpf as installed, whatever this machine has: it is found by the loader, not in a folder."""
    monkeypatch.setattr("uringtrace.tracer.environment.libbpf", lambda: Check("libbpf", Status.OK, "fake"))


def checks(machine):
    groups = (privilege_checks, kernel_checks, software_checks)
    return {check.name: check for check in chain.from_iterable(group(machine.roots) for group in groups)}


def test_a_good_machine(machine):
    require_capture(machine.roots)
    assert {check.status for check in checks(machine).values()} == {Status.OK}


@pytest.mark.parametrize(
    ("path", "text", "name", "status", "words"),
    [
        ("sys/kernel/btf/vmlinux", None, "BTF", "missing", "CONFIG_DEBUG_INFO_BTF"),
        (
            "sys/kernel/security/lockdown",
            "none integrity [confidentiality]",
            "lockdown",
            "missing",
            "may not read its memory",
        ),
        ("sys/kernel/security/lockdown", "none [integrity] confidentiality", "lockdown", "ok", "integrity"),
        ("sys/kernel/security/lockdown", None, "lockdown", "unknown", "cannot be read"),
        ("proc/sys/kernel/io_uring_disabled", "2", "io_uring switch", "missing", "io_uring_disabled=0"),
        ("proc/sys/kernel/io_uring_disabled", "1", "io_uring switch", "degraded", "io_uring_group"),
        ("proc/sys/kernel/io_uring_disabled", None, "io_uring switch", "ok", "has none"),
        ("proc/sys/kernel/unprivileged_bpf_disabled", "1", "unprivileged BPF", "ok", "=1"),
        ("sys/kernel/tracing/README", None, "tracefs", "missing", "mount -t tracefs"),
        ("usr/include/linux/types.h", None, "C headers", "missing", "linux-libc-dev"),
        ("usr/lib/python3/dist-packages/bcc/libbcc.py", None, "bcc", "missing", "python3-bpfcc"),
        ("proc/self/status", "CapEff:\t1ffffffffff\nSeccomp:\t2\n", "seccomp", "unknown", "Docker"),
        ("proc/self/status", "Name:\tx\n", "CAP_BPF", "unknown", "needed to load the probes"),
    ],
)
def test_one_thing_differs(machine, path, text, name, status, words):
    if text is None:
        machine.remove(path)
    else:
        machine.write(path, text)
    check = checks(machine)[name]
    assert check.status == status
    assert words in check.detail + check.way_out
    software = name in {found.name for found in software_checks(machine.roots)}
    if check.blocks and not software:  # a capture looks for software where it needs some
        with pytest.raises(CapabilityError) as caught:
            require_capture(machine.roots)
        assert caught.value.message == f"{name}: {check.detail}"
        assert caught.value.way_out == check.way_out
        assert caught.value.exit_code == 2
    else:
        require_capture(machine.roots)


def test_tracefs_below_debugfs(machine):
    machine.remove("sys/kernel/tracing/README")
    machine.write("sys/kernel/debug/tracing/README", "")
    assert checks(machine)["tracefs"].status is Status.OK


def test_without_privileges_each_capability_is_named(machine):
    machine.capabilities(0)
    with pytest.raises(CapabilityError) as caught:
        require_capture(machine.roots)
    assert caught.value.message == "not permitted: CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE missing"
    assert caught.value.way_out.startswith('sudo env "PATH=$PATH" ')


def test_only_what_is_missing_is_named(machine):
    machine.capabilities(1 << 39 | 1 << 19)
    with pytest.raises(CapabilityError, match="not permitted: CAP_PERFMON missing"):
        require_capture(machine.roots)


def test_enough_privileges_without_root(machine):
    machine.capabilities(1 << 39 | 1 << 38)
    require_capture(machine.roots)
    assert checks(machine)["CAP_SYS_PTRACE"].status is Status.MISSING


def test_root_of_a_container_is_not_root(machine):
    machine.link("proc/self/ns/user", "user:[4026532001]")
    with pytest.raises(CapabilityError, match="user namespace: root of a container"):
        require_capture(machine.roots)


def test_the_machines_own_process_ids_need_no_translation(machine):
    assert pid_namespace_inode(machine.roots) is None


def test_a_pid_namespace_of_a_container_is_told_by_its_inode():
    """The real file is what stat(2) follows the link to."""
    assert pid_namespace_inode() in (None, Path("/proc/self/ns/pid").stat().st_ino)


def test_a_pid_namespace_is_noted(machine):
    machine.link("proc/self/ns/pid", "pid:[4026532002]")
    check = checks(machine)["pid namespace"]
    assert (check.status, check.blocks) == (Status.OK, False)
    assert "container" in check.detail


def test_every_missing_piece_has_a_way_out(tmp_path, machine):
    """An empty machine: nothing is taken for good, and whatever blocks says what to do."""
    machine.roots = type(machine.roots)(tmp_path / "no", tmp_path / "no", tmp_path / "no")
    found = checks(machine)
    assert found["BTF"].blocks
    assert found["CAP_BPF"].status is Status.UNKNOWN
    for check in found.values():
        assert check.way_out or not check.blocks


def test_libbpf_is_looked_up_by_the_loader():
    assert libbpf(["libc.so.6"]).status is Status.OK
    assert libbpf(["libnone.so.1", "libnone.so.0"]).blocks


def test_tracepoints():
    """One that is there, one that is absent, one that this kernel declares in an unknown form."""
    rows = tracepoint_checks(
        [
            Report("submit", True, "(io_kiocb *)", "no operation is seen"),
            Report("link", False, "absent", "links are not shown"),
            Report("complete", False, "unknown form (u64)", "no operation is seen"),
        ]
    )
    assert [(row.name, row.status, row.detail) for row in rows] == [
        ("submit", Status.OK, "(io_kiocb *)"),
        ("link", Status.MISSING, "absent: links are not shown"),
        ("complete", Status.MISSING, "unknown form (u64): no operation is seen"),
    ]
    assert first_blocking(rows) is None, "what is lost, `interface_checks` says"


def test_a_kernel_that_shows_system_calls_alone_can_be_captured():
    rows = interface_checks(Interfaces("its tracepoints pass no requests", ""))
    assert [(row.name, row.status) for row in rows] == [
        ("io_uring operations", Status.MISSING),
        ("system calls", Status.OK),
    ]
    assert "pass no requests" in rows[0].detail
    assert first_blocking(rows) is None
    blocking = first_blocking(
        interface_checks(Interfaces("its tracepoints pass no requests", "no registers"))
    )
    assert blocking is not None
    assert blocking.name == "io_uring operations"


def test_without_type_information_the_tracepoints_are_unknown(monkeypatch):
    def none():
        raise CapabilityError("no BTF", "boot another")

    monkeypatch.setattr(Btf, "of_kernel", none)
    for checks in (tracepoint_checks, preemption_check):
        (row,) = checks()
        assert (row.status, row.detail, row.way_out) == (Status.UNKNOWN, "no BTF", "boot another")


@pytest.mark.parametrize(("preempted", "status"), [(False, Status.OK), (True, Status.DEGRADED)])
def test_whether_probes_run_for_every_event(preempted, status):
    (row,) = preemption_check(preempted)
    assert row.status is status
    assert ("counted as lost" in row.detail) is preempted
    assert first_blocking([row]) is None


@pytest.mark.parametrize(
    ("names", "text"), [(["A"], "A"), (["A", "B"], "A and B"), (["A", "B", "C"], "A, B and C")]
)
def test_listed(names, text):
    assert listed(names) == text
