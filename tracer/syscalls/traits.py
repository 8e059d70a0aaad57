"""What the probes need to know of each system call, made from the signatures.

Invariants: an argument is read at most once; what must be read when the call begins comes
first, because the kernel side keeps one capture from there on (probes/bpf/memory.h).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.layout import BYTE_CALLS
from uringtrace.probes.slots import CALL_LIMIT, CALL_TRAITS, NO_ARGUMENT, CallFlag, Capture, CaptureFlag
from uringtrace.tracer.syscalls.numbers import system_call_names
from uringtrace.tracer.syscalls.signature import Reading, Result, Signature, ValueForm
from uringtrace.tracer.syscalls.signatures import signature_of

_MAKERS = frozenset(
    (
        "epoll_create",
        "epoll_create1",
        "eventfd",
        "eventfd2",
        "timerfd_create",
        "inotify_init",
        "inotify_init1",
    )
) | {"io_uring_setup", "memfd_create", "perf_event_open", "userfaultfd", "fanotify_init", "pidfd_open"}
"""Calls whose new file shares an inode with others of its kind (fs/anon_inodes.c) or may. Not signalfd,
which may change an old one."""

_SPECIAL = {
    "fcntl": CallFlag.MAY_DUPLICATE,
    "setsockopt": CallFlag.SETS_OPTION,
    "futex": CallFlag.MAY_TIME_OUT,
}

DESCRIPTORS = (ValueForm.DESCRIPTOR, ValueForm.DIRECTORY)
"""Forms of the arguments whose file is looked up."""

_RESULT_FLAGS = {
    Result.DESCRIPTOR: CallFlag.RESULT_IS_DESCRIPTOR,
    Result.NOTHING: CallFlag.NO_RETURN,
    Result.THREAD: CallFlag.BEGINS_THREAD,
}


@cache
def call_traits(machine: str) -> NDArray[np.void]:
    """Dtype `CALL_TRAITS`, shape (CALL_LIMIT,), by the numbers of `machine` (as `uname -m` has it).

    A number without a call has no descriptor and no captures. Made once; it cannot be written to.
    """
    traits = np.zeros(CALL_LIMIT, CALL_TRAITS)
    traits["descriptor"] = traits["second"] = NO_ARGUMENT
    for number, name in system_call_names(machine).items():
        signature = signature_of(name)
        row = traits[number]
        for field, argument in zip(("descriptor", "second"), descriptor_arguments(signature), strict=False):
            row[field] = argument
        flags = _RESULT_FLAGS.get(signature.result, CallFlag(0))
        flags |= CallFlag.MOVES_BYTES if name in BYTE_CALLS else CallFlag(0)
        flags |= CallFlag.MAKES_FILE if name in _MAKERS else CallFlag(0)
        row["flags"] = flags | _SPECIAL.get(name, CallFlag(0))
        for place, (argument, reading) in enumerate(_readings(signature)):
            row["capture"][place] = argument, reading.capture | reading.flags, reading.size
    traits.flags.writeable = False
    return traits


def descriptor_arguments(signature: Signature) -> list[int]:
    """Which arguments are descriptors, in order."""
    return [number for number, each in enumerate(signature.parameters) if each.form in DESCRIPTORS]


def _readings(signature: Signature) -> list[tuple[int, Reading]]:
    found = [(number, each.reading) for number, each in enumerate(signature.parameters) if each.reading]
    return sorted(found, key=lambda item: not _kept(item[1]))


def _kept(reading: Reading) -> bool:
    return reading.capture == Capture.SETS or bool(reading.flags & CaptureFlag.ENTRY)
