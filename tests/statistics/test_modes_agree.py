"""Counting in the kernel and counting streamed batches give the same totals.

The same program runs once under each mode. It does a fixed number of each kind of
operation, so everything but times must be equal.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from uringtrace.targets.build import binary
from uringtrace.tracer.capture import start_counting, start_streaming
from uringtrace.tracer.replayed_counting import ReplayedCounting
from uringtrace.tracer.source import CountingSource
from uringtrace.tracer.statistics import COUNTERS, Counters
from uringtrace.tracer.target import Target

pytestmark = pytest.mark.bpf

TIMES = ("sum_ns", "max_ns", "histogram", "reserved")
COMPARED = [name for name in COUNTERS.names if name not in TIMES]


def totals(source: CountingSource) -> Counters:
    while not source.wait(60):
        pass
    assert (source.losses.total_lost, source.losses.untracked) == (0, 0)
    return source.counters()


@pytest.fixture
def quiet() -> object:
    """The launched program inherits standard output: let it write to nowhere."""
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    yield
    os.dup2(kept, 1)
    os.close(kept)
    os.close(nowhere)


@pytest.mark.parametrize("subject", ["files", "sockets", "links", "multishot_recv", "skip", "zerocopy"])
@pytest.mark.usefixtures("quiet")
def test_both_modes_count_the_same(subject: str) -> None:
    program: Path = binary("kinds")
    target = Target(command=(str(program), subject), follow=True)
    with start_counting(target) as counting:
        counted = totals(counting)
    with start_streaming(target) as streaming:
        streamed = totals(ReplayedCounting(streaming))
    assert counted["completions"].sum() > 0
    different = {
        (streaming.context.operation_names[opcode], name): (counted[opcode][name], streamed[opcode][name])
        for name in COMPARED
        for opcode in np.flatnonzero(counted[name] != streamed[name]).tolist()
    }
    assert different == {}
