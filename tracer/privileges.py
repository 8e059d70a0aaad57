"""Which of the capabilities that a capture needs this process holds.

Which capability allows what: capabilities(7). The kernel asks for those of the first
user namespace, so a root that exists only in a container's has none of them.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FIRST_USER_NAMESPACE = "user:[4026531837]"
"""PROC_USER_INIT_INO, include/linux/proc_ns.h."""

_SYS_ADMIN = 21


@dataclass(frozen=True, slots=True)
class Capability:
    """One capability: its name, its bit (include/uapi/linux/capability.h) and its use."""

    name: str
    bit: int
    use: str
    required: bool
    under_admin: bool
    """CAP_SYS_ADMIN includes it, as it did before Linux 5.8 split it off."""


CAPABILITIES = (
    Capability("CAP_BPF", 39, "load the probes", required=True, under_admin=True),
    Capability("CAP_PERFMON", 38, "attach them and read kernel structures", required=True, under_admin=True),
    Capability(
        "CAP_SYS_PTRACE",
        19,
        "find rings and files of other users' processes in /proc",
        required=False,
        under_admin=False,
    ),
    Capability(
        "CAP_SYS_RESOURCE",
        24,
        "raise the memory limit where kernels before 5.11 count BPF maps to it",
        required=False,
        under_admin=False,
    ),
)


def effective(proc: Path) -> int | None:
    """The effective capabilities as a bit mask, CapEff of proc_pid_status(5); None if unreadable."""
    try:
        lines = (proc / "self" / "status").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(fields["CapEff"], 16) if "CapEff" in fields else None


def holds(mask: int, capability: Capability) -> bool:
    """Whether `mask` grants `capability`, by itself or through CAP_SYS_ADMIN."""
    return bool(mask >> capability.bit & 1 or (capability.under_admin and mask >> _SYS_ADMIN & 1))


def missing(mask: int) -> tuple[Capability, ...]:
    """The capabilities of `CAPABILITIES` that `mask` does not grant."""
    return tuple(capability for capability in CAPABILITIES if not holds(mask, capability))


def in_first_user_namespace(proc: Path) -> bool | None:
    """Whether this process's capabilities count for the machine; None if unreadable."""
    try:
        return str((proc / "self" / "ns" / "user").readlink()) == FIRST_USER_NAMESPACE
    except OSError:
        return None


def sudo_line(arguments: Sequence[str] | None = None) -> str:
    """The command that runs this program again as root, with its arguments as given.

    `env` keeps PATH, which sudo resets: the command to trace is found as before.
    """
    words = sys.argv[1:] if arguments is None else arguments
    return f'sudo env "PATH=$PATH" {shlex.join([sys.executable, "-m", "uringtrace", *words])}'
