"""What it means when the kernel refuses io_uring: pure functions from errno to one line.

Source: the ERRORS of io_uring_setup(2), and io_uring_allowed() in io_uring/io_uring.c for
the sysctl kernel.io_uring_disabled (Linux 6.6).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from uringtrace.errors import CapabilityError
from uringtrace.targets.uring.constants import SETUP_NAMES, setup_flag_names

SUPPORTED_MACHINES = ("x86_64", "AMD64")


def machine_refusal(machine: str) -> CapabilityError | None:
    """Why this binding does not run on a processor, None where it does.

    `machine` is what platform.machine() says.
    """
    if machine in SUPPORTED_MACHINES:
        return None
    return CapabilityError(
        f"this io_uring server runs on x86-64 only, this machine is {machine}: Python has no memory "
        "barriers, and only x86's ordering of loads and stores makes up for that",
        "the other reference servers run here, see `uringtrace targets`",
    )


def setup_refusal(
    number: int, flags: int, *, refused_flag: int = 0, disabled: int | None = None
) -> CapabilityError:
    """What io_uring_setup(2) failing with errno `number` means.

    `refused_flag` is the set-up flag that EINVAL was traced back to (`first_refused`), and
    `disabled` the sysctl kernel.io_uring_disabled, None where the kernel has none.
    """
    match number:
        case errno.ENOSYS:
            return CapabilityError(
                "this kernel has no io_uring (io_uring_setup: ENOSYS)",
                "it needs Linux 5.1 with CONFIG_IO_URING; a sandbox may hide it as well",
            )
        case errno.EPERM | errno.EACCES:
            return _not_permitted(number, flags, disabled)
        case errno.EINVAL if refused_flag:
            name, since = SETUP_NAMES[refused_flag]
            return CapabilityError(
                f"this kernel refuses IORING_SETUP_{name} (io_uring_setup: EINVAL)",
                f"the flag came with Linux {since}",
            )
        case errno.EINVAL:
            names = " | ".join(setup_flag_names(flags)) or "no flags"
            return CapabilityError(f"the kernel refuses a ring with {names} (io_uring_setup: EINVAL)")
        case errno.ENOMEM:
            return CapabilityError(
                "no memory for the ring (io_uring_setup: ENOMEM)",
                "before Linux 5.12 rings count as locked memory: raise `ulimit -l`; "
                "later ones count in the cgroup's memory",
            )
        case errno.EMFILE | errno.ENFILE:
            return CapabilityError(
                f"no descriptor left for the ring (io_uring_setup: {errno.errorcode[number]})",
                "raise `ulimit -n`" if number == errno.EMFILE else "raise the sysctl fs.file-max",
            )
    code = errno.errorcode.get(number, str(number))
    return CapabilityError(f"io_uring_setup failed: {code} ({os.strerror(number)})")


def _not_permitted(number: int, flags: int, disabled: int | None) -> CapabilityError:
    code = errno.errorcode[number]
    if disabled == 2:
        return CapabilityError(
            f"io_uring is switched off here (io_uring_setup: {code}, kernel.io_uring_disabled = 2)",
            "`sysctl kernel.io_uring_disabled=0` allows it",
        )
    if disabled == 1:
        return CapabilityError(
            "io_uring is for privileged processes here "
            f"(io_uring_setup: {code}, kernel.io_uring_disabled = 1)",
            "run as root or in the group kernel.io_uring_group, or set kernel.io_uring_disabled=0",
        )
    return CapabilityError(
        f"io_uring is not permitted to this process (io_uring_setup: {code})",
        "a seccomp filter, as containers have, or a security module forbids it; "
        "before Linux 5.11 SQPOLL also needed root"
        if "SQPOLL" in setup_flag_names(flags)
        else "a seccomp filter, as containers have, or a security module forbids it",
    )


def first_refused(flags: int, accepted: Callable[[int], bool]) -> int:
    """The set-up flag that a kernel refuses, 0 when none is to blame alone.

    `accepted` tries a ring with some flags. The flags are added oldest first, so that one
    that needs another (DEFER_TASKRUN needs SINGLE_ISSUER) is tried with it.
    """
    tried = 0
    for flag in SETUP_NAMES:
        if flags & flag:
            tried |= flag
            if not accepted(tried):
                return flag
    return 0
