"""What a report knows: frozen values, of bounded size whatever was recorded.

Moments are nanoseconds since the capture began (`…_ns`), unless a name says otherwise. None,
and -1 in arrays, is "not observed" or "does not apply", never zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.connection import Connection
from uringtrace.tracer.findings import Diagnosed
from uringtrace.tracer.report.lanes_model import Lanes
from uringtrace.tracer.source import Context
from uringtrace.tracer.summary import Summary

FAMILIES = ("read", "write", "wait", "connect", "file", "other")
"""Kinds of operations that are told apart by colour; see `families`."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What the rows of one opcode are called, in every array that has an `operation`."""

    code: int
    """As in `record.OPERATION`: system calls count from FIRST_CALL."""
    name: str
    interface: str
    family: int
    """Index into FAMILIES."""


@dataclass(frozen=True, slots=True)
class Times:
    """What happened when, in steps of equal length. Arrays have the shape (operations, steps)."""

    first_ns: int
    """When the first step began: 0, or before it, see `Report.first_ns`."""
    step_ns: int
    steps: int
    completions: NDArray[np.int64]
    """Results in the step, as `summary.OperationSummary.count` counts them."""
    errors: NDArray[np.int64]
    bytes: NDArray[np.int64]
    in_flight: NDArray[np.float64]
    """Shape (2, steps): operations of io_uring, and system calls, that went on, on average over
    the step. What ended without being seen to end counts nowhere."""

    def start_ns(self, step: int) -> int:
        """When a step begins."""
        return self.first_ns + step * self.step_ns

    def middle_ns(self, step: int) -> int:
        """The middle of a step."""
        return self.start_ns(step) + self.step_ns // 2


@dataclass(frozen=True, slots=True)
class Latencies:
    """Distributions of latencies, with the buckets of `statistics`.

    One row for each operation, step of time and bucket that has any; arrays of shape (n,), in this
    order.
    """

    first_ns: int
    """When the first step began: 0, or before it, see `Report.first_ns`."""
    step_ns: int
    steps: int
    operation: NDArray[np.int16]
    """Index into `Report.operations`."""
    step: NDArray[np.int32]
    bucket: NDArray[np.int16]
    count: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """One operation of a table."""

    completed_ns: int
    submitted_ns: int | None
    """None: before the capture began, or not seen."""
    took_ns: int | None
    """Its latency; of one that had not ended its age within the capture."""
    interface: str
    operation: str | None
    kind: str
    path: str | None
    result: int | None
    error: str | None
    pathname: str | None
    tgid: int | None
    tid: int | None
    thread: str | None
    """The thread's name."""
    fd: int | None
    file: str | None
    """What the descriptor stood for."""
    ring: int | None
    user_data: int | None
    wake: str | None
    waker: int | None


@dataclass(frozen=True, slots=True)
class ConnectionTable:
    """Connections of which not all need to be there."""

    shown: tuple[Connection, ...]
    """Those that moved most bytes, in the order of their numbers. Moments are as recorded: of
    CLOCK_MONOTONIC."""
    total: int
    opened: int
    before: int
    failed: int
    closed: int
    open: int
    requests: int
    bytes_in: int
    bytes_out: int
    bytes_exact: bool


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """What one thread did; the columns of the recording's table `threads` that are shown."""

    tid: int
    tgid: int
    name: str | None
    system_calls: int
    operations: int
    errors: int
    slept_calls: int
    slept_ns: int
    running_ns: int
    waited_on: str | None
    waited_on_ns: int | None
    current_call: str | None
    current_file: str | None
    current_age_ns: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """The story of one recording."""

    context: Context
    status: str
    """Of the recording: `complete`, `stopped: …`, `recording`."""
    problems: tuple[str, ...]
    """What a reader must know of its state."""
    first_ns: int
    """When the first operation was seen: 0, or before it. Probes see what happens as soon as they
    are attached, a few milliseconds before the beginning that a recording names."""
    ended_ns: int
    """Length of the capture."""
    rows: int
    """Rows of the recording, of all kinds."""
    summary: Summary
    operations: tuple[Operation, ...]
    times: Times
    latencies: Latencies
    lanes: Lanes
    slowest: tuple[Row, ...]
    """Of each operation the slowest, longest first."""
    unfinished: tuple[Row, ...]
    """What was in flight when the capture ended, oldest first."""
    unfinished_total: int
    connections: ConnectionTable
    threads: tuple[ThreadRow, ...]
    threads_total: int
    diagnosed: Diagnosed
    """What the rules say of the recording, as `uringtrace diagnose` has it; moments of CLOCK_MONOTONIC."""
