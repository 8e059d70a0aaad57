"""Counting mode adds up system calls by number."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.probes.engine import CPUS, Engine
from tests.probes.fake_threads import Threads
from tests.probes.seen_calls import NUMBERS
from uringtrace.probes.slots import CALL_LIMIT, CallFlag
from uringtrace.tracer.statistics import BUCKETS, CALL_COUNTS

CALL_ROWS = 128


def call_counts(engine: Engine) -> dict[int, np.void]:
    """Number → counts, of the calls that were made."""
    counts = engine.table("call_counts").view(CALL_COUNTS).reshape(CPUS, CALL_LIMIT)[0]
    return {number: counts[number] for number in np.flatnonzero(counts["submitted"]).tolist()}


@dataclass
class Expected:
    submitted: int = 0
    ended: int = 0
    errors: int = 0
    bytes: int = 0
    slept: int = 0
    sum_ns: int = 0
    latencies: list[int] = field(default_factory=list)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([701, 702, 703]),
        st.sampled_from(["read", "write", "close", "futex", "epoll_wait", "mmap"]),
        st.integers(-4096, 2**40),
        st.booleans(),
    ),
    max_size=60,
)


@given(STEPS)
def test_counting_adds_up_what_threads_did(counting: Engine, steps: list[tuple[int, str, int, bool]]) -> None:
    """Interleaved threads: each step begins a call of a thread, or ends the one it is in."""
    threads = Threads(counting)
    inside: dict[int, tuple[str, int, bool]] = {}
    expected: dict[int, Expected] = {}
    for tid, name, result, sleeps in steps:
        if tid not in inside:
            began = threads.enter(tid, NUMBERS[name], 3)
            expected.setdefault(NUMBERS[name], Expected()).submitted += 1
            inside[tid] = name, began, sleeps
            continue
        name, began, sleeps = inside.pop(tid)
        if sleeps:
            threads.sleep(tid)
        ended = threads.leave(tid, result)
        total = expected[NUMBERS[name]]
        total.ended += 1
        total.errors += -4096 < result < 0
        total.bytes += result if result > 0 and name in ("read", "write") else 0
        total.slept += sleeps
        total.sum_ns += ended - began
    found = {
        number: Expected(
            *(int(row[name]) for name in ("submitted", "ended", "errors", "bytes", "slept", "sum_ns"))
        )
        for number, row in call_counts(counting).items()
    }
    assert found == expected


def test_every_call_is_counted_by_number_and_most_have_a_histogram(counting: Engine) -> None:
    """There are fewer rows than calls here; no two share one, and few find none near their number."""
    threads = Threads(counting)
    returning = np.flatnonzero(threads.traits["flags"] & CallFlag.NO_RETURN == 0)[: CALL_ROWS + 20].tolist()
    for number in returning:
        threads.make(701, number)
    counts = call_counts(counting)
    assert sorted(counts) == returning
    assert {int(row["ended"]) for row in counts.values()} == {1}
    histograms = counting.table("call_histograms").view("<u8").reshape(CPUS, CALL_ROWS, BUCKETS)[0]
    rows = histograms.sum(axis=1)
    assert set(rows.tolist()) <= {0, 1}
    assert rows.sum() >= CALL_ROWS - 2
