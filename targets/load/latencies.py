"""Latencies in logarithmic buckets: bounded memory, a stated resolution, an exact maximum.

The buckets are those of HdrHistogram: 128 of the same width for every power of two, so
that a value and the end of its bucket differ by less than 1/128 of the value.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_BITS = 7
RESOLUTION = 1 / (1 << _BITS)
"""The most by which a quantile exceeds the true one, as a part of it."""

_EXACT = 2 << _BITS
"""Smaller values have a bucket of their own."""

_BUCKETS = (64 - _BITS) << _BITS
"""As many as 63 bits of nanoseconds need."""


@dataclass(slots=True)
class Latencies:
    """A distribution of times in nanoseconds."""

    counts: list[int] = field(default_factory=lambda: [0] * _BUCKETS)
    count: int = 0
    total_ns: int = 0
    min_ns: int | None = None
    max_ns: int | None = None

    def add(self, value_ns: int) -> None:
        """Count one latency, which is at least 0."""
        exponent = value_ns.bit_length() - _BITS - 1
        self.counts[(exponent << _BITS) + (value_ns >> exponent) if exponent > 0 else value_ns] += 1
        self.count += 1
        self.total_ns += value_ns
        if self.max_ns is None or value_ns > self.max_ns:
            self.max_ns = value_ns
        if self.min_ns is None or value_ns < self.min_ns:
            self.min_ns = value_ns

    def mean_ns(self) -> int | None:
        """The exact mean, rounded down; None where nothing was counted."""
        return self.total_ns // self.count if self.count else None

    def quantile_ns(self, permille: int) -> int | None:
        """The smallest value that at least `permille` of 1000 latencies do not exceed.

        Never below the true one, above it by less than `RESOLUTION` of it, and never
        above the maximum. None where nothing was counted.
        """
        if self.max_ns is None:
            return None
        rank = max(1, -(-self.count * permille // 1000))
        seen = 0
        for index, number in enumerate(self.counts):
            seen += number
            if seen >= rank:
                return min(_end(index), self.max_ns)
        raise AssertionError("the buckets hold as many as were counted")


def _end(index: int) -> int:
    """The largest value of a bucket."""
    if index < _EXACT:
        return index
    exponent = (index >> _BITS) - 1
    first = (index & ((1 << _BITS) - 1)) + (1 << _BITS)
    return ((first + 1) << exponent) - 1
