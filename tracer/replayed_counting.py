"""Counting from batches: a `Source` made into a `CountingSource`.

`stat` reads a recording through this exactly as it reads the kernel's counters.
Time is the recording's own: `wait(1)` consumes one recorded second.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from uringtrace.tracer.record import Batch
from uringtrace.tracer.source import Context, Losses, Ring, Source
from uringtrace.tracer.statistics import Counters, accumulate, empty_counters, operation_traits


class ReplayedCounting:
    """Implements `CountingSource`; rings and losses are those of the whole source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._batches: Iterator[Batch] = source.batches()
        self._counters = empty_counters()
        self._traits = operation_traits(source.context.operation_names)
        self._kept: Batch | None = None
        self._now_ns = source.context.started_ns
        self._stopped = False

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
    def child_status(self) -> None:
        """Reading launches no command."""
        return None

    def counters(self) -> Counters:
        return self._counters.copy()

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
            batch = self._kept if self._kept is not None else next(self._batches, None)
            if batch is None:
                self._now_ns = max(self._now_ns, self._source.ended_ns)
                return True
            later = batch["completed_ns"] > np.uint64(until_ns)
            accumulate(self._counters, batch[~later], self._traits)
            self._kept = batch[later] if later.any() else None
            if self._kept is not None:
                self._now_ns = until_ns
                return False
        return True
