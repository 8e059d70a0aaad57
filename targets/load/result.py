"""What came of a run, as one JSON document; its fields are in docs/load.md.

None, null in JSON, is what was not observed; wrk, for one, tells less than the engine
of this project.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from uringtrace.targets.load.crew import Crew
from uringtrace.targets.load.latencies import RESOLUTION
from uringtrace.targets.load.plan import Plan
from uringtrace.targets.load.slow import SlowTally
from uringtrace.targets.load.tally import ERRORS

SCHEMA = 1
QUANTILES = {"p50_ns": 500, "p90_ns": 900, "p99_ns": 990, "p999_ns": 999}
"""The quantiles of a result, in thousandths."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The plan, as far as it is not the address."""

    connections: int
    rate: float | None
    requests: int | None
    duration_s: float | None
    pipeline: int
    slow_clients: int
    new_connections: bool
    status: int
    length: int | None
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Requests:
    """`started` = `right` + `failed` + `unfinished`."""

    started: int | None
    sent: int | None
    answered: int
    right: int | None
    failed: int | None
    unfinished: int | None
    unsent: int


@dataclass(frozen=True, slots=True)
class Connections:
    """`opened` as the kernel knows them; `failed` came to nothing, in TCP or in TLS."""

    opened: int | None
    failed: int | None
    stray: int | None


@dataclass(frozen=True, slots=True)
class Bytes:
    """Of HTTP; those of the network are more where there is TLS."""

    out: int | None
    into: int
    wire_out: int | None
    wire_in: int | None


@dataclass(frozen=True, slots=True)
class Latency:
    """Of right answers; `since` is `send`, `connect`, `schedule` or, as wrk has it, `wrk`."""

    since: str
    resolution: float | None
    count: int | None
    min_ns: int | None
    mean_ns: int | None
    p50_ns: int | None
    p90_ns: int | None
    p99_ns: int | None
    p999_ns: int | None
    max_ns: int | None


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How well an open loop kept its schedule."""

    waited: int
    max_delay_ns: int


@dataclass(frozen=True, slots=True)
class WrkDetails:
    """What only wrk tells. One failure may be counted as both a `read` and a `write`."""

    threads: int
    read_errors: int
    write_errors: int


@dataclass(frozen=True, slots=True)
class Result:
    """A run's result."""

    engine: str
    url: str
    address: str
    tls: bool
    loop: str
    asked: Asked
    ended_by: str
    elapsed_ns: int
    rate: float
    """Right answers per second; of wrk those whose status is below 400."""
    requests: Requests
    errors: dict[str, int | None]
    statuses: dict[str, int] | None
    connections: Connections
    bytes: Bytes
    latency: Latency | None
    schedule: Punctuality | None
    slow: SlowTally | None
    wrk: WrkDetails | None = None

    def document(self) -> dict[str, object]:
        """The JSON document."""
        rows = asdict(self)
        rows["bytes"] = {{"into": "in"}.get(name, name): value for name, value in rows["bytes"].items()}
        return {"schema": SCHEMA, "type": "load", **rows}


def outcome(plan: Plan, crew: Crew, slow: SlowTally, ended_by: str, elapsed_ns: int, unsent: int) -> Result:
    """The result of a run by this project's engine, all of whose connections are closed."""
    tally = crew.tally
    return Result(
        engine="own",
        url=plan.endpoint.url,
        address=str(plan.endpoint),
        tls=plan.endpoint.tls,
        loop="closed" if plan.rate is None else "open",
        asked=asked(plan),
        ended_by=ended_by,
        elapsed_ns=elapsed_ns,
        rate=tally.right / elapsed_ns * 1e9,
        requests=Requests(
            started=crew.schedule.taken,
            sent=tally.sent,
            answered=sum(tally.statuses.values()),
            right=tally.right,
            failed=sum(tally.errors.values()),
            unfinished=crew.schedule.taken - tally.settled,
            unsent=unsent,
        ),
        errors={kind: tally.errors[kind] for kind in ERRORS},
        statuses={str(status): number for status, number in sorted(tally.statuses.items())},
        connections=Connections(tally.opened, tally.unopened, tally.stray),
        bytes=Bytes(tally.bytes_out, tally.bytes_in, tally.wire_out, tally.wire_in),
        latency=_latency(plan, crew) if tally.right else None,
        schedule=None if plan.rate is None else Punctuality(crew.waited, crew.max_delay_ns),
        slow=slow if plan.slow_clients else None,
    )


def asked(plan: Plan) -> Asked:
    """A plan in the units of its options."""
    return Asked(
        connections=plan.connections,
        rate=plan.rate,
        requests=plan.requests,
        duration_s=None if plan.duration_ns is None else plan.duration_ns / 1e9,
        pipeline=plan.pipeline,
        slow_clients=plan.slow_clients,
        new_connections=plan.new_connections,
        status=plan.status,
        length=plan.length,
        timeout_s=plan.timeout_ns / 1e9,
    )


def _latency(plan: Plan, crew: Crew) -> Latency:
    latencies = crew.tally.latencies
    return Latency(
        since=plan.measured_from,
        resolution=RESOLUTION,
        count=latencies.count,
        min_ns=latencies.min_ns,
        mean_ns=latencies.mean_ns(),
        max_ns=latencies.max_ns,
        **{name: latencies.quantile_ns(permille) for name, permille in QUANTILES.items()},
    )
