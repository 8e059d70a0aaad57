"""Threads that make calls, and what strace and a capture have of them: made, so that the truth is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.fakes import STARTED_NS, STARTED_UNIX_NS, FakeSource, call, context, rows
from uringtrace.tracer.compare import Log, Observed, observed
from uringtrace.tracer.compare.sides import log_of
from uringtrace.tracer.record import OPERATION, Batch
from uringtrace.tracer.strace import Tables, batches, parse, recognise

ENDED_NS = STARTED_NS + 10_000_000_000


@dataclass(frozen=True)
class Done:
    """A call that happened, and how long before and after it strace was at work."""

    tid: int
    name: str
    result: int
    submitted_ns: int
    completed_ns: int
    before_ns: int = 8_000

    def line(self, offset_ns: int = 0, *, times: bool = True) -> str:
        """What `strace -f -ttt` writes."""
        began_us = (self.submitted_ns - self.before_ns - STARTED_NS + STARTED_UNIX_NS + offset_ns) // 1000
        when = f"{began_us // 1_000_000}.{began_us % 1_000_000:06d} " if times else ""
        return f"{self.tid}  {when}{self.name}(3) = {self.result}"

    def row(self) -> Batch:
        """What a capture has."""
        after_ns = self.submitted_ns - STARTED_NS
        took_ns = self.completed_ns - self.submitted_ns
        return call(self.name, 3, tid=self.tid, fd=3, result=self.result, after_ns=after_ns, took_ns=took_ns)


def log(lines: Iterable[str]) -> Log:
    """As if these lines were a file."""
    lines = list(lines)
    tables = Tables()
    return log_of(batches(parse(lines), tables), tables, recognise(lines))


def capture(*parts: Batch, **facts: object) -> Observed:
    source = FakeSource(parts, context=context(probes=("sys_enter", "sys_exit")), ended_ns=ENDED_NS, **facts)  # type: ignore[arg-type]
    return observed(source, source.batches())


def captured(done: Sequence[Done], **facts: object) -> Observed:
    return capture(rows(*(each.row() for each in done)) if done else np.zeros(0, OPERATION), **facts)


def pairs(done: Sequence[Done], partner: NDArray[np.int64], ours: Observed) -> list[tuple[int, int] | None]:
    """For each line of the log, by whom it was made and when, by the row that it was paired with."""
    found: list[tuple[int, int] | None] = []
    for number in partner.tolist():
        mine = ours.rows[number] if number >= 0 else None
        found.append(None if mine is None else (int(mine["tid"]), int(mine["submitted_ns"])))
    return found
