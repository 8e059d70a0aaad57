"""Long stretches in which the thread of an event loop neither waited nor served anybody.

A stretch lies between two calls of a thread that wait for events or move data of a socket. A busy
loop that serves one connection after another has none, however long its turn. What the thread slept
in calls within a stretch is summed by kind, so that many short ones count as one long one does; the rest
of the time it ran, or waited for a processor. Invariant: a stretch is whole; it may lie in several drains.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.moves import MoveRules
from uringtrace.tracer.findings.stays import OUTSIDE
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.turns import MOST_THREADS, Turns
from uringtrace.tracer.record import OPCODES
from uringtrace.tracer.source import Context

LONG_NS = 20_000_000
_KEPT = 512
"""Of each thread."""
_MOST_FILES = 1 << 20
_SOCKET, _OTHER = 1, 2


@dataclass(slots=True)
class Stretch:
    """One of one thread."""

    begin_ns: int
    end_ns: int = 0
    calls: int = 0
    slept_ns: Counter[int] = field(default_factory=Counter)
    """In calls in which it gave its processor up, by opcode."""
    sleeps: Counter[int] = field(default_factory=Counter)
    """How many calls that were."""

    @property
    def cause(self) -> int | None:
        """The opcode that it slept in for half of the time; OUTSIDE: it hardly slept at all."""
        whole = self.end_ns - self.begin_ns
        opcode, ns = max(self.slept_ns.items(), key=lambda item: item[1], default=(OUTSIDE, 0))
        if 2 * ns >= whole:
            return opcode
        return OUTSIDE if 2 * self.slept_ns.total() < whole else None

    def overlap_ns(self, begin_ns: int, end_ns: int) -> int:
        return max(0, min(self.end_ns, end_ns) - max(self.begin_ns, begin_ns))


class Stretches:
    """Of all threads that wait in calls of `waits`, the newest of each."""

    def __init__(self, context: Context, waits: Iterable[int]) -> None:
        self._rules = MoveRules(context.operation_names)
        self._is_wait = np.zeros(OPCODES, bool)
        self._is_wait[[opcode for opcode in waits if opcode >= 0]] = True
        self._kinds = np.zeros(1024, np.uint8)
        """By file number: whether it is a socket; 0: not asked yet."""
        self._open: dict[int, Stretch] = {}
        """Of the threads that have waited, what they are in."""
        self._of: dict[int, deque[Stretch]] = {}
        self.evicted = 0

    def observe(self, step: Step, turns: Turns) -> None:
        if not len(turns.order):
            return
        opcode = step.column("opcode")[turns.order]
        waits = self._is_wait[opcode]
        waiters = set(np.unique(turns.tid[waits]).tolist()) if waits.any() else set()
        if not waiters and not self._open:
            return
        file = step.column("file")[turns.order]
        moves = (self._rules.direction(opcode) > 0) & self._is_socket(step, file)
        place = np.flatnonzero(waits | moves)
        begun = step.column("submitted_ns")[turns.order]
        ended = step.column("completed_ns")[turns.order]
        same = turns.tid[place[1:]] == turns.tid[place[:-1]]
        long = same & (begun[place[1:]] > ended[place[:-1]] + np.uint64(LONG_NS))
        for index in np.flatnonzero(long).tolist():
            before, after = int(place[index]), int(place[index + 1])
            tid = int(turns.tid[before])
            if tid in waiters or tid in self._open:
                stretch = Stretch(int(ended[before]))
                _add(stretch, step, turns.order[before + 1 : after])
                self._keep(tid, stretch, int(begun[after]))
        self._carry(step, turns, place, waiters)

    def _carry(self, step: Step, turns: Turns, place: NDArray[np.intp], waiters: set[int]) -> None:
        """Stretches that go on from the drain before, and into the next."""
        starts = np.flatnonzero(turns.first)
        mine = [tid in waiters or tid in self._open for tid in turns.tid[starts].tolist()]
        ends = np.append(starts[1:], len(turns.order))[mine]
        starts = starts[mine]
        first = np.searchsorted(place, starts)
        last = np.searchsorted(place, ends) - 1
        for start, end, one, other in zip(
            starts.tolist(), ends.tolist(), first.tolist(), last.tolist(), strict=True
        ):
            tid = int(turns.tid[start])
            stretch = self._open.get(tid)
            if one > other:
                if stretch is not None:
                    _add(stretch, step, turns.order[start:end])
                continue
            if stretch is not None:
                until = int(place[one])
                end_ns = int(step.column("submitted_ns")[turns.order[until]])
                if end_ns > stretch.begin_ns + LONG_NS:
                    _add(stretch, step, turns.order[start:until])
                    self._keep(tid, stretch, end_ns)
            after = int(place[other])
            self._begin(tid, int(step.column("completed_ns")[turns.order[after]]))
            if after + 1 < end:
                _add(self._open[tid], step, turns.order[after + 1 : end])

    def _is_socket(self, step: Step, file: NDArray[np.uint32]) -> NDArray[np.bool_]:
        file = np.minimum(file, np.uint32(_MOST_FILES - 1))
        highest = int(file.max())
        if highest >= len(self._kinds):
            self._kinds = np.append(self._kinds, np.zeros(2 * highest - len(self._kinds), np.uint8))
        kinds = self._kinds[file]
        if not kinds.all():
            for number in np.unique(file[kinds == 0]).tolist():
                known = step.files.get(number)
                self._kinds[number] = _SOCKET if known is not None and known.socket is not None else _OTHER
            kinds = self._kinds[file]
        sockets: NDArray[np.bool_] = kinds == _SOCKET
        return sockets

    def _begin(self, tid: int, begin_ns: int) -> None:
        if tid not in self._open and len(self._open) >= MOST_THREADS:
            del self._open[next(iter(self._open))]
            self.evicted += 1
        self._open[tid] = Stretch(begin_ns)

    def _keep(self, tid: int, stretch: Stretch, end_ns: int) -> None:
        stretch.end_ns = end_ns
        if tid not in self._of and len(self._of) >= MOST_THREADS:
            del self._of[next(iter(self._of))]
            self.evicted += 1
        kept = self._of.setdefault(tid, deque(maxlen=_KEPT))
        self.evicted += len(kept) == _KEPT
        kept.append(stretch)

    def during(self, tid: int, begin_ns: int, end_ns: int) -> list[Stretch]:
        """Those of a thread that overlap this time, in order."""
        return [each for each in self._of.get(tid, ()) if each.overlap_ns(begin_ns, end_ns)]


def _add(stretch: Stretch, step: Step, rows: NDArray[np.intp]) -> None:
    stretch.calls += len(rows)
    rows = rows[step.column("slept")[rows]]
    if not len(rows):
        return
    begun, ended = step.column("submitted_ns")[rows], step.column("completed_ns")[rows]
    took = ended - np.minimum(np.maximum(begun, np.uint64(stretch.begin_ns)), ended)
    opcode = step.column("opcode")[rows]
    for number in np.unique(opcode).tolist():
        stretch.slept_ns[number] += int(took[opcode == number].sum())
        stretch.sleeps[number] += int((opcode == number).sum())
