"""Setting a ring up: io_uring_setup(2), its parameters, and whose fault a refusal is."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

from uringtrace.targets.uring import calls
from uringtrace.targets.uring.memory import address_of
from uringtrace.targets.uring.refusals import first_refused, setup_refusal

_PARAMS = struct.Struct("<7I12x8IQ8IQ")  # struct io_uring_params: 3 reserved words, then the offsets


class Params:
    """struct io_uring_params: what is asked for, and what the kernel made of it.

    Offsets are bytes into the memory that the ring's descriptor maps.
    """

    sq_entries: int
    cq_entries: int
    features: int
    sq_head: int
    sq_tail: int
    sq_flags: int
    array: int
    cq_head: int
    cq_tail: int
    cq_overflow: int
    cqes: int

    def __init__(self, flags: int, completions: int, idle_ms: int) -> None:
        self.flags = flags
        self.raw = bytearray(_PARAMS.pack(0, completions, flags, 0, idle_ms, *[0] * 20))

    def read(self) -> None:
        """Take what io_uring_setup(2) wrote into `raw`."""
        fields = _PARAMS.unpack(self.raw)
        self.sq_entries, self.cq_entries, self.features = fields[0], fields[1], fields[5]
        self.sq_head, self.sq_tail, _, _, self.sq_flags, _, self.array = fields[7:14]
        self.cq_head, self.cq_tail, _, _, self.cq_overflow, self.cqes = fields[16:22]


def set_up(entries: int, params: Params) -> int:
    """The descriptor of a new ring; raises `CapabilityError` that names the reason."""
    outcome = calls.setup(entries, address_of(params.raw))
    if outcome >= 0:
        params.read()
        return outcome
    flag = first_refused(params.flags, _accepted) if outcome == -errno.EINVAL else 0
    raise setup_refusal(-outcome, params.flags, refused_flag=flag, disabled=_disabled())


def _accepted(flags: int) -> bool:
    """Whether the kernel sets up a small ring with these flags; it is closed at once."""
    params = Params(flags, 8, 0)
    outcome = calls.setup(4, address_of(params.raw))
    if outcome >= 0:
        os.close(outcome)
    return outcome >= 0


def _disabled() -> int | None:
    try:
        return int(Path("/proc/sys/kernel/io_uring_disabled").read_text())
    except (OSError, ValueError):
        return None
