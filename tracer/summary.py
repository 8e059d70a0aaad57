"""The one analysed result that the text table, the live screen and JSON render.

Pure functions turn counters, rings and losses into frozen dataclasses. Nothing is
rounded or formatted here, and what was not observed is None, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uringtrace.probes.layout import BYTE_CALLS, BYTE_OPERATIONS
from uringtrace.tracer.connections.summary import ConnectionsSummary
from uringtrace.tracer.latency import LatencySummary, latency_summary
from uringtrace.tracer.record import FIRST_CALL, OPCODES
from uringtrace.tracer.source import Context, CountingSource, Losses, Ring
from uringtrace.tracer.statistics import Counters
from uringtrace.tracer.threads import ThreadActivity

IO_URING, SYSCALL = "io_uring", "syscall"
_COMPLETIONS_SEEN, _CALLS_SEEN = "io_uring_complete", "sys_exit"
"""The tracepoints without which nothing is known of an interface."""


@dataclass(frozen=True, slots=True)
class OperationSummary:
    """All operations of one opcode. The three paths are those of io_uring, 0 for system calls."""

    opcode: int
    """As in records: system calls count from `record.FIRST_CALL`."""
    name: str
    interface: str
    """`io_uring` or `syscall`."""
    submitted: int
    count: int
    """Completions, without zero-copy notifications, or calls that returned: the number of results
    the program saw."""
    ended: int
    rate: float | None
    """Completions per second; None when no time has passed."""
    errors: int
    bytes: int | None
    """None for operations that move no bytes."""
    notifications: int
    silent: int
    latency: LatencySummary | None
    inline: int
    poll: int
    io_wq: int
    slept: int | None
    """System calls in which the thread gave up its processor to wait; None for io_uring."""

    def share(self, count: int) -> float | None:
        """`count`, one of the three paths, as part of all completions, 0 to 1."""
        whole = self.inline + self.poll + self.io_wq
        return count / whole if whole else None


@dataclass(frozen=True, slots=True)
class RingSummary:
    """One ring; None means not observed."""

    ring: int
    tgid: int
    fd: int | None
    sq_entries: int | None
    cq_entries: int | None
    setup_flags: tuple[str, ...] | None
    """Names without IORING_SETUP_; a bit without a name is shown as 0x…."""
    sq_thread: int | None
    registered_files: int | None
    registered_buffers: int | None
    submitted: int
    completions: int
    batches: int
    batching: float | None
    """Operations the kernel took at once, on average."""
    in_flight: int
    in_flight_max: int
    overflows: int
    dropped: int
    messages: int
    untracked: int


@dataclass(frozen=True, slots=True)
class InterfaceTotals:
    """Sums over the operations of one interface."""

    completions: int
    """Of system calls: those that returned."""
    rate: float | None
    errors: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all operations, of both interfaces, and over all rings."""

    submitted: int
    completions: int
    rate: float | None
    errors: int
    bytes: int
    notifications: int
    silent: int
    in_flight: int
    messages: int
    overflows: int
    dropped: int
    io_uring: InterfaceTotals | None
    """None where this interface was not captured."""
    syscall: InterfaceTotals | None
    share_visible_to_strace: float | None
    """System calls as part of all operations, 0 to 1: what strace could have seen. None without
    operations, and where only one interface was captured."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a capture, or one interval of it, has shown."""

    kernel: str
    machine: str
    target: str
    duration_s: float
    operations: tuple[OperationSummary, ...]
    """Those that were submitted, completed or silent; most completions first."""
    rings: tuple[RingSummary, ...]
    totals: Totals
    losses: Losses
    connections: ConnectionsSummary | None = None
    """None where they were not followed."""
    threads: tuple[ThreadActivity, ...] | None = None

    def of_interface(self, interface: str) -> tuple[OperationSummary, ...]:
        return tuple(operation for operation in self.operations if operation.interface == interface)


