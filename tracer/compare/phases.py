"""What strace costs the target, as the capture measures it: without strace, with it, and without it again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from uringtrace.tracer.compare.sides import slim
from uringtrace.tracer.connections import ConnectionTracker, Distribution, RequestTimes
from uringtrace.tracer.latency import LatencySummary, latency_summary
from uringtrace.tracer.record import Kind
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import FilesAndFacts
from uringtrace.tracer.statistics import operation_traits

ALONE = "bpf"
"""Who observes in a phase: the capture."""


def observed_by(name: str) -> str:
    """The capture, and another observer."""
    return f"{ALONE} and {name}"


@dataclass(frozen=True, slots=True)
class Span:
    """A phase as it was run."""

    observers: str
    began_ns: int
    """CLOCK_MONOTONIC"""
    ended_ns: int
    target_cpu_s: float | None = None
    """Processor time of the target in it; None where it was gone."""
    observer_cpu_s: float | None = None
    """That of the other observer itself."""
    told: int | None = None
    """How many calls the other observer told of, but for strace, whose log is read."""


@dataclass(frozen=True, slots=True)
class Phase:
    """What the capture saw in a phase."""

    observers: str
    seconds: float
    operations: int
    """Completions and calls that returned."""
    bytes: int
    requests: int | None
    """Answered, or asked where the target is the client; None where no connection has a role."""
    latency: LatencySummary | None
    """Of these requests, to the first byte of the answer."""
    target_cpu_s: float | None
    observer_cpu_s: float | None
    told: int | None = None
    """How many calls the other observer told of."""

    @property
    def operations_rate(self) -> float | None:
        return self.operations / self.seconds if self.seconds > 0 else None

    @property
    def requests_rate(self) -> float | None:
        return None if self.requests is None or self.seconds <= 0 else self.requests / self.seconds

    @property
    def cpu_share(self) -> float | None:
        """Processors that the target used; several threads may use more than 1."""
        return None if self.target_cpu_s is None or self.seconds <= 0 else self.target_cpu_s / self.seconds


@dataclass(frozen=True, slots=True)
class Cost:
    """The target alone compared with the target under another observer; None: not to be told."""

    observer: str
    happened: int
    """Operations while it was there."""
    told: int | None
    """How many calls it told of."""
    slowdown: float | None
    """So many times more requests per second without it; of operations where no requests are known."""
    of_requests: bool
    latency_factor: float | None
    """Of the median request: so many times as long with it."""
    cpu_factor: float | None
    """So many times as much of the target's processor time for each request (operation) with it."""


def measured(source: FilesAndFacts, records: Iterable[Records], spans: Sequence[Span]) -> tuple[Phase, ...]:
    """What the source's records have of each span, whose ends ascend."""
    meter = _Meter(source)
    cuts = [moment for span in spans for moment in (span.began_ns, span.ended_ns)]
    marks: list[_Mark] = []
    for part in records:
        rest: Records = part
        while len(marks) < len(cuts) and (halves := _cut(rest, cuts[len(marks)])):
            meter.add(halves[0])
            marks.append(meter.mark())
            rest = halves[1]
        meter.add(rest)
    while len(marks) < len(cuts):
        marks.append(meter.mark())
    return tuple(_phase(span, marks[2 * number], marks[2 * number + 1]) for number, span in enumerate(spans))


def _cut(part: Records, moment_ns: int) -> tuple[Records, Records] | None:
    """What ended until then, and later; None where nothing is later."""
    later = part.operations["completed_ns"] > np.uint64(moment_ns)
    if not later.any():
        return None
    after = part.socket_events["ns"] > np.uint64(moment_ns)
    events = part.socket_events
    before = replace(part.select(~later), socket_events=events[~after])
    return before, replace(part.select(later), socket_events=events[after])


@dataclass(frozen=True, slots=True)
class _Mark:
    """The totals at a moment."""

    operations: int
    bytes: int
    times: RequestTimes


