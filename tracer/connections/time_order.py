"""Operations and socket events in the order of time, independent of how they were batched.

Records come nearly in the order of time: processors write them side by side. Rows are held
back until newer ones are further away than `SLACK_NS`; what is handed on then is sorted,
and nothing earlier follows. So the result does not depend on where batches end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.rows import join_rows, take_rows
from uringtrace.tracer.record import OPERATION, Batch
from uringtrace.tracer.records import SOCKET_EVENT

_NAMES = """
completed_ns submitted_ns result addr off arg0 arg1 arg2 arg3 arg4 tgid tid fd file second_file
result_file len op_flags cqe_flags file_index opcode ioprio kind sqe_flags has_arguments
"""
KEPT = np.dtype([(name, OPERATION[name]) for name in _NAMES.split()])
"""Of record.OPERATION what connections are made of: rows are copied several times."""

SLACK_NS = 20_000_000
"""No record is expected later than this after a newer one: one drain of the ring buffer."""
STRIDE_NS = 50_000_000
"""Time that is handed on at once, so that the work per operation stays small."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive time; both arrays ascend by `completed_ns` and `ns`."""

    operations: Batch
    """dtype KEPT"""
    events: NDArray[np.void]
    """dtype SOCKET_EVENT"""


class TimeOrder:
    """Holds records back until their order is certain."""

    def __init__(self) -> None:
        self._operations: list[Batch] = []
        self._events: list[NDArray[np.void]] = []
        self._oldest = 0
        self._newest = 0

    def add(
        self, operations: Batch, chosen: NDArray[np.bool_], events: NDArray[np.void], newest_ns: int
    ) -> Stretch | None:
        """Take the `chosen` operations (shape (n,)) and events; returns what is certain, if enough.

        `newest_ns` is the latest time of all that came, chosen or not; 0 for none.
        """
        for held, new, name in (
            (self._operations, _kept(operations, chosen), "completed_ns"),
            (self._events, events, "ns"),
        ):
            if len(new):
                held.append(new)
                oldest = int(new[name].min())
                self._oldest = min(self._oldest or oldest, oldest)
        self._newest = max(self._newest, newest_ns)
        if not self._oldest or self._newest - self._oldest < STRIDE_NS + SLACK_NS:
            return None
        return self._take(self._newest - SLACK_NS)

    def until(self, until_ns: int) -> Stretch:
        """What happened before `until_ns` and is still held back."""
        return self._take(until_ns)

    def rest(self) -> Stretch:
        """Everything that is still held back."""
        return self._take(2**63 - 1)

    def _take(self, until_ns: int) -> Stretch:
        operations, later = _sorted_until(self._operations, KEPT, "completed_ns", until_ns)
        events, later_events = _sorted_until(self._events, SOCKET_EVENT, "ns", until_ns)
        self._operations = [later] if len(later) else []
        self._events = [later_events] if len(later_events) else []
        starts = [
            int(held[0][name]) for held, name in ((later, "completed_ns"), (later_events, "ns")) if len(held)
        ]
        self._oldest = min(starts, default=0)
        return Stretch(operations, events)


def _kept(operations: Batch, chosen: NDArray[np.bool_]) -> Batch:
    rows = np.empty(int(chosen.sum()), KEPT)
    every = len(rows) == len(operations)
    for name in KEPT.names or ():
        rows[name] = operations[name] if every else operations[name][chosen]
    return rows


def _sorted_until(
    parts: list[NDArray[np.void]], dtype: np.dtype[np.void], name: str, until_ns: int
) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """What happened before `until_ns`, and the rest; both sorted, equal times as they came."""
    if not parts:
        return np.zeros(0, dtype), np.zeros(0, dtype)
    whole = join_rows(parts) if len(parts) > 1 else parts[0]
    time = whole[name]
    if (time[1:] < time[:-1]).any():
        whole = take_rows(whole, np.argsort(time, kind="stable"))
    cut = int(np.searchsorted(whole[name], np.uint64(until_ns)))
    return whole[:cut], whole[cut:]
