"""Which descriptor a readiness is of: an as-of join of waits with interest lists.

epoll reports the number that the application gave with a descriptor. Each entry is an
interval of time in which its instance may report its number: from the call of the epoll_ctl
that made it, since a waiter may return before that does, to the return of the one that
ended it. A readiness is of the one entry with its number that was there while the wait
collected. Invariant: where two entries could be meant, none is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.readiness.calls import ReadinessCalls, running_calls
from uringtrace.tracer.readiness.interest import OVERLAP_NS, Change, InterestList
from uringtrace.tracer.readiness.waits import NOTHING_LOCATED, LocatedReadiness, located_readiness
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Interest

_NEVER = np.uint64(2**64 - 1)


class ReadinessResolver:
    """Fills in the descriptors of epoll's readiness, batch after batch.

    Records have to come in the order of time. Where a change is handed over in a later
    batch than a wait that it preceded, as may happen within microseconds, the readiness
    stays unresolved.
    """

    def __init__(self, interests: Iterable[Interest] = (), calls: ReadinessCalls | None = None) -> None:
        self._calls = calls or running_calls()
        self.interests = InterestList(interests, self._calls)
        """The interest lists after the records that were added."""

    def add(self, records: Records) -> NDArray[np.void]:
        """The readiness of `records`, dtype `READINESS`, with `fd` and `file` where they are known."""
        return self.locate(records).readiness

    def locate(self, records: Records, roles: NDArray[np.uint8] | None = None) -> LocatedReadiness:
        """What `add` returns, with the row of each; use one of the two.

        `roles` are those of the operations, where somebody has asked for them.
        """
        operations = records.operations
        if self.interests.unchanged(operations, self._calls.of(operations) if roles is None else roles):
            return NOTHING_LOCATED
        history = self.interests.add(records)
        located = located_readiness(records, self._calls)
        readiness = located.readiness
        asked = np.flatnonzero(readiness["epoll_file"])
        if not asked.size or not history.size:
            return located
        intervals = _intervals(history)
        row = located.row[asked]
        completed = readiness["completed_ns"][asked]
        # Field by field: copying whole rows of operations is what would cost most here.
        woken = operations["woken_ns"][row]
        slept = operations["slept"][row] & (woken != 0)
        began = np.where(slept, woken, readiness["submitted_ns"][asked])
        earliest = completed - np.minimum(completed, np.uint64(OVERLAP_NS))
        collecting = np.minimum(np.maximum(began, earliest), completed)
        files, data = readiness["epoll_file"][asked], readiness["data"][asked]
        entry = _entry_at(intervals, history, files, data, collecting, completed)
        known = entry >= 0
        if not intervals.has_event.all():
            known &= ~_any_unknown(intervals, files, collecting, completed)
        chosen = asked[known]
        readiness["fd"][chosen] = history["fd"][intervals.change[entry[known]]]
        readiness["file"][chosen] = history["file"][intervals.change[entry[known]]]
        return located


class _Intervals(NamedTuple):
    """The times in which entries may report; each array has one item per interval."""

    change: NDArray[np.int64]
    """Index of the change that made the entry."""
    epoll_file: NDArray[np.uint32]
    data: NDArray[np.uint64]
    has_event: NDArray[np.bool_]
    begin: NDArray[np.uint64]
    end: NDArray[np.uint64]


def _intervals(history: NDArray[np.void]) -> _Intervals:
    """From changes sorted by (epoll_file, fd, ns)."""
    following = np.concatenate([history[1:], history[:1]])
    replaced = (history["epoll_file"] == following["epoll_file"]) & (history["fd"] == following["fd"])
    replaced[-1:] = False
    begin = history["submitted_ns"]
    # An ADD succeeds only where no entry was left; one that keeps its number goes on without a gap.
    same = history["has_event"] & following["has_event"] & (history["data"] == following["data"])
    early = (following["operation"] == Change.ADD) | ((following["operation"] == Change.MOD) & same)
    end = np.where(replaced, np.where(early, following["submitted_ns"], following["ns"]), _NEVER)
    opened = np.flatnonzero(history["operation"] != Change.DEL)
    return _Intervals(
        opened,
        history["epoll_file"][opened],
        history["data"][opened],
        history["has_event"][opened],
        begin[opened],
        np.maximum(begin, end)[opened],
    )


def _entry_at(
    intervals: _Intervals,
    history: NDArray[np.void],
    epoll_file: NDArray[np.uint32],
    data: NDArray[np.uint64],
    collecting: NDArray[np.uint64],
    completed: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """For each query the interval that is meant; -1: none, or more than one could be."""
    usable = intervals.has_event
    group = (data, epoll_file)
    own = (intervals.data[usable], intervals.epoll_file[usable])
    begin, end = intervals.begin[usable], intervals.end[usable]
    numbers = np.flatnonzero(usable)
    count, which = _live(own, begin, end, group, completed)
    entry = np.where(count == 1, _item(numbers, which), -1)
    if (end == _NEVER).all():
        return entry
    count_before, which = _live(own, begin, end, group, collecting)
    before = np.where(count_before == 1, _item(numbers, which), -1)
    # Deleted while the wait returned: it was there when the events were collected.
    entry = np.where((count == 0) & (count_before == 1), before, entry)
    compared = (entry >= 0) & (before >= 0) & (entry != before)
    change = intervals.change
    now, then = history[change[entry[compared]]], history[change[before[compared]]]
    same = (now["fd"] == then["fd"]) & ((now["file"] == then["file"]) | (then["file"] == 0))
    entry[np.flatnonzero(compared)[~same]] = -1
    entry[count_before > 1] = -1
    return entry


def _any_unknown(
    intervals: _Intervals,
    epoll_file: NDArray[np.uint32],
    collecting: NDArray[np.uint64],
    completed: NDArray[np.uint64],
) -> NDArray[np.bool_]:
    """Whether an instance had an entry whose number is not known, which could be any."""
    unknown = ~intervals.has_event
    own = (intervals.epoll_file[unknown],)
    begin, end = intervals.begin[unknown], intervals.end[unknown]
    after, _ = _live(own, begin, end, (epoll_file,), completed)
    before, _ = _live(own, begin, end, (epoll_file,), collecting)
    return (after > 0) | (before > 0)


def _live(
    own: tuple[NDArray[np.integer], ...],
    begin: NDArray[np.uint64],
    end: NDArray[np.uint64],
    asked: tuple[NDArray[np.integer], ...],
    when: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many intervals of the same group hold the time asked, and the index of one that is alone.

    Beginnings add to a running count and to a running sum of indices, ends subtract; where
    the count is 1 the sum is the index. `own` and `asked` are the columns of the groups.
    """
    intervals, queries = begin.size, when.size
    columns = [np.concatenate([mine, mine, theirs]) for mine, theirs in zip(own, asked, strict=True)]
    time = np.concatenate([end, begin, when])
    kind = np.repeat(np.arange(3, dtype=np.uint8), [intervals, intervals, queries])
    order = np.lexsort((kind, time, *columns))
    index = np.arange(intervals)
    nothing = np.zeros(queries, np.int64)
    steps = np.concatenate([-np.ones(intervals, np.int64), np.ones(intervals, np.int64), nothing])
    items = np.concatenate([-index, index, nothing])
    # Within a group everything that begins ends, so no count runs on into the next one, except
    # for what never ends: those are subtracted after all queries, at the end of time.
    count, item = np.cumsum(steps[order]), np.cumsum(items[order])
    counts, found = np.empty_like(count), np.empty_like(item)
    counts[order], found[order] = count, item
    return counts[-queries:], found[-queries:]


def _item(numbers: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
    """`numbers` at `which`, which means something only where it is in range."""
    if not numbers.size:
        return np.full(which.size, -1)
    return numbers[np.clip(which, 0, numbers.size - 1)]
