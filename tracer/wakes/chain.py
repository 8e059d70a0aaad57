"""A chain of wake-ups as a person sees it: what happened, one step after the other.

Invariant: steps ascend in time, the first is when the request was received, the last when its answer was
written, and the delays add up to the time between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StepKind(StrEnum):
    """What happened at a step; the time before it is its delay."""

    ARRIVED = "arrived"
    """The kernel had data for the connection."""
    ROUSED = "roused"
    """The network's softirq made the thread runnable that waited for the connection."""
    LEFT = "left"
    """A thread left the call that it waited in, or found in it what the step before had made ready."""
    WAITED = "waited"
    """A thread left a wait that was not for the step before: a lock, a timer, another descriptor."""
    READ = "read"
    """The last bytes of the request were read."""
    WOKE = "woke"
    """A thread, in a call, made the thread of the next step runnable."""
    WROTE = "wrote"
    """A thread wrote what the wait of the next step found ready, without having to wake it."""
    UNSEEN = "unseen"
    """Something that was not seen led to the next step."""
    BEGAN = "began"
    """The write of the answer began, or was submitted."""
    ANSWERED = "answered"
    """It completed."""


class Known(StrEnum):
    """How it is known that a step follows from the one before."""

    OBSERVED = "observed"
    """The kernel was seen to do it, or the same thread did both with nothing else in between."""
    INFERRED = "inferred"
    """The order was seen, and it explains the request; the thread did other things in between as well."""
    UNKNOWN = "unknown"
    """Nothing was seen to lead from the step before to this one."""


@dataclass(frozen=True, slots=True)
class WakeStep:
    """One step. None means not observed or not applicable."""

    kind: StepKind
    ns: int
    """CLOCK_MONOTONIC"""
    delay_ns: int
    """Since the step before; 0 for the first."""
    known: Known
    tid: int | None = None
    """The thread that did it; None: the network, or not known."""
    thread: str | None = None
    """Its name."""
    call: str | None = None
    """The system call, or the io_uring operation."""
    fd: int | None = None
    file: str | None = None
    address: int | None = None
    """Of a futex."""
    woken_by: str | None = None
    """Of a wait that ended: `network`, `timer`, `interrupt`, `thread`."""
    waker: int | None = None
    """The thread that woke it, where that is not the thread of the step before."""
    waker_thread: str | None = None
    """Its name."""
    others: int | None = None
    """Other connections that the thread read from or wrote to since the step before."""


@dataclass(frozen=True, slots=True)
class WakeChain:
    """One request, from its arrival to its answer."""

    connection: int
    request: int
    """Of this connection, from 1."""
    local: str | None
    remote: str | None
    received_ns: int
    """CLOCK_MONOTONIC; the arrival, where `from_arrival`, else the completion of the read."""
    from_arrival: bool
    steps: tuple[WakeStep, ...]

    @property
    def total_ns(self) -> int:
        return self.steps[-1].ns - self.steps[0].ns

    @property
    def complete(self) -> bool:
        """Every step is known to follow from the one before."""
        return all(step.known is not Known.UNKNOWN for step in self.steps)

    @property
    def threads(self) -> tuple[int, ...]:
        """The threads in their order, each as often as it took over."""
        found: list[int] = []
        for step in self.steps:
            if step.tid is not None and (not found or found[-1] != step.tid):
                found.append(step.tid)
        return tuple(found)
