"""Counting from records: a `Source` made into a `CountingSource`.

`stat` reads a recording through `ReplayedCounting` exactly as it reads the kernel's
counters. Time is the recording's own: `wait(1)` consumes one recorded second. With
`StreamedCounting` a running capture is counted the same way, so that tables of connections
and threads come from the very records that were counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from uringtrace.probes.rows import take_rows
from uringtrace.tracer.connections.summary import ConnectionsSummary
from uringtrace.tracer.details import Details
from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, Losses, Ring, Source
from uringtrace.tracer.statistics import Counters, accumulate, empty_counters, operation_traits
from uringtrace.tracer.threads import ThreadActivity


class LaunchingStream(Source, Protocol):
    """A running capture that may have launched its target."""

    @property
    def child_status(self) -> int | None: ...

    def stop(self) -> None: ...


class ReplayedCounting:
    """Implements `LaunchingSource`; rings and losses are those of the whole source.

    The source's records belong to it alone. `connections` and `threads` say what to follow
    besides counting.
    """

    def __init__(self, source: Source, *, connections: bool = False, threads: bool = False) -> None:
        self._source = source
        self._records: Iterator[Records] = source.records()
        self._counters = empty_counters()
        self._traits = operation_traits(source.context.operation_names)
        self._kept: Batch | None = None
        self._now_ns = source.context.started_ns
        self._stopped = False
        self._details = Details(source.context, connections=connections, threads=threads)

    @property
    def context(self) -> Context:
        return self._source.context

    @property
    def rings(self) -> tuple[Ring, ...]:
        return self._source.rings

    @property
    def losses(self) -> Losses:
        return self._source.losses

    @property
    def ended_ns(self) -> int:
        return self._now_ns

    @property
    def child_status(self) -> int | None:
        """Reading launches no command."""
        return None

    def counters(self) -> Counters:
        return self._counters.copy()

    def connections(self) -> ConnectionsSummary | None:
        """Of what was consumed so far; None when they are not followed."""
        return self._details.connections(self._source)

    def threads(self) -> tuple[ThreadActivity, ...] | None:
        """Of what was consumed so far; None when they are not followed."""
        return self._details.threads(self._source)

    def stop(self) -> None:
        self._stopped = True

    def wait(self, seconds: float) -> bool:
        """Consume until the first row that completed later; True when nothing is left.

        Rows of one batch are nearly, not quite, in the order of completion: a batch is
        split at the moment, so that each row counts in the interval it belongs to
        except where a later batch still brings an earlier row.
        """
        until_ns = self._now_ns + round(seconds * 1e9)
        while not self._stopped:
            batch = self._kept if self._kept is not None else self._next()
            if batch is None:
                self._now_ns = max(self._now_ns, self._source.ended_ns)
                return True
            later = batch["completed_ns"] > np.uint64(until_ns)
            accumulate(self._counters, take_rows(batch, ~later), self._traits)
            self._kept = take_rows(batch, later) if later.any() else None
            if self._kept is not None:
                self._now_ns = until_ns
                return False
        return True

    def _next(self) -> Batch | None:
        """The next operations, followed already; None at the end."""
        records = next(self._records, None)
        if records is None:
            return None
        self._details.add(records, self._source)
        return records.operations


class StreamedCounting(ReplayedCounting):
    """Counts a streaming capture while it runs, in the time of the clock."""

    def __init__(self, stream: LaunchingStream, *, connections: bool = False, threads: bool = False) -> None:
        super().__init__(stream, connections=connections, threads=threads)
        self._stream = stream

    @property
    def child_status(self) -> int | None:
        return self._stream.child_status

    def stop(self) -> None:
        """End the capture; what it still delivers is consumed by `wait`."""
        self._stream.stop()

    def wait(self, seconds: float) -> bool:
        """Count what comes for so long; True when the target has ended or `stop` was called."""
        until_ns = max(self._now_ns, self._stream.ended_ns) + round(seconds * 1e9)
        while (batch := self._next()) is not None:
            accumulate(self._counters, batch, self._traits)
            self._now_ns = self._stream.ended_ns
            if self._now_ns >= until_ns and seconds > 0:
                return False
        self._now_ns = self._stream.ended_ns
        return True
