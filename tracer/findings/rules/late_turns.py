"""Connections that a thread was told of and read late, because it was held on the way to them.

Where several threads wait on one instance, one that blocks stops no loop: the others go on. But what
it was told of together with what blocked it waits until it comes to it. That is no gap of the
loop, so it is looked for from the connections' side: data that arrived before the thread got
stuck, and that the same thread read afterwards without having waited in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from uringtrace.tracer.findings.rule import Shared
from uringtrace.tracer.findings.stays import Stay
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.unread import LateRead
from uringtrace.tracer.record import OPCODES

_MOST_KEPT = 1024


@dataclass(slots=True)
class HeldTurns:
    """What one thread read late for one cause."""

    late: list[LateRead] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    """Where it was meanwhile, each once."""


class LateTurns:
    """Of all threads of a capture."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._is_wait = np.zeros(OPCODES, bool)
        self._is_wait[[opcode for opcode in shared.wait_opcodes if opcode >= 0]] = True
        self._handled_ns = 0
        self._found: dict[tuple[int, int], HeldTurns] = {}
        self._kept = 0
        self.evicted = 0

    def observe(self, step: Step) -> None:
        late = self._shared.unread.late
        if not late or late[-1].read_ns <= self._handled_ns:
            return
        fresh = [each for each in late if each.read_ns > self._handled_ns and each.tid]
        self._handled_ns = max(each.read_ns for each in late)
        for each in fresh:
            self._take(step, each)

    def _take(self, step: Step, late: LateRead) -> None:
        stays = self._shared.stays.during(late.tid, late.arrived_ns, late.read_ns)
        stays = [stay for stay in stays if stay.begin_ns >= late.arrived_ns]
        cause = _cause(stays, late)
        if cause is None:
            return
        mine = [stay for stay in stays if stay.opcode == cause]
        if self._waited(step, late, mine[-1].end_ns):
            return
        if self._kept >= _MOST_KEPT:
            self.evicted += 1
            return
        self._kept += 1
        turns = self._found.setdefault((late.tid, cause), HeldTurns())
        turns.late.append(late)
        turns.stays += [stay for stay in mine if stay not in turns.stays[-len(mine) :]]

    def _waited(self, step: Step, late: LateRead, since_ns: int) -> bool:
        """Whether the thread waited between then and the read: then it was told of it only there."""
        waits = step.returned & self._is_wait[step.column("opcode")] & (step.column("tid") == late.tid)
        ended = step.column("completed_ns")[waits]
        return bool(((ended >= np.uint64(since_ns)) & (ended <= np.uint64(late.read_ns))).any())

    def outside(
        self, threads: Iterable[int], gaps: dict[int, list[tuple[int, int]]]
    ) -> dict[tuple[int, int], HeldTurns]:
        """By thread and opcode, of these threads: what did not fall into gaps of their loops."""
        found = {}
        wanted = set(threads)
        for (tid, cause), turns in self._found.items():
            late = [each for each in turns.late if not _covered(each, gaps.get(tid, []))]
            if tid in wanted and late:
                stays = [
                    stay
                    for stay in turns.stays
                    if any(stay.overlap_ns(each.arrived_ns, each.read_ns) for each in late)
                ]
                found[tid, cause] = HeldTurns(late, stays)
        return found


def _cause(stays: list[Stay], late: LateRead) -> int | None:
    """Where it was for at least half of the time."""
    covered: Counter[int] = Counter()
    for stay in stays:
        covered[stay.opcode] += stay.overlap_ns(late.arrived_ns, late.read_ns)
    opcode, ns = max(covered.items(), key=lambda item: item[1], default=(0, 0))
    return opcode if 2 * ns >= late.ns else None


def _covered(late: LateRead, gaps: list[tuple[int, int]]) -> bool:
    """Half of the time nobody waited on the loop: its gap says it already."""
    inside = sum(max(0, min(end, late.read_ns) - max(begin, late.arrived_ns)) for begin, end in gaps)
    return 2 * inside >= late.ns
