"""What a capture cost for each request, so that two captures can be compared.

Requests are those that servers of the target answered; everything else is divided by them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections import ConnectionTracker
from uringtrace.tracer.record import FIRST_CALL, Kind, Path
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, FilesAndFacts, Source


@dataclass(frozen=True, slots=True)
class Measured:
    """Counts of one capture."""

    requests: int
    """With a time to the first byte of their answer."""
    calls: int
    operations: int
    """io_uring completions."""
    on_workers: int
    """Of these carried out by io-wq."""
    histogram: NDArray[np.uint64]
    """Times to the first byte of each answer, as `statistics.bucket` counts."""


class Measure:
    """Follows one capture."""

    def __init__(self, context: Context) -> None:
        self._tracker = ConnectionTracker(context)
        self._calls = self._operations = self._workers = 0

    def add(self, records: Records, facts: FilesAndFacts) -> None:
        """Take one drain."""
        batch = records.operations
        self._tracker.add(records, facts.files, facts.open_sockets)
        completed = batch["kind"] == Kind.COMPLETION
        call = batch["opcode"] >= FIRST_CALL
        self._calls += int((completed & call).sum())
        self._operations += int((completed & ~call).sum())
        self._workers += int((completed & ~call & (batch["path"] & Path.IO_WQ != 0)).sum())

    def result(self, facts: FilesAndFacts) -> Measured:
        """Of everything that was added."""
        times = self._tracker.result(facts.open_sockets)[1].served_first
        return Measured(times.count, self._calls, self._operations, self._workers, times.histogram)


def measured(source: Source) -> Measured:
    """Of a whole recording."""
    measure = Measure(source.context)
    for records in source.records():
        measure.add(records, source)
    return measure.result(source)
