"""What two captures are compared by: counts and times of requests, in slices of time.

A slice is the unit that is drawn from when it is asked how sure a difference is. Invariant: there are
at most MOST_SLICES of equal length, whatever the length of the capture: before there were more, two
and two of them became one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections import ConnectionTracker, RequestTimes
from uringtrace.tracer.live.cut import cut
from uringtrace.tracer.record import FIRST_CALL, Kind, Path
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, FilesAndFacts, Source
from uringtrace.tracer.statistics import BUCKETS

SLICE_NS = 250_000_000
MOST_SLICES = 400
COUNTS = ("operations", "calls", "polled", "punted", "requests")


@dataclass(frozen=True, slots=True)
class Samples:
    """Of one capture. Arrays of int64, shape (slices,), but for `times`."""

    slice_ns: int
    operations: NDArray[np.int64]
    """Completions of io_uring."""
    calls: NDArray[np.int64]
    """System calls that returned."""
    polled: NDArray[np.int64]
    """Completions that went by way of poll, and not by io-wq."""
    punted: NDArray[np.int64]
    """Completions that a worker thread (io-wq) brought."""
    requests: NDArray[np.int64]
    """Answered requests: of a server those that it answered, else those that it made."""
    times: NDArray[np.int64]
    """Times to the first byte of their answers, shape (slices, BUCKETS), see `statistics.bucket`."""
    sees_operations: bool
    sees_calls: bool
    lost: int


class SampleTaker:
    """Takes the records of a source, in their order."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tracker = ConnectionTracker(context)
        self._slice_ns = SLICE_NS
        self._counts = np.zeros((MOST_SLICES, len(COUNTS)), np.int64)
        self._served = np.zeros((MOST_SLICES, BUCKETS), np.int64)
        self._asked = np.zeros((MOST_SLICES, BUCKETS), np.int64)
        self._before = RequestTimes.empty()
        self._slice = 0
        """The one that is being filled."""

    def add(self, records: Records, facts: FilesAndFacts) -> None:
        """Take one drain."""
        records = records.sorted_by_completion()
        newest_ns = _newest(records)
        if newest_ns is None:
            return
        while newest_ns >= self._end_ns():
            before, records = cut(records, self._end_ns() - 1)
            self._take(before, facts)
            self._next(facts)
        self._take(records, facts)

    def samples(self, facts: FilesAndFacts) -> Samples:
        """What was taken; more may follow."""
        self._settle(facts, facts.ended_ns + 1)
        filled = slice(0, self._slice + 1)
        counts = self._counts[filled].copy()
        served, asked = self._served[filled], self._asked[filled]
        times = served if served.any() or not asked.any() else asked
        counts[:, COUNTS.index("requests")] = times.sum(axis=1)
        columns = {name: counts[:, index] for index, name in enumerate(COUNTS)}
        probes = self._context.probes
        return Samples(
            slice_ns=self._slice_ns,
            times=times.copy(),
            sees_operations=any(name.startswith("io_uring") for name in probes),
            sees_calls=any(name in ("sys_enter", "sys_exit") for name in probes),
            lost=facts.losses.total_lost,
            **columns,
        )

    def _end_ns(self) -> int:
        return self._context.started_ns + (self._slice + 1) * self._slice_ns

    def _next(self, facts: FilesAndFacts) -> None:
        self._settle(facts, self._end_ns())
        self._slice += 1
        if self._slice == MOST_SLICES:
            self._slice_ns *= 2
            self._slice = MOST_SLICES // 2
            for table in (self._counts, self._served, self._asked):
                table[: self._slice] = table[0::2] + table[1::2]
                table[self._slice :] = 0

    def _take(self, records: Records, facts: FilesAndFacts) -> None:
        batch = records.operations
        if not len(batch) and not len(records.socket_events):
            return
        ended = batch["kind"] == Kind.COMPLETION
        of_ring = ended & (batch["opcode"] < FIRST_CALL)
        punted = of_ring & (batch["path"] & Path.IO_WQ != 0)
        polled = of_ring & ~punted & (batch["path"] & Path.POLL != 0)
        calls = np.count_nonzero(ended) - np.count_nonzero(of_ring)
        self._counts[self._slice, : COUNTS.index("requests")] += (
            np.count_nonzero(of_ring),
            calls,
            np.count_nonzero(polled),
            np.count_nonzero(punted),
        )
        self._tracker.add(records, facts.files, facts.open_sockets)

    def _settle(self, facts: FilesAndFacts, until_ns: int) -> None:
        """Put the requests that were answered since the last time into the present slice."""
        now = self._tracker.request_times(facts.open_sockets, until_ns)
        for table, new, old in (
            (self._served, now.served_first, self._before.served_first),
            (self._asked, now.asked_first, self._before.asked_first),
        ):
            table[self._slice] += new.histogram.astype(np.int64) - old.histogram.astype(np.int64)
        self._before = now.copy()


def samples_of(source: Source) -> Samples:
    """Of everything that it holds; reads its records once."""
    taker = SampleTaker(source.context)
    for records in source.records():
        taker.add(records, source)
    return taker.samples(source)


def _newest(records: Records) -> int | None:
    parts = ((records.operations, "completed_ns"), (records.socket_events, "ns"))
    return max((int(part[name].max()) for part, name in parts if len(part)), default=None)
