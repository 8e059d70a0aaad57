"""What following all findings costs per operation: the consumer's processor time, without the kernel's.

The slots are made up, as the probes write them: an echo server whose ring's own thread submits, which is the
shape with the most to follow; operations on files, of which some go to worker threads; NOPs. Decoding is
included. Rounds are interleaved, so that what else the machine does meets all shapes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.generated import STARTED_NS, GeneratedSource
from uringtrace.cli.diagnose import JUDGED_SLOTS
from uringtrace.probes.ring_buffer import LONGEST_RUN
from uringtrace.probes.slots import (
    ARGUMENTS_KIND,
    ARGUMENTS_SEEN,
    ARGUMENTS_SLOT,
    OPERATION_SLOT,
    SOCKET_EVENT_KIND,
    SOCKET_EVENT_SLOT,
    Slots,
)
from uringtrace.tracer.decode import decode_records
from uringtrace.tracer.findings import Diagnosis
from uringtrace.tracer.live.backlog import Backlog
from uringtrace.tracer.record import Kind, Path
from uringtrace.tracer.records import SocketEventKind
from uringtrace.tracer.source import File, OpenSocket, Socket

CONNECTIONS = 64
GOAL_NS = 2_000
"""500,000 operations per second on one processor."""
_NOP, _READ, _WRITE, _SEND, _RECV = 0, 22, 23, 26, 27
_FIRST_FILE = 1_000
_FILES = 8
_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Following:
    """Processor time per operation, medians over the rounds."""

    shape: str
    ns: float
    decoding_ns: float
    """Of that."""
    least_ns: float
    """In the best round."""

    @property
    def per_second(self) -> float:
        return 1e9 / self.ns


def measure_following(
    rounds: int, progress: Callable[[str], None], rows: int = _ROWS
) -> tuple[Following, ...]:
    """Each shape, from decoding to the rules."""
    shapes = {"sockets on a ring": sockets, "files on a ring": files, "NOP": nops}
    times: dict[str, list[tuple[int, int]]] = {name: [] for name in shapes}
    for number in range(rounds):
        progress(f"following: round {number + 1} of {rounds}")
        for name, shape in shapes.items():
            times[name].append(follow(list(chunks(shape(rows)))))
    return tuple(
        Following(
            name,
            median(whole for whole, _ in taken) / rows,
            median(decoding for _, decoding in taken) / rows,
            min(whole for whole, _ in taken) / rows,
        )
        for name, taken in times.items()
    )


def follow(chunks: list[Slots]) -> tuple[int, int]:
    """Processor time in ns to decode and follow, as `diagnose` does, and to decode."""
    source = FollowedSource()
    diagnosis = Diagnosis(source.context)
    backlog = Backlog(JUDGED_SLOTS)
    for chunk in chunks:
        backlog.append(chunk)
    whole = decoding = 0
    while (slots := backlog.take()) is not None:
        began = time.thread_time_ns()
        records = decode_records(slots)
        decoding += time.thread_time_ns() - began
        diagnosis.add(records, source)
        whole += time.thread_time_ns() - began
    return whole, decoding


class FollowedSource(GeneratedSource):
    """The generated server with files that are no sockets as well."""

    def __init__(self) -> None:
        super().__init__(1)
        names = {**self.context.operation_names, _NOP: "NOP"}
        probes = (*self.context.probes, "sk_data_ready", "inet_sock_set_state", "sched_waking")
        self.context = replace(self.context, operation_names=names, probes=probes)
        # Where the target listens: so the connections are known to be a server's, and have requests.
        listener = Socket("inet", "tcp", "10.1.0.1:443", None, listening=True)
        self.open_sockets = (OpenSocket(4000, 3, 1, listener),)
        for number in range(_FIRST_FILE, _FIRST_FILE + _FILES):
            self.files[number] = File(number, f"/srv/{number}", 8, number)


def sockets(rows: int) -> Slots:
    """Receives and sends in turn on each connection; before each receive its data arrives."""
    number = np.arange(rows)
    receives = number % 2 == 0
    connection = number // 2 % CONNECTIONS
    slots = _slots(rows, 3)
    arrivals = slots[0::3].view(SOCKET_EVENT_SLOT)
    operations, arguments = slots[1::3], slots[2::3].view(ARGUMENTS_SLOT)
    _operations(operations, np.where(receives, _RECV, _SEND), 1 + connection)
    operations["path"] = np.where(receives, Path.POLL, Path.INLINE)
    operations["result"] = 120
    _arguments(arguments, 4096)
    arrivals["kind"], arrivals["event"] = SOCKET_EVENT_KIND, SocketEventKind.ARRIVAL
    arrivals["file"] = 1 + connection
    arrivals["ns"] = operations["completed_ns"] - np.uint64(500)
    kept = np.ones(len(slots), bool)
    kept[0::3] = receives
    return slots[kept]


def files(rows: int) -> Slots:
    """Reads and writes of a few files; every tenth falls to a worker thread."""
    number = np.arange(rows)
    slots = _slots(rows, 2)
    operations = slots[0::2]
    _operations(operations, np.where(number % 4 == 0, _WRITE, _READ), _FIRST_FILE + number % _FILES)
    operations["path"] = np.where(number % 10 == 0, Path.IO_WQ, Path.INLINE)
    operations["result"] = 4096
    _arguments(slots[1::2].view(ARGUMENTS_SLOT), 4096)
    return slots


def nops(rows: int) -> Slots:
    slots = _slots(rows, 1)
    _operations(slots, np.full(rows, _NOP), np.zeros(rows, np.int64))
    slots["fd"] = -1
    return slots


def _slots(rows: int, each: int) -> Slots:
    return np.zeros(rows * each, OPERATION_SLOT)


def _operations(slots: Slots, opcode: NDArray[np.int64], file: NDArray[np.int64]) -> None:
    number = np.arange(len(slots))
    slots["kind"] = Kind.COMPLETION
    slots["opcode"], slots["file"] = opcode, file
    slots["fd"] = file + 10
    slots["sqe_flags"] = ARGUMENTS_SEEN
    slots["completed_ns"] = STARTED_NS + 20_000_000 + number * GOAL_NS
    slots["submitted_ns"] = slots["completed_ns"] - np.uint64(900)
    slots["user_data"] = file
    slots["ring"], slots["tgid"], slots["tid"] = 1, 4000, 4001


def _arguments(slots: NDArray[np.void], length: int) -> None:
    slots["kind"] = ARGUMENTS_KIND
    slots["len"] = length
    slots["addr"] = 0x7F00_0000_0000 + np.arange(len(slots)) % 256 * 65_536


def chunks(slots: Slots) -> Iterator[Slots]:
    """As a capture reads them; a record is never cut."""
    begin = 0
    while begin < len(slots):
        end = min(begin + LONGEST_RUN, len(slots))
        while end < len(slots) and slots["kind"][end] >= ARGUMENTS_KIND:
            end += 1
        yield slots[begin:end]
        begin = end
