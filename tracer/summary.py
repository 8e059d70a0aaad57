"""The one analysed result that the text table, the live screen and JSON render.

Pure functions turn counters, rings and losses into frozen dataclasses. Nothing is
rounded or formatted here, and what was not observed is None, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uringtrace.probes.layout import BYTE_OPERATIONS
from uringtrace.tracer.source import Context, CountingSource, Losses, Ring
from uringtrace.tracer.statistics import Counters, quantile_ns, upper_bound_ns


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Nanoseconds from submission to completion; quantiles within `statistics.RESOLUTION`."""

    count: int
    """Operations with a latency: not multishot, not silent."""
    mean_ns: float
    p50_ns: float | None
    p90_ns: float | None
    p99_ns: float | None
    p999_ns: float | None
    max_ns: int | None
    """Exact. None when only part of a capture is summed up and its maximum is not its own."""
    max_bound_ns: int | None
    """No operation took longer; None when the histogram's last, open bucket is used."""


@dataclass(frozen=True, slots=True)
class OperationSummary:
    """All operations of one opcode."""

    opcode: int
    name: str
    submitted: int
    count: int
    """Completions, without zero-copy notifications: the number of results the program saw."""
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
class Totals:
    """Sums over all operations and rings."""

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


def summarise(
    context: Context, counters: Counters, rings: Sequence[Ring], losses: Losses, duration_ns: int
) -> Summary:
    """Analyse totals of `duration_ns`; `counters` has shape (opcodes,), dtype COUNTERS."""
    seconds = duration_ns / 1e9
    used = (counters["submitted"] > 0) | (counters["completions"] > 0) | (counters["notifications"] > 0)
    operations = [
        _operation(
            opcode,
            context.operation_names.get(opcode, f"OP_{opcode}"),
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


def _operation(opcode: int, name: str, row: Counters, seconds: float) -> OperationSummary:
    """`row` has shape (1,)."""

    def counter(field: str) -> int:
        return int(row[field][0])

    return OperationSummary(
        opcode=opcode,
        name=name,
        submitted=counter("submitted"),
        count=counter("completions"),
        ended=counter("ended"),
        rate=_rate(counter("completions"), seconds),
        errors=counter("errors"),
        bytes=counter("bytes") if name in BYTE_OPERATIONS else None,
        notifications=counter("notifications"),
        silent=counter("silent"),
        latency=_latency(row),
        inline=counter("inline"),
        poll=counter("poll"),
        io_wq=counter("io_wq"),
    )


def _latency(row: Counters) -> LatencySummary | None:
    count = int(row["timed"][0])
    if count == 0:
        return None
    histogram = row["histogram"][0]
    max_ns = int(row["max_ns"][0])
    bound_ns = upper_bound_ns(histogram)
    known = max_ns > 0 or bound_ns == 0
    p50_ns, p90_ns, p99_ns, p999_ns = (quantile_ns(histogram, rank, max_ns) for rank in (500, 900, 990, 999))
    return LatencySummary(
        count=count,
        mean_ns=int(row["sum_ns"][0]) / count,
        p50_ns=p50_ns,
        p90_ns=p90_ns,
        p99_ns=p99_ns,
        p999_ns=p999_ns,
        max_ns=max_ns if known else None,
        max_bound_ns=max_ns if known else bound_ns,
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
