"""What is true of the fake kernel's rings and requests, and the rows that must tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tests.fakes import OPCODES
from tests.probes.fake_btf import REQ_F_APOLL_MULTISHOT
from uringtrace.probes.slots import SQE
from uringtrace.tracer.record import OPERATION, SQE_CQE_SKIP_SUCCESS, Batch, Path

ARGUMENTS = (
    "off",
    "addr",
    "addr3",
    "len",
    "op_flags",
    "file_index",
    "ioprio",
    "buf_index",
    "personality",
)

POLL_ADD_MULTI = {"len": 1}
TIMEOUT_MULTISHOT = {"op_flags": 1 << 6}
SEND_BUNDLE = {"ioprio": 1 << 4}
RECV_MULTISHOT = REQ_F_APOLL_MULTISHOT


@dataclass(eq=False)
class RingTruth:
    """One ring and what is true of it."""

    address: int
    number: int
    pid_tgid: int
    submitted: int = 0
    completions: int = 0
    batches: int = 0
    in_flight: int = 0
    in_flight_max: int = 0
    overflows: int = 0
    dropped: int = 0
    messages: int = 0
    untracked: int = 0
    cq_full: bool = False
    batch_seen: bool = False

    @property
    def rings_address(self) -> int:
        return self.address + 0x200

    @property
    def sqes_address(self) -> int:
        return self.address + 0x400


@dataclass(eq=False)
class Operation:
    """One request and what is true of it."""

    ring: RingTruth
    address: int
    opcode: int
    user_data: int
    sqe: Mapping[str, int]
    sqe_flags: int
    submitted_ns: int
    pid_tgid: int
    multishot: bool
    path: int = 0
    chain: int = 0
    chain_position: int = 0
    sequence: int = 0
    previous_ns: int = 0
    remembered: bool = True
    sqe_seen: bool = True
    before: bool = False
    """Its submission was not seen."""
    known_since: int = 0
    polled: bool = False
    request_flags: int = 0

    def begun_before(self, now: int) -> None:
        """From now on it is known as far as its request tells."""
        self.before, self.known_since = True, now
        self.path = Path.POLL if self.polled else 0
        # A timeout's request does not tell in one place that it is a multishot one.
        self.multishot &= self.opcode != OPCODES["TIMEOUT"]

    @property
    def hidden(self) -> bool:
        return bool(self.sqe_flags & SQE_CQE_SKIP_SUCCESS)

    @property
    def zero_copy(self) -> bool:
        return self.opcode in (OPCODES["SEND_ZC"], OPCODES["SENDMSG_ZC"])


@dataclass(frozen=True)
class Cqe:
    """One request's end in a flush; `result` negative: also a hidden one posts its CQE."""

    operation: Operation
    result: int
    flags: int = 0
    overflow: bool = False


def encode_sqe(values: Mapping[str, int]) -> bytes:
    """An SQE as the application writes it."""
    sqe = np.zeros(1, SQE)
    for name, value in values.items():
        sqe[name] = value
    return sqe.tobytes()


def is_multishot(name: str, operation: Operation) -> bool:
    """Whether the SQE itself asks for many completions (io_uring_enter(2))."""
    sqe = operation.sqe
    asked = {
        "POLL_ADD": sqe.get("len", 0) & 1,
        "TIMEOUT": sqe.get("op_flags", 0) & 1 << 6,
        "URING_CMD": sqe.get("op_flags", 0) & 1 << 1,
        "SEND": sqe.get("ioprio", 0) & 1 << 4,
    }
    return bool(asked.get(name)) and operation.sqe_seen


def as_batch(rows: list[dict[str, int]], *, arguments: bool) -> Batch:
    """Rows in the dtype of a batch, without what a capture without arguments cannot know."""
    batch = np.zeros(len(rows), OPERATION)
    for name in OPERATION.names or ():
        batch[name] = [row.get(name, 0) for row in rows]
    if not arguments:
        for name in (*ARGUMENTS, "has_arguments"):
            batch[name] = 0
    return batch
