"""Which process a number means, where pid namespaces give one process several (pid_namespaces(7)).

A process has a pid in its own namespace and in each one around it. /proc shows it by the
one of the namespace that /proc was mounted for; `NSpid` of proc_pid_status(5) lists that
and those further in. A number means the process that has it here; where no process that
can be traced has it, the one that has it further in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uringtrace.errors import TargetError

_FLAGS_FIELD = 6
"""Of /proc/PID/stat, counted from the one behind the name."""
_PF_KTHREAD = 0x0020_0000
_LISTED = 5
"""Processes that a message names at most."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The process that was meant."""

    pid: int
    """As it is here."""
    inner: int | None = None
    """The pid that it was named by, where that is one further in."""
    note: str = ""
    """What the user should know of the choice; empty where there was none."""


@dataclass(frozen=True, slots=True)
class InnerProcess:
    """A process in a namespace further in; `pid` is the one it has here."""

    pid: int
    name: str


def resolve(pid: int, proc: Path) -> Resolved:
    """The process that the user calls `pid`.

    Raises `TargetError` where there is none that can be traced, and where several
    processes further in have the number.
    """
    others = tuple(inner_processes(pid, proc))
    try:
        require_process(pid, proc)
    except TargetError as error:
        if not others:
            raise
        fields = status(pid, proc)
        if is_thread(pid, fields):
            way_out = f"{error.way_out}; {elsewhere(pid, others)}"
            raise TargetError(error.message, way_out) from None
        if len(others) > 1:
            message = f"{pid} is no process here, but a pid of {len(others)} processes in pid namespaces"
            raise TargetError(message, f"name one by its pid here: {listed(others)}") from None
        meant = others[0].pid
        here = f"; {error.message}" if fields else ""
        return Resolved(meant, pid, f"{pid} is process {meant} here (pid {pid} in its pid namespace){here}")
    note = f"{pid} means the process with that pid here; {elsewhere(pid, others)}" if others else ""
    return Resolved(pid, note=note)


def inner_processes(pid: int, proc: Path) -> Iterator[InnerProcess]:
    """The live processes that have `pid` in a namespace further in, by their pid here."""
    for here in sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal()):
        fields = status(here, proc)
        if str(pid) in fields.get("NSpid", "").split()[1:] and not has_ended(fields):
            yield InnerProcess(here, name_in(fields))


def elsewhere(pid: int, others: Sequence[InnerProcess]) -> str:
    """Who else has `pid`, as a clause."""
    if len(others) == 1:
        return f"{listed(others)} has pid {pid} in its pid namespace"
    return f"{listed(others)} have pid {pid} in their pid namespaces"


def listed(processes: Sequence[InnerProcess]) -> str:
    """The first few by pid and name, and how many more there are."""
    more = [f"{len(processes) - _LISTED} more"] if len(processes) > _LISTED else []
    return ", ".join([f"{each.pid} ({each.name})" for each in processes[:_LISTED]] + more)


def require_process(pid: int, proc: Path) -> None:
    """Raise `TargetError` unless `pid` is a process that is alive and not the kernel's own.

    /proc/TID answers for a thread as well, though it is not listed; its Tgid then
    names the process (proc_pid_status(5)).
    """
    fields = status(pid, proc)
    if not fields:
        raise TargetError(f"no such process: {pid}")
    if is_thread(pid, fields):
        process = fields["Tgid"].strip()
        raise TargetError(
            f"{pid} ({name_in(fields)}) is a thread of process {process}", f"name the process: -p {process}"
        )
    if has_ended(fields):
        raise TargetError(f"process {pid} has ended and only waits for its parent")
    if is_kernel_thread(pid, proc):
        raise TargetError(
            f"{pid} ({name_in(fields)}) is a kernel thread: it makes no system calls and has no rings"
        )


def status(pid: int, proc: Path) -> Mapping[str, str]:
    """The fields of /proc/PID/status; empty where there is no such process."""
    try:
        text = (proc / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def name_in(fields: Mapping[str, str]) -> str:
    return fields.get("Name", "").strip()


def is_thread(pid: int, fields: Mapping[str, str]) -> bool:
    """Whether `pid` is but a thread of the process that its fields name."""
    return fields.get("Tgid", str(pid)).strip() != str(pid)


def has_ended(fields: Mapping[str, str]) -> bool:
    return fields.get("State", "").startswith(("Z", "X"))


def is_kernel_thread(pid: int, proc: Path) -> bool:
    """Whether the flags of `pid` in proc_pid_stat(5) have PF_KTHREAD (include/linux/sched.h)."""
    try:
        fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return bool(int(fields[_FLAGS_FIELD]) & _PF_KTHREAD)
    except (OSError, ValueError, IndexError):
        return False
