"""strace's log beside a capture of the same seconds: which call of the one is which of the other.

Pure functions over numpy batches, but for `read`, which opens a log and a recording. The result
of everything is a `Comparison`. Invariant: each row of either side is in it exactly once, as a
pair or with the reason why the other side has none.
"""

from uringtrace.tracer.compare.account import Comparison, compare
from uringtrace.tracer.compare.clock import Alignment
from uringtrace.tracer.compare.reasons import OnlyOurs, OnlyTheirs
from uringtrace.tracer.compare.sides import Log, Observed, observed

__all__ = [
    "Alignment",
    "Comparison",
    "Log",
    "Observed",
    "OnlyOurs",
    "OnlyTheirs",
    "compare",
    "observed",
]