def summarise(
    context: Context, counters: Counters, rings: Sequence[Ring], losses: Losses, duration_ns: int
) -> Summary:
    """Analyse totals of `duration_ns`; `counters` has shape (opcodes,), dtype COUNTERS."""
    seconds = duration_ns / 1e9
    used = (counters["submitted"] > 0) | (counters["completions"] > 0) | (counters["notifications"] > 0)
    operations = [
        _operation(
            opcode,
            context.operation_names.get(opcode) or _number_as_name(opcode),
            counters[opcode : opcode + 1],
            seconds,
        )
        for opcode in used.nonzero()[0].tolist()
    ]
    operations.sort(key=lambda operation: (-operation.count, operation.opcode))
    ring_summaries = tuple(
        _ring(context, ring) for ring in sorted(rings, key=lambda ring: (ring.tgid, ring.ring))
    )
    completions = sum(operation.count for operation in operations)
    io_uring = _interface_totals(context, _COMPLETIONS_SEEN, IO_URING, operations, seconds)
    syscall = _interface_totals(context, _CALLS_SEEN, SYSCALL, operations, seconds)
    totals = Totals(
        submitted=sum(operation.submitted for operation in operations),
        completions=completions,
        rate=_rate(completions, seconds),
        errors=sum(operation.errors for operation in operations),
        bytes=sum(operation.bytes or 0 for operation in operations),
        notifications=sum(operation.notifications for operation in operations),
        silent=sum(operation.silent for operation in operations),
        in_flight=sum(ring.in_flight for ring in rings),
        messages=sum(ring.messages for ring in rings),
        overflows=sum(ring.overflows for ring in rings),
        dropped=sum(ring.dropped for ring in rings),
        io_uring=io_uring,
        syscall=syscall,
        share_visible_to_strace=(
            syscall.completions / completions if io_uring and syscall and completions else None
        ),
    )
    return Summary(
        context.kernel,
        context.machine,
        context.target,
        seconds,
        tuple(operations),
        ring_summaries,
        totals,
        losses,
    )


def summary_of(source: CountingSource) -> Summary:
    """Everything the source has counted since its start."""
    counters = source.counters()
    duration_ns = source.ended_ns - source.context.started_ns
    return summarise(source.context, counters, source.rings, source.losses, duration_ns)


def flag_names(value: int, names: dict[int, str]) -> tuple[str, ...]:
    """The set bits by name, lowest first; what has no name is one hexadecimal number."""
    found = [name for bit, name in sorted(names.items()) if bit and value & bit == bit]
    rest = value
    for bit in names:
        rest &= ~bit
    return (*found, *([f"{rest:#x}"] if rest else []))


def _rate(count: int, seconds: float) -> float | None:
    return count / seconds if seconds > 0 else None


def _interface_totals(
    context: Context, probe: str, interface: str, operations: Sequence[OperationSummary], seconds: float
) -> InterfaceTotals | None:
    """None where the interface was not captured."""
    chosen = [operation for operation in operations if operation.interface == interface]
    if not chosen and probe not in context.probes:
        return None
    completions = sum(operation.count for operation in chosen)
    return InterfaceTotals(
        completions=completions,
        rate=_rate(completions, seconds),
        errors=sum(operation.errors for operation in chosen),
        bytes=sum(operation.bytes or 0 for operation in chosen),
    )


def _number_as_name(opcode: int) -> str:
    if opcode < FIRST_CALL:
        return f"OP_{opcode}"
    return "other calls" if opcode == OPCODES - 1 else f"call {opcode - FIRST_CALL}"


def _operation(opcode: int, name: str, row: Counters, seconds: float) -> OperationSummary:
    """`row` has shape (1,)."""

    def counter(field: str) -> int:
        return int(row[field][0])

    return OperationSummary(
        opcode=opcode,
        name=name,
        interface=SYSCALL if opcode >= FIRST_CALL else IO_URING,
        submitted=counter("submitted"),
        count=counter("completions"),
        ended=counter("ended"),
        rate=_rate(counter("completions"), seconds),
        errors=counter("errors"),
        bytes=counter("bytes") if name in BYTE_OPERATIONS or name in BYTE_CALLS else None,
        notifications=counter("notifications"),
        silent=counter("silent"),
        latency=latency_summary(counter("timed"), counter("sum_ns"), counter("max_ns"), row["histogram"][0]),
        inline=counter("inline"),
        poll=counter("poll"),
        io_wq=counter("io_wq"),
        slept=counter("slept") if opcode >= FIRST_CALL else None,
    )


def _ring(context: Context, ring: Ring) -> RingSummary:
    names = dict(context.setup_flag_names)
    return RingSummary(
        ring=ring.ring,
        tgid=ring.tgid,
        fd=ring.fd,
        sq_entries=ring.sq_entries,
        cq_entries=ring.cq_entries,
        setup_flags=None if ring.flags is None else flag_names(ring.flags, names),
        sq_thread=ring.sq_thread,
        registered_files=ring.registered_files,
        registered_buffers=ring.registered_buffers,
        submitted=ring.submitted,
        completions=ring.completions,
        batches=ring.batches,
        batching=ring.submitted / ring.batches if ring.batches else None,
        in_flight=ring.in_flight,
        in_flight_max=ring.in_flight_max,
        overflows=ring.overflows,
        dropped=ring.dropped,
        messages=ring.messages,
        untracked=ring.untracked,
    )
