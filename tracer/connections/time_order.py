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
from uringtrace.tracer.connections.columns import Columns, joined, no_columns
from uringtrace.tracer.records import SOCKET_EVENT

SLACK_NS = 20_000_000
"""No record is expected later than this after a newer one: one drain of the ring buffer."""
STRIDE_NS = 50_000_000
"""Time that is handed on at once, so that the work per operation stays small."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive time; both arrays ascend by `completed_ns` and `ns`."""

    operations: Columns
    events: NDArray[np.void]
    """dtype SOCKET_EVENT"""


class TimeOrder:
    """Holds records back until their order is certain."""

    def __init__(self) -> None:
        self._operations: list[Columns] = []
        self._events: list[NDArray[np.void]] = []
        self._oldest = 0
        self._newest = 0

    def add(self, operations: Columns, events: NDArray[np.void], newest_ns: int) -> Stretch | None:
        """Take operations and events; returns what is certain, if enough.

        `newest_ns` is the latest time of all that came, also of what is not followed; 0 for none.
        """
        if len(operations):
            self._operations.append(operations)
        if len(events):
            self._events.append(events)
        times = [part for part in (operations["completed_ns"], events["ns"]) if len(part)]
        oldest = min((int(part.min()) for part in times), default=self._oldest)
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
        operations, later = _operations_until(self._operations, until_ns)
        events, later_events = _events_until(self._events, until_ns)
        self._operations = [later] if len(later) else []
        self._events = [later_events] if len(later_events) else []
        starts = [int(times[0]) for times in (later["completed_ns"], later_events["ns"]) if len(times)]
        self._oldest = min(starts, default=0)
        return Stretch(operations, events)


def _operations_until(parts: list[Columns], until_ns: int) -> tuple[Columns, Columns]:
    """What happened before `until_ns`, and the rest; both sorted, equal times as they came."""
    if not parts:
        return no_columns(), no_columns()
    whole = joined(parts)
    time = whole["completed_ns"]
    if (time[1:] < time[:-1]).any():
        whole = whole.take(np.argsort(time, kind="stable"))
    cut = int(np.searchsorted(whole["completed_ns"], np.uint64(until_ns)))
    return whole.take(slice(None, cut)), whole.take(slice(cut, None))


def _events_until(parts: list[NDArray[np.void]], until_ns: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """The same of socket events."""
    if not parts:
        return np.zeros(0, SOCKET_EVENT), np.zeros(0, SOCKET_EVENT)
    whole = join_rows(parts) if len(parts) > 1 else parts[0]
    time = whole["ns"]
    if (time[1:] < time[:-1]).any():
        whole = take_rows(whole, np.argsort(time, kind="stable"))
    cut = int(np.searchsorted(whole["ns"], np.uint64(until_ns)))
    return whole[:cut], whole[cut:]
