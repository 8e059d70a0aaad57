"""What has been counted so far, and the judgement of each answer.

Every request that was taken ends as exactly one of: right, failed (by one kind of
error) or unfinished. So `taken = right + failed + unfinished` holds at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from uringtrace.targets.load.latencies import Latencies

ERRORS = {
    "connect": "no connection came about: refused, not in time, or no TLS",
    "reset": "the connection was reset, or ended before its answer began",
    "timeout": "no answer in time",
    "status": "an answer with another status than expected",
    "length": "an answer cut short, or of another length than expected",
    "malformed": "an answer that is not HTTP",
}
"""The kinds of error, each with its meaning."""


@dataclass(slots=True)
class Tally:
    """Counters of a run; `length` is the expected one, None until the first right answer."""

    status: int
    length: int | None
    any_length: bool = False
    settled: int = 0
    """Requests that were answered or failed."""
    right: int = 0
    errors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ERRORS, 0))
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: Latencies = field(default_factory=Latencies)
    sent: int = 0
    """Requests of which every byte was handed to the kernel."""
    opened: int = 0
    unopened: int = 0
    stray: int = 0
    """Connections on which bytes came that no request was waiting for."""
    bytes_in: int = 0
    bytes_out: int = 0
    wire_in: int = 0
    wire_out: int = 0

    def answered(self, status: int, length: int, latency_ns: int) -> None:
        """Judge a complete answer; only right ones have their latency counted."""
        self.settled += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status != self.status:
            self.errors["status"] += 1
        elif length != self.length and not self._accept(length):
            self.errors["length"] += 1
        else:
            self.right += 1
            self.latencies.add(latency_ns)

    def failed(self, kind: str, number: int = 1) -> None:
        """Requests that will have no answer."""
        self.settled += number
        self.errors[kind] += number

    def _accept(self, length: int) -> bool:
        if self.length is None:
            self.length = length
            return True
        return self.any_length
