"""Event loops: who waits for what, and when nobody does.

An instance is what threads wait on for many descriptors: an epoll instance, a ring whose
completions are waited for, or, of poll and select, the thread itself.
A gap is a time in which no thread was waiting on the instance. The thread that left it last is
its harvester: it has what was reported, and nobody else can see what comes next.

A wait that began before a gap is known only when it has returned, so gaps are cut by what
comes later. Invariant: a gap that is asked for was covered by no wait that was observed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.readiness.calls import ReadinessCalls, Role
from uringtrace.tracer.record import Batch, Kind
from uringtrace.tracer.source import Context

GAP_NS = 20_000_000
"""Shorter gaps are not kept."""
_GAPS_KEPT = 1024
_MOST_INSTANCES = 4096
_EPOLL, _RING, _SELF = 1 << 60, 2 << 60, 3 << 60
_IDENTITY = (1 << 60) - 1
_GETEVENTS = 1


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody waited on the instance."""

    begin_ns: int
    end_ns: int
    harvester: int
    """The thread that left it last."""

    @property
    def ns(self) -> int:
        return self.end_ns - self.begin_ns


@dataclass(slots=True)
class Instance:
    """One instance, as far as it was seen."""

    key: int
    fd: int
    file: int
    tgid: int
    waits: int = 0
    ready: int = 0
    """Waits that reported something."""
    waiters: dict[int, int] = field(default_factory=dict)
    """Waits of each thread."""
    frontier_ns: int = 0
    """Until then the waits that were observed reach."""
    harvester: int = 0
    gaps: deque[Gap] = field(default_factory=lambda: deque(maxlen=_GAPS_KEPT))
    holds_sockets: bool = False
    """It reported a socket, is a ring, or is waited on for several descriptors."""
    holds_peers: bool = False
    """It reported a socket that leads somewhere, not one half of a pair."""
    holds_listener: bool = False
    most_waiting: int = 0
    """Threads that were seen to wait on it at once, in one drain."""

    @property
    def is_epoll(self) -> bool:
        return self.key & ~_IDENTITY == _EPOLL

    @property
    def is_ring(self) -> bool:
        return self.key & ~_IDENTITY == _RING

    @property
    def is_thread(self) -> bool:
        return self.key & ~_IDENTITY == _SELF


