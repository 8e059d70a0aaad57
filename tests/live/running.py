"""A running capture for tests: drains that a test writes down, by a clock that it moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.fakes import STARTED_NS, FakeSource
from tests.live.clock import Clock
from uringtrace.probes.slots import OPERATION_SLOT, Slots
from uringtrace.tracer.launch import Launched
from uringtrace.tracer.record import Kind


def slots(count: int, *, at_ns: int = STARTED_NS + 1_000_000, kind: int = Kind.COMPLETION) -> Slots:
    """NOPs that completed one after the other from `at_ns` on."""
    made = np.zeros(count, OPERATION_SLOT)
    made["kind"], made["ring"], made["fd"] = kind, 5, -1
    made["tgid"], made["tid"] = 4242, 4243
    made["submitted_ns"] = at_ns - 1000 + np.arange(count)
    made["completed_ns"] = at_ns + np.arange(count)
    made["length"] = OPERATION_SLOT.itemsize - 8
    return made


@dataclass
class FakeCapture(FakeSource):
    """Implements `capture_feed.RunningCapture`; 10 ms pass with each drain."""

    parts: Sequence[object] = ()
    drains: Sequence[Slots] = ()
    clock: Clock = field(default_factory=Clock)
    pids: frozenset[int] | None = frozenset()
    launched: Launched | None = None
    under_way: Slots = field(default_factory=lambda: slots(0))
    before_drain: Callable[[int], object] = lambda number: None
    ended_ns: int = STARTED_NS
    forgotten: list[int] = field(default_factory=list)
    numbered: set[int] = field(default_factory=set)

    def chunks(self) -> Iterator[Slots]:
        for number, drain in enumerate(self.drains):
            if self.stopped:
                return
            self.clock.pass_seconds(0.01)
            self.ended_ns = self.clock.now_ns
            self.before_drain(number)
            yield drain
        yield slots(0)

    def under_way_slots(self) -> Slots:
        return self.under_way

    def forget_files(self, numbers: Iterable[int]) -> None:
        self.forgotten += numbers

    def numbered_files(self) -> NDArray[np.uint32]:
        return np.array(sorted(self.numbered), np.uint32)
