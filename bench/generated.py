"""A recording of any size, generated: a server on io_uring beside threads that make system calls.

The same numbers come out for the same size, so that two runs measure the same work.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from uringtrace.tracer.record import FIRST_CALL, OPERATION, Batch, Kind
from uringtrace.tracer.recording import Writer
from uringtrace.tracer.recording.chunks import OPERATIONS
from uringtrace.tracer.source import Context, File, Interest, Losses, OpenSocket, Ring, Socket, Thread

STARTED_NS = 5_000_000_000_000
STARTED_UNIX_NS = 1_700_000_000_000_000_000
CHUNK_ROWS = 65_536
CONNECTIONS = 200
RINGS, THREADS_PER_RING = 4, 2
GAP_NS = 2_000
"""Mean time from one completion to the next, of all threads together."""

_NAMES = {
    1: "READV", 13: "ACCEPT", 22: "READ", 23: "WRITE", 26: "SEND", 27: "RECV",
    FIRST_CALL: "read", FIRST_CALL + 1: "write", FIRST_CALL + 202: "futex", FIRST_CALL + 232: "epoll_wait",
}  # fmt: skip
_SHARES = {27: 0.3, 26: 0.3, 22: 0.1, 23: 0.05, FIRST_CALL: 0.1, FIRST_CALL + 1: 0.1, FIRST_CALL + 202: 0.03,
           FIRST_CALL + 232: 0.02}  # fmt: skip
_MEDIAN_NS = {27: 80_000, 26: 9_000, 22: 40_000, 23: 60_000, FIRST_CALL: 2_000, FIRST_CALL + 1: 3_000,
              FIRST_CALL + 202: 500_000, FIRST_CALL + 232: 900_000}  # fmt: skip


class GeneratedSource:
    """What accompanies the generated operations; implements `FilesAndFacts`."""

    def __init__(self, rows: int) -> None:
        self.context = Context(
            kernel="generated",
            machine="x86_64",
            target=f"{rows:,} generated operations",
            command=(),
            started_ns=STARTED_NS,
            started_unix_ns=STARTED_UNIX_NS,
            operation_names=_NAMES,
            setup_flag_names={},
            probes=("io_uring_submit_req", "io_uring_complete", "sys_enter", "sys_exit"),
        )
        self.rings = tuple(
            Ring(number, 4000, 3 + number, 0, 256, 512, None, 0, 0) for number in range(1, RINGS + 1)
        )
        self.losses = Losses()
        self.ended_ns = STARTED_NS + (rows + 1) * GAP_NS
        self.threads = {tid: Thread(tid, 4000, f"worker-{tid - 4000}") for tid in _tids().tolist()}
        self.interests: tuple[Interest, ...] = ()
        self.open_sockets: tuple[OpenSocket, ...] = ()
        self.files = {number: _file(number) for number in range(1, CONNECTIONS + 1)}


def _tids() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return 4000 + np.arange(RINGS * THREADS_PER_RING)


def _file(number: int) -> File:
    remote = f"10.0.{number // 250}.{number % 250}:{40_000 + number}"
    socket = Socket("inet", "tcp", "10.1.0.1:443", remote)
    return File(number, f"TCP 10.1.0.1:443->{remote}", 8, 1_000 + number, socket)


def generated_batches(rows: int) -> Iterator[Batch]:
    """`rows` operations in order of completion, at most CHUNK_ROWS at once."""
    random = np.random.default_rng(12)
    opcodes = np.array(list(_SHARES))
    shares = np.array(list(_SHARES.values()))
    medians = np.array([_MEDIAN_NS[opcode] for opcode in _SHARES])
    for first in range(0, rows, CHUNK_ROWS):
        count = min(CHUNK_ROWS, rows - first)
        chosen = random.choice(len(opcodes), count, p=shares / shares.sum())
        batch = np.zeros(count, OPERATION)
        batch["opcode"] = opcodes[chosen]
        call = batch["opcode"] >= FIRST_CALL
        batch["kind"] = Kind.COMPLETION
        batch["completed_ns"] = (
            STARTED_NS + 20_000_000 + (first + np.arange(count)) * GAP_NS + random.integers(0, GAP_NS, count)
        )
        took = (medians[chosen] * random.lognormal(0, 0.8, count)).astype(np.uint64)
        batch["submitted_ns"] = batch["completed_ns"] - np.minimum(took, 20_000_000)
        batch["tgid"] = 4000
        batch["tid"] = random.choice(_tids(), count)
        batch["ring"] = np.where(call, 0, 1 + (batch["tid"] - 4000) % RINGS)
        batch["file"] = random.integers(1, CONNECTIONS + 1, count)
        batch["fd"] = batch["file"] + 10
        batch["user_data"] = np.where(call, 0, first + np.arange(count))
        batch["result"] = np.where(random.random(count) < 0.01, -11, random.integers(1, 4096, count))
        batch["path"] = np.where(call, 0, random.choice([0, 1, 2], count, p=[0.6, 0.35, 0.05]))
        batch["slept"] = call & (took > 100_000)
        yield batch


def write_generated(path: Path, rows: int) -> Path:
    """Write the recording; it must not be there yet."""
    with Writer(path, GeneratedSource(rows), OPERATIONS) as writer:
        for batch in generated_batches(rows):
            writer.append(batch)
    return path
