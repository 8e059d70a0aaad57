"""The times of all requests of a capture, as counts and histograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.statistics import BUCKETS, bucket

NO_ROLE, SERVES, ASKS = 0, 1, 2
"""Which side of a connection the target is."""


@dataclass(slots=True)
class Distribution:
    """Times of all requests of one role."""

    count: int
    sum_ns: int
    max_ns: int
    histogram: NDArray[np.uint64]
    """As `statistics.bucket` counts, shape (BUCKETS,)."""

    @classmethod
    def empty(cls) -> Distribution:
        return cls(0, 0, 0, np.zeros(BUCKETS, np.uint64))

    def copy(self) -> Distribution:
        return Distribution(self.count, self.sum_ns, self.max_ns, self.histogram.copy())

    def add(self, times: NDArray[np.int64]) -> None:
        if len(times):
            self.count += len(times)
            self.sum_ns += int(times.sum())
            self.max_ns = max(self.max_ns, int(times.max()))
            np.add.at(self.histogram, bucket(times.astype(np.uint64)), np.uint64(1))


@dataclass(frozen=True, slots=True)
class RequestTimes:
    """First and last times of the whole capture, of servers' and of clients' connections."""

    served_first: Distribution
    served_last: Distribution
    asked_first: Distribution
    asked_last: Distribution

    @classmethod
    def empty(cls) -> RequestTimes:
        return cls(Distribution.empty(), Distribution.empty(), Distribution.empty(), Distribution.empty())

    def copy(self) -> RequestTimes:
        return RequestTimes(
            self.served_first.copy(), self.served_last.copy(), self.asked_first.copy(), self.asked_last.copy()
        )

    def of(self, role: int) -> tuple[Distribution, Distribution]:
        if role == SERVES:
            return self.served_first, self.served_last
        return self.asked_first, self.asked_last