class Loops:
    """All instances of a capture."""

    def __init__(self, context: Context, calls: ReadinessCalls) -> None:
        self._calls = calls
        opcodes = {name: opcode for opcode, name in context.operation_names.items()}
        self._enter = opcodes.get("io_uring_enter", -1)
        self.instances: dict[int, Instance] = {}
        self.evicted = 0

    def keys(self, rows: Batch) -> NDArray[np.uint64]:
        """The instance that each row waits on, shape (n,); 0: it waits on none."""
        role = self._calls.of(rows)
        keys = np.zeros(len(rows), np.uint64)
        identity = np.where(rows["file"] > 0, rows["file"], rows["tgid"].astype(np.uint64) << np.uint64(20))
        identity = identity.astype(np.uint64)
        epoll = role == Role.EPOLL_WAIT
        keys[epoll] = np.uint64(_EPOLL) + identity[epoll]
        counted = rows["arg2"] & np.uint64(0xFFFFFFFF) > 0
        ring = (rows["opcode"] == self._enter) & counted & (rows["arg3"] & np.uint64(_GETEVENTS) != 0)
        keys[ring] = np.uint64(_RING) + identity[ring]
        polls = (role == Role.POLL) | (role == Role.SELECT)
        keys[polls] = np.uint64(_SELF) + rows["tid"][polls]
        return keys

    def observe(self, step: Step) -> None:
        """Take the waits of one drain that returned."""
        maybe = step.returned & (
            (self._calls.of(step.operations) != Role.NONE) | (step.column("opcode") == self._enter)
        )
        if not maybe.any():
            return
        rows = step.rows(maybe)
        keys = self.keys(rows)
        if not keys.all():
            rows, keys = rows[keys > 0], keys[keys > 0]
        for key in np.unique(keys).tolist():
            self._add(key, rows[keys == key], step.facts.context.started_ns)

    def _add(self, key: int, rows: Batch, started_ns: int) -> None:
        instance = self.instances.get(key)
        if instance is None:
            if len(self.instances) >= _MOST_INSTANCES:
                self.evicted += 1
                return
            instance = Instance(key, int(rows["fd"][-1]), int(rows["file"][-1]), int(rows["tgid"][-1]))
            instance.holds_sockets = instance.is_ring
            self.instances[key] = instance
        if instance.is_thread and not instance.holds_sockets:
            # poll with one descriptor is how a blocking call is given a time limit.
            polls = self._calls.of(rows) == Role.POLL
            instance.holds_sockets = bool((~polls | (rows["arg1"] & np.uint64(0xFFFFFFFF) > 1)).any())
        instance.waits += len(rows)
        instance.ready += int((rows["result"] > 0).sum())
        tids, counts = np.unique(rows["tid"], return_counts=True)
        for tid, count in zip(tids.tolist(), counts.tolist(), strict=True):
            if tid in instance.waiters or len(instance.waiters) < _MOST_INSTANCES:
                instance.waiters[tid] = instance.waiters.get(tid, 0) + count
        begin = np.maximum(rows["submitted_ns"], np.uint64(started_ns))
        order = np.argsort(begin, kind="stable")
        begin, end, tid = begin[order], rows["completed_ns"][order], rows["tid"][order]
        if len(tids) > 1:
            waiting = np.arange(1, len(begin) + 1) - np.searchsorted(np.sort(end), begin, side="right")
            instance.most_waiting = max(instance.most_waiting, int(waiting.max()))
        reach = np.maximum.accumulate(end)
        reached = np.concatenate([[np.uint64(instance.frontier_ns)], reach[:-1]])
        reached = np.maximum(reached, np.uint64(instance.frontier_ns))
        # A wait that reaches back to before what is already known to be a gap ends that gap earlier.
        for place in np.flatnonzero(begin < np.uint64(instance.frontier_ns)).tolist():
            _cut(instance, int(begin[place]), int(end[place]))
        newest = np.maximum.accumulate(np.where(end == reach, np.arange(len(end)), 0))
        late = begin > reached + np.uint64(GAP_NS)
        for place in np.flatnonzero(late & (reached > 0)).tolist():
            last = int(tid[newest[place - 1]]) if place and reach[place - 1] >= instance.frontier_ns else 0
            instance.gaps.append(Gap(int(reached[place]), int(begin[place]), last or instance.harvester))
        if int(reach[-1]) >= instance.frontier_ns:
            instance.frontier_ns = int(reach[-1])
            instance.harvester = int(tid[newest[-1]])

    def note_reported(self, epoll_file: int, *, listener: bool, peer: bool) -> None:
        """An epoll instance was seen to report a socket; `listener`: one that listens; `peer`: of a peer."""
        instance = self.instances.get(_EPOLL + epoll_file)
        if instance is not None:
            instance.holds_sockets = True
            instance.holds_listener |= listener
            instance.holds_peers |= peer or listener

    def waiters(self, epoll_file: int) -> int:
        """How many threads have waited on an epoll instance."""
        instance = self.instances.get(_EPOLL + epoll_file)
        return 0 if instance is None else len(instance.waiters)

    def gaps(self, instance: Instance, at_ns: int, under_way: Batch | None) -> list[Gap]:
        """All gaps, the one that lasts until `at_ns` included where it is sure to be one."""
        gaps = list(instance.gaps)
        if under_way is None or not len(under_way):
            return gaps
        calls = under_way[(under_way["kind"] == Kind.UNFINISHED) & (under_way["ring"] == 0)]
        begun = calls["submitted_ns"][self.keys(calls) == np.uint64(instance.key)]
        if len(begun):
            for begin in begun.tolist():
                gaps = [each for gap in gaps for each in _without(gap, begin, at_ns)]
        elif (calls["tid"] == instance.harvester).any() and at_ns - instance.frontier_ns > GAP_NS:
            gaps.append(Gap(instance.frontier_ns, at_ns, instance.harvester))
        return gaps

    def loop_threads(self) -> set[int]:
        """Threads that wait on epoll instances or rings: poll in them is no loop of its own."""
        return {tid for each in self.instances.values() if not each.is_thread for tid in each.waiters}


def _cut(instance: Instance, begin_ns: int, end_ns: int) -> None:
    if any(gap.begin_ns < end_ns and begin_ns < gap.end_ns for gap in instance.gaps):
        kept = [each for gap in instance.gaps for each in _without(gap, begin_ns, end_ns)]
        instance.gaps.clear()
        instance.gaps.extend(kept)


def _without(gap: Gap, begin_ns: int, end_ns: int) -> list[Gap]:
    """What is left of a gap, if it is still long enough. After the wait its waiter is the harvester."""
    if end_ns <= gap.begin_ns or gap.end_ns <= begin_ns:
        return [gap]
    left = replace(gap, end_ns=min(begin_ns, gap.end_ns))
    return [left] if left.ns > GAP_NS else []
