"""The two sides of a comparison as arrays: what strace wrote, and what the capture saw.

Only what matching and counting need is kept of an operation, so that a million fit into
memory. The names of calls are opcodes on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.record import CQE_F_NOTIF, FIRST_CALL, Batch, Kind
from uringtrace.tracer.source import File, FilesAndFacts, Losses
from uringtrace.tracer.statistics import OperationTraits, operation_traits
from uringtrace.tracer.strace import STRACE_CALL, LogFormat, Tables
from uringtrace.tracer.syscalls.opcodes import OTHER_CALLS

NO_OPCODE = -1
"""Of a name that this architecture's table does not have, as `???`."""

OURS = np.dtype(
    [
        ("submitted_ns", "<i8"),  # CLOCK_MONOTONIC; 0: not seen
        ("completed_ns", "<i8"),
        ("result", "<i8"),
        ("bytes", "<i8"),  # moved, as `statistics.accumulate` counts them
        ("tgid", "<u4"),
        ("tid", "<u4"),
        ("file", "<u4"),
        ("second_file", "<u4"),
        ("result_file", "<u4"),
        ("fd", "<i4"),
        ("opcode", "<i4"),
        ("kind", "u1"),
        ("path", "u1"),
    ]
)
"""One row per completion or system call; without notifications and messages, which are no operations."""

THEIRS = np.dtype([*STRACE_CALL.descr, ("opcode", "<i4")])
"""A row of `STRACE_CALL` with the name as opcode; NO_OPCODE where there is none."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The capture's side."""

    rows: NDArray[np.void]
    """dtype OURS"""
    started_ns: int
    ended_ns: int
    started_unix_ns: int
    """CLOCK_REALTIME at `started_ns`."""
    operation_names: Mapping[int, str]
    files: Mapping[int, File]
    sq_threads: frozenset[int]
    """The kernel's threads that submit for rings with SQPOLL."""
    losses: Losses
    has_calls: bool
    """Whether system calls were captured at all."""

    @property
    def other_calls(self) -> int:
        """The opcode that stands for calls without a number of their own."""
        return next((code for code, name in self.operation_names.items() if name == OTHER_CALLS), NO_OPCODE)


@dataclass(frozen=True, slots=True)
class Log:
    """strace's side."""

    rows: NDArray[np.void]
    """dtype STRACE_CALL, in the order of the log."""
    names: tuple[str, ...]
    """What `rows["name"]` indexes."""
    format: LogFormat
    unparsed_lines: int = 0
    lines: int = 0
    killed: frozenset[int] = field(default_factory=frozenset)
    """Threads that a signal killed, by the log."""


def observed(source: FilesAndFacts, batches: Iterable[Batch]) -> Observed:
    """What `batches` of the source have; the facts are asked for when all were taken."""
    context = source.context
    traits = operation_traits(context.operation_names)
    parts = [slim(batch, traits) for batch in batches if batch.size]
    rows = np.concatenate(parts) if parts else np.zeros(0, OURS)
    return Observed(
        rows,
        context.started_ns,
        source.ended_ns,
        context.started_unix_ns,
        context.operation_names,
        source.files,
        frozenset(ring.sq_thread for ring in source.rings if ring.sq_thread is not None),
        source.losses,
        "sys_exit" in context.probes or bool((rows["opcode"] >= FIRST_CALL).any()),
    )


def slim(batch: Batch, traits: OperationTraits) -> NDArray[np.void]:
    """The operations of a batch as OURS."""
    kind = batch["kind"]
    notification = (kind == Kind.COMPLETION) & (batch["cqe_flags"] & CQE_F_NOTIF != 0)
    batch = batch[~notification & (kind != Kind.MESSAGE)]
    rows = np.zeros(batch.size, OURS)
    for name in OURS.names or ():
        if name != "bytes":
            rows[name] = batch[name].astype(OURS[name])
    moved = (rows["kind"] == Kind.COMPLETION) & (rows["result"] > 0) & traits.moves_bytes[rows["opcode"]]
    rows["bytes"] = np.where(moved, rows["result"], 0)
    return rows


def with_opcodes(log: Log, operation_names: Mapping[int, str]) -> NDArray[np.void]:
    """The rows of a log as THEIRS."""
    codes = {name: code for code, name in operation_names.items() if code >= FIRST_CALL}
    table = np.array([codes.get(name, NO_OPCODE) for name in log.names] or [NO_OPCODE], np.int32)
    rows = np.zeros(log.rows.size, THEIRS)
    for name in STRACE_CALL.names or ():
        rows[name] = log.rows[name]
    rows["opcode"] = table[log.rows["name"]] if log.rows.size else 0
    return rows


def log_of(parts: Iterable[NDArray[np.void]], tables: Tables, form: LogFormat, **facts: object) -> Log:
    """The log whose batches these are; `facts` are further fields of `Log`."""
    found = list(parts)
    rows = np.concatenate(found) if found else np.zeros(0, STRACE_CALL)
    return Log(rows, tuple(tables.names), form, **facts)  # type: ignore[arg-type]