@dataclass(slots=True)
class _Meter:
    source: FilesAndFacts
    operations: int = 0
    bytes: int = 0
    tracker: ConnectionTracker = field(init=False)

    def __post_init__(self) -> None:
        self.tracker = ConnectionTracker(self.source.context)

    def add(self, part: Records) -> None:
        if not part.operations.size and not len(part.socket_events):
            return
        rows = slim(part.operations, operation_traits(self.source.context.operation_names))
        ended = rows["kind"] == Kind.COMPLETION
        self.operations += int(np.count_nonzero(ended))
        self.bytes += int(rows["bytes"][ended].sum())
        self.tracker.add(part, self.source.files, self.source.open_sockets)

    def mark(self) -> _Mark:
        times = self.tracker.result(self.source.open_sockets)[1]
        return _Mark(self.operations, self.bytes, times)


def _phase(span: Span, before: _Mark, after: _Mark) -> Phase:
    served = _between(before.times.served_first, after.times.served_first)
    asked = _between(before.times.asked_first, after.times.asked_first)
    # A proxy is both; what it serves is what others wait for.
    has_served = after.times.served_first.count > 0
    latency = served if has_served else asked
    known = has_served or after.times.asked_first.count > 0
    return Phase(
        span.observers,
        (span.ended_ns - span.began_ns) / 1e9,
        after.operations - before.operations,
        after.bytes - before.bytes,
        latency.count if known else None,
        latency_summary(latency.count, latency.sum_ns, latency.max_ns, latency.histogram),
        span.target_cpu_s,
        span.observer_cpu_s,
        span.told,
    )


def _between(before: Distribution, after: Distribution) -> Distribution:
    """What was added; the largest is known only when it grew."""
    largest = after.max_ns if after.max_ns > before.max_ns else 0
    histogram = after.histogram - before.histogram
    return Distribution(after.count - before.count, after.sum_ns - before.sum_ns, largest, histogram)


def costs(phases: Sequence[Phase]) -> tuple[Cost, ...]:
    """Of each phase under another observer, against those alone; none without either."""
    alone = [phase for phase in phases if phase.observers == ALONE]
    others = [phase for phase in phases if phase.observers != ALONE]
    return tuple(_cost(alone, phase) for phase in others) if alone else ()


def _cost(alone: Sequence[Phase], other: Phase) -> Cost:
    of_requests = all(phase.requests is not None for phase in (*alone, other))
    free, under = _rate(alone, of_requests=of_requests), _rate([other], of_requests=of_requests)
    medians = _median(alone), _median([other])
    each = _cpu_each(alone, of_requests=of_requests), _cpu_each([other], of_requests=of_requests)
    return Cost(
        observer=other.observers.removeprefix(observed_by("")),
        happened=other.operations,
        told=other.told,
        slowdown=_ratio(free, under),
        of_requests=of_requests,
        latency_factor=_ratio(medians[1], medians[0]),
        cpu_factor=_ratio(each[1], each[0]),
    )


def _units(phase: Phase, *, of_requests: bool) -> int:
    return (phase.requests or 0) if of_requests else phase.operations


def _rate(phases: Sequence[Phase], *, of_requests: bool) -> float | None:
    seconds = sum(phase.seconds for phase in phases)
    done = sum(_units(phase, of_requests=of_requests) for phase in phases)
    return done / seconds if seconds > 0 and done else None


def _median(phases: Sequence[Phase]) -> float | None:
    """The mean of the phases' medians."""
    found = [phase.latency.p50_ns for phase in phases if phase.latency and phase.latency.p50_ns is not None]
    return sum(found) / len(found) if len(found) == len(phases) else None


def _cpu_each(phases: Sequence[Phase], *, of_requests: bool) -> float | None:
    used = [phase.target_cpu_s for phase in phases if phase.target_cpu_s is not None]
    done = sum(_units(phase, of_requests=of_requests) for phase in phases)
    return sum(used) / done if done and len(used) == len(phases) else None


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None
