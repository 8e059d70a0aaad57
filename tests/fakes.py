"""Sources for tests: rows a test writes down, in place of a kernel or a recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from uringtrace.tracer.record import CQE_F_MORE, FIRST_CALL, OPERATION, Batch, Kind
from uringtrace.tracer.records import Records, only_operations
from uringtrace.tracer.source import Context, File, Interest, Losses, OpenSocket, Ring, Thread
from uringtrace.tracer.statistics import Counters, accumulate, empty_counters, operation_traits
from uringtrace.tracer.syscalls.numbers import system_call_names

_OPERATIONS = """
NOP READV WRITEV FSYNC READ_FIXED WRITE_FIXED POLL_ADD POLL_REMOVE SYNC_FILE_RANGE SENDMSG RECVMSG TIMEOUT
TIMEOUT_REMOVE ACCEPT ASYNC_CANCEL LINK_TIMEOUT CONNECT FALLOCATE OPENAT CLOSE FILES_UPDATE STATX READ WRITE
FADVISE MADVISE SEND RECV OPENAT2 EPOLL_CTL SPLICE PROVIDE_BUFFERS REMOVE_BUFFERS TEE SHUTDOWN RENAMEAT
UNLINKAT MKDIRAT SYMLINKAT LINKAT MSG_RING FSETXATTR SETXATTR FGETXATTR GETXATTR SOCKET URING_CMD SEND_ZC
SENDMSG_ZC READ_MULTISHOT WAITID FUTEX_WAIT FUTEX_WAKE FUTEX_WAITV FIXED_FD_INSTALL FTRUNCATE BIND LISTEN
RECV_ZC EPOLL_WAIT READV_FIXED WRITEV_FIXED PIPE
"""

OPERATION_NAMES = dict(enumerate(_OPERATIONS.split()))
"""enum io_uring_op of Linux 6.18."""

CALL_NAMES = {FIRST_CALL + number: name for number, name in system_call_names("x86_64").items()}
ALL_NAMES = OPERATION_NAMES | CALL_NAMES
"""What the context of a real capture has."""

OPCODES = {name: opcode for opcode, name in ALL_NAMES.items()}

_SETUP_FLAGS = """
IOPOLL SQPOLL SQ_AFF CQSIZE CLAMP ATTACH_WQ R_DISABLED SUBMIT_ALL COOP_TASKRUN TASKRUN_FLAG SQE128 CQE32
SINGLE_ISSUER DEFER_TASKRUN NO_MMAP REGISTERED_FD_ONLY NO_SQARRAY HYBRID_IOPOLL
"""

SETUP_FLAG_NAMES = {1 << bit: name for bit, name in enumerate(_SETUP_FLAGS.split())}

STARTED_NS = 1_000_000_000_000
STARTED_UNIX_NS = 1_700_000_000_000_000_000


def context(**changes: object) -> Context:
    values: dict[str, object] = {
        "kernel": "6.18.0",
        "machine": "x86_64",
        "target": "process 4242",
        "command": (),
        "started_ns": STARTED_NS,
        "started_unix_ns": STARTED_UNIX_NS,
        "operation_names": ALL_NAMES,
        "setup_flag_names": SETUP_FLAG_NAMES,
        "probes": ("io_uring_submit_req", "io_uring_complete"),
    }
    return Context(**{**values, **changes})  # type: ignore[arg-type]


def row(
    operation: str = "NOP", *, after_ns: int = 1_000_000, took_ns: int = 12_000, **fields: object
) -> Batch:
    """A batch of one COMPLETION, submitted `after_ns` after the start; any field can be given."""
    batch = np.zeros(1, OPERATION)
    values: dict[str, object] = {
        "submitted_ns": STARTED_NS + after_ns,
        "completed_ns": STARTED_NS + after_ns + took_ns,
        "opcode": OPCODES.get(operation, 255),
        "kind": Kind.COMPLETION,
        "ring": 5,
        "tgid": 4242,
        "tid": 4243,
        "has_arguments": True,
        "user_data": 0x2A,
    }
    for name, value in {**values, **fields}.items():
        batch[name] = value
    return batch


def call(
    name: str,
    *arguments: int,
    after_ns: int = 1_000_000,
    took_ns: int = 12_000,
    **fields: object,
) -> Batch:
    """A batch of one system call that returned; `arguments` are its arg0, arg1, …"""
    words = {f"arg{number}": value & 2**64 - 1 for number, value in enumerate(arguments)}
    return row(
        name, after_ns=after_ns, took_ns=took_ns, **{"ring": 0, "user_data": 0, "fd": -1, **words, **fields}
    )


def rows(*batches: Batch) -> Batch:
    return np.concatenate(batches) if batches else np.zeros(0, OPERATION)


def multishot_rows(operation: str, results: Sequence[int], **fields: object) -> Batch:
    """One operation with a CQE per result, 1 ms apart, all but the last with CQE_F_MORE."""
    step = 1_000_000
    parts = []
    for number, result in enumerate(results, start=1):
        last = number == len(results)
        previous = STARTED_NS + step * number if number > 1 else 0
        parts.append(
            row(
                operation,
                took_ns=step * number,
                result=result,
                sequence=number,
                previous_ns=previous,
                cqe_flags=0 if last else CQE_F_MORE,
                **fields,
            )
        )
    return rows(*parts)


@dataclass
class FakeSource:
    """A `Source` that yields the given batches, or records, once."""

    parts: Sequence[Batch | Records]
    context: Context = field(default_factory=context)
    rings: tuple[Ring, ...] = ()
    files: Mapping[int, File] = field(default_factory=dict)
    threads: Mapping[int, Thread] = field(default_factory=dict)
    interests: tuple[Interest, ...] = ()
    open_sockets: tuple[OpenSocket, ...] = ()
    losses: Losses = field(default_factory=Losses)
    ended_ns: int = STARTED_NS + 10_000_000_000
    child_status: int | None = None
    limits: tuple[str, ...] = ()
    stopped: bool = False
    problems: tuple[str, ...] = ()

    def batches(self) -> Iterator[Batch]:
        return (records.operations for records in self.records())

    def records(self) -> Iterator[Records]:
        for part in self.parts:
            if self.stopped:
                return
            yield part if isinstance(part, Records) else only_operations(part)

    def stop(self) -> None:
        self.stopped = True

    def __enter__(self) -> FakeSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped = True


@dataclass
class FakeCountingSource:
    """A `CountingSource` whose time is that of its waits: each adds the next batch."""

    parts: Sequence[Batch]
    context: Context = field(default_factory=context)
    rings: tuple[Ring, ...] = ()
    losses: Losses = field(default_factory=Losses)
    ended_ns: int = STARTED_NS
    child_status: int | None = None
    limits: tuple[str, ...] = ()
    stopped: bool = False
    _totals: Counters = field(default_factory=empty_counters)
    _used: int = 0

    def counters(self) -> Counters:
        return self._totals.copy()

    def wait(self, seconds: float) -> bool:
        if self.stopped or self._used == len(self.parts):
            return True
        accumulate(self._totals, self.parts[self._used], operation_traits(self.context.operation_names))
        self._used += 1
        self.ended_ns += round(seconds * 1e9)
        return False

    def stop(self) -> None:
        self.stopped = True

    def __enter__(self) -> FakeCountingSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped = True


RING = Ring(
    ring=5,
    tgid=4242,
    fd=4,
    flags=1 << 1 | 1 << 12,
    sq_entries=128,
    cq_entries=256,
    sq_thread=4244,
    registered_files=8,
    registered_buffers=0,
    submitted=1000,
    completions=997,
    batches=40,
    in_flight=3,
    in_flight_max=64,
)
