"""Which processes are targets: the probes' C code, following forks and exits."""

from __future__ import annotations

import numpy as np
import pytest

from tests.probes.conftest import Build
from tests.probes.engine import Engine
from tests.probes.fake_kernel import FakeKernel
from tests.probes.truth import Cqe
from uringtrace.probes.facts import ExitFact, ForkFact, parse_fact
from uringtrace.probes.program import PID_LIMIT, Filter, Mode
from uringtrace.tracer.rings import rings_from_table

TASKS = 0xD0000


class Processes:
    """Fires the scheduler's tracepoints for fake tasks."""

    def __init__(self, engine: Engine, pids: tuple[int, ...]) -> None:
        self.engine = engine
        self.kernel = FakeKernel(engine)
        self.targets = engine.table("targets").view("u1").reshape(-1)
        for pid in pids:
            self.targets[pid] = 1

    def task(self, place: int, pid: int, live: int = 0) -> int:
        address = self.engine.base + TASKS + 256 * place
        self.engine.write("task_struct", address, tgid=pid, signal=address + 128)
        self.engine.write("signal_struct", address + 128, live=live)
        return address

    def fork(self, parent: int, child: int) -> None:
        self.engine.fire("sched_process_fork", self.task(0, parent), self.task(1, child))

    def exit(self, pid: int, live: int = 0) -> None:
        self.engine.fire("sched_process_exit", self.task(0, pid, live))

    @property
    def set(self) -> list[int]:
        pids: list[int] = np.flatnonzero(self.targets).tolist()
        return pids

    def told(self) -> list[object]:
        return [parse_fact(record) for record in self.engine.facts()]


@pytest.fixture
def following(build: Build) -> Processes:
    return Processes(build(Mode.COUNT, Filter.FOLLOW), (700,))


def test_children_of_the_target_join_it(following: Processes) -> None:
    following.fork(700, 701)
    following.fork(701, PID_LIMIT - 1)
    following.fork(9, 10)
    assert following.set == [700, 701, PID_LIMIT - 1]
    assert following.told() == [ForkFact(701, 700), ForkFact(PID_LIMIT - 1, 701)]


def test_a_new_thread_is_no_child(following: Processes) -> None:
    following.fork(700, 700)
    assert following.set == [700]
    assert following.told() == []


def test_a_process_leaves_with_its_last_thread(following: Processes) -> None:
    following.fork(700, 701)
    following.told()
    following.exit(701, live=2)
    assert following.set == [700, 701]
    following.exit(701)
    assert following.set == [700]
    following.exit(9)
    assert following.told() == [ExitFact(701)]


def test_without_following_children_stay_out(build: Build) -> None:
    several = Processes(build(Mode.COUNT, Filter.BITS), (700, 701))
    several.fork(700, 702)
    assert several.set == [700, 701]
    several.exit(701)
    assert several.set == [700]


def test_only_targets_are_captured(following: Processes) -> None:
    kernel = following.kernel
    mine = kernel.create_ring(0, pid=700)
    other = kernel.create_ring(1, pid=800)
    for ring in (mine, other):
        kernel.flush([Cqe(kernel.submit(ring, "NOP"), 0)])
        kernel.publish(ring)
    (seen,) = rings_from_table(kernel.engine.rings)
    assert (seen.tgid, seen.submitted, seen.completions) == (700, 1, 1)
    assert kernel.engine.totals()["completions"].sum() == 1
    assert kernel.engine.losses() == {}
