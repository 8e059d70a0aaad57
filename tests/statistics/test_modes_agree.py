"""Counting in the kernel and counting streamed records give the same totals.

Both watch the same run of a program, from a moment at which it waits to be told to begin,
to its end: so everything but times must be equal, for each operation and each system call,
even where another run would make more calls.
"""

from pathlib import Path

import numpy as np
import pytest

from tests.bpf.processes import Held, held_shell
from tests.strace.runs import compiled
from uringtrace.targets.build import binary
from uringtrace.tracer.capture import start_counting, start_streaming
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.replayed_counting import ReplayedCounting
from uringtrace.tracer.source import CountingSource
from uringtrace.tracer.statistics import COUNTERS, Counters
from uringtrace.tracer.target import Target

pytestmark = pytest.mark.bpf

TIMES = ("sum_ns", "max_ns", "histogram", "reserved")
MAY_DIFFER = ("slept",)
"""A thread that loses its processor between the probe of one and the probe of the other."""
COMPARED = [name for name in COUNTERS.names or () if name not in TIMES + MAY_DIFFER]

SUBJECTS = ("files", "sockets", "links", "multishot_recv", "skip", "zerocopy", "many_rings")


def totals(source: CountingSource) -> Counters:
    while not source.wait(60):
        pass
    assert (source.losses.total_lost, source.losses.untracked) == (0, 0)
    return source.counters()


def compare(folder: Path, *command: str | Path) -> Counters:
    """Both modes on one run of a command, which must agree; the totals."""
    with Held(held_shell('exec "$@"', *command), folder) as held:
        target = Target(pids=(held.pid,), follow=True)
        with start_counting(target) as counting, start_streaming(target) as streaming:
            held.go()
            assert held.wait() == 0, held.notices()
            counted = totals(counting)
            streamed = totals(ReplayedCounting(streaming))
    different = {
        (streaming.context.operation_names[opcode], field): (counted[opcode][field], streamed[opcode][field])
        for field in COMPARED
        for opcode in np.flatnonzero(counted[field] != streamed[field]).tolist()
    }
    assert different == {}
    return counted


@pytest.mark.parametrize("subject", SUBJECTS)
def test_both_modes_count_the_same(subject: str, tmp_path: Path) -> None:
    counted = compare(tmp_path, binary("kinds"), subject)
    assert counted["completions"][:FIRST_CALL].any()
    assert counted["completions"][FIRST_CALL:].any()


def test_both_modes_count_the_same_of_many_kinds_of_system_calls(tmp_path: Path) -> None:
    """In several processes and threads; among them calls that fail and calls that never return."""
    work = tmp_path / "work"
    work.mkdir()
    counted = compare(tmp_path, compiled("calls", tmp_path), work)[FIRST_CALL:]
    assert (counted["submitted"] != 0).sum() > 150, "more than there are histograms"
    assert counted["errors"].any()
    assert counted["bytes"].any()
    assert counted["silent"].any()


def test_both_modes_count_the_same_of_one_call_many_times(tmp_path: Path) -> None:
    counted = compare(tmp_path, binary("calls"), "tcp", "0.2")
    assert counted["completions"].max() > 1000
