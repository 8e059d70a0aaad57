"""What a run is asked to do; nothing of it changes while it runs."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from uringtrace.errors import UsageError
from uringtrace.targets.load.address import Endpoint

TIMEOUT_NS = 10_000_000_000
DURATION_NS = 10_000_000_000
_SPARE_DESCRIPTORS = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. Exactly one of `requests` and `duration_ns` is given."""

    endpoint: Endpoint
    connections: int = 8
    rate: float | None = None
    """Requests per second in total: an open loop. None is a closed one."""
    requests: int | None = None
    duration_ns: int | None = None
    pipeline: int = 1
    """Requests on one connection whose answers may be outstanding."""
    slow_clients: int = 0
    new_connections: bool = False
    """Every request on a connection of its own."""
    status: int = 200
    """What every answer's status must be."""
    length: int | None = None
    """Bytes that every answer's body must have; None: as many as the first right answer's."""
    any_length: bool = False
    """Bodies may differ in length."""
    timeout_ns: int = TIMEOUT_NS

    @property
    def measured_from(self) -> str:
        """Where latencies begin: `schedule`, `connect` or `send`."""
        if self.rate is not None:
            return "schedule"
        return "connect" if self.new_connections else "send"

    def request(self) -> bytes:
        """The bytes of one request; all are the same."""
        lines = [f"GET {self.endpoint.path} HTTP/1.1", f"Host: {self.endpoint.host}"]
        if self.new_connections:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def check(plan: Plan) -> None:
    """Raises `UsageError` where the parts of a plan exclude each other."""
    if plan.new_connections and plan.pipeline > 1:
        raise UsageError(
            "--pipeline needs connections that last, --new-connections has none", "leave one of them out"
        )


def allow_descriptors(plan: Plan) -> None:
    """Raise this process's limit of open files as far as the plan needs; raises `UsageError`."""
    wanted = plan.connections + plan.slow_clients
    needed = wanted + _SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise UsageError(
            f"{wanted} connections need more open files than the {hard} allowed",
            f"raise the limit: ulimit -Hn {needed}",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
