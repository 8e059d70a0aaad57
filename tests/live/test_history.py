"""Counts per whole second of the capture's clock."""

from __future__ import annotations

import numpy as np

from tests.fakes import OPCODES, STARTED_NS, call, context, row, rows
from uringtrace.tracer.live.history import OperationHistory
from uringtrace.tracer.live.picture import HISTORY_SECONDS
from uringtrace.tracer.live.seconds import SECOND_NS, Seconds
from uringtrace.tracer.record import FIRST_CALL, Batch
from uringtrace.tracer.record import OPCODES as ALL_OPCODES


def history(*batches: Batch, until: float) -> OperationHistory:
    counted = OperationHistory(context())
    seconds = Seconds(STARTED_NS, [counted])
    for batch in batches:
        seconds.add(batch)
    seconds.advance(STARTED_NS + round(until * SECOND_NS))
    return counted


def at(second: float, operation: str = "NOP", **fields: object) -> Batch:
    """A row that completed so long after the start."""
    return row(operation, after_ns=round(second * 1e9) - 1000, took_ns=1000, **fields)


def test_before_the_first_second_is_over_nothing_is_said_of_seconds() -> None:
    counted = history(at(0.5), until=0.9)
    assert counted.last(OPCODES["NOP"]) is None
    assert counted.last_count(first=0, end=FIRST_CALL) is None
    assert counted.of([OPCODES["NOP"]]) == [()]
    assert counted.counters["completions"][OPCODES["NOP"]] == 1


def test_a_batch_is_cut_at_whole_seconds() -> None:
    """One batch over three seconds, in no order: each row counts in its own, the running one not yet."""
    batch = rows(at(2.5), at(0.5), at(1.5), at(0.999), at(1.0))
    counted = history(batch, until=2.6)
    assert counted.of([OPCODES["NOP"]]) == [(2.0, 2.0)]
    last = counted.last(OPCODES["NOP"])
    assert last is not None
    assert last.count == 2


def test_a_row_that_comes_late_counts_in_the_running_second_and_once() -> None:
    counted = history(at(1.5), at(0.5), until=2.0)
    assert counted.of([OPCODES["NOP"]]) == [(0.0, 2.0)]
    assert counted.counters["completions"][OPCODES["NOP"]] == 2


def test_seconds_in_which_nothing_happened_are_zeros() -> None:
    counted = history(at(0.5), at(3.5), until=6.0)
    assert counted.of([OPCODES["NOP"]]) == [(1.0, 0.0, 0.0, 1.0, 0.0, 0.0)]
    last = counted.last(OPCODES["NOP"])
    assert last is not None
    assert (last.count, last.p50_ns) == (0, None)


def test_a_minute_is_kept_however_long_the_gap() -> None:
    """Also where damaged times lie centuries ahead, this takes no time."""
    counted = history(at(0.5), at(400_000_000), until=400_000_001)
    [values] = counted.of([OPCODES["NOP"]])
    assert len(values) == HISTORY_SECONDS
    assert values[-2:] == (0.0, 1.0) or values[-1] == 1.0


def test_quantiles_and_errors_are_of_the_last_second_alone() -> None:
    slow = [row(after_ns=100_000_000, took_ns=10_000_000) for _ in range(50)]
    quick = [row(after_ns=1_100_000_000, took_ns=10_000, result=-5) for _ in range(3)]
    counted = history(rows(*slow), rows(*quick), until=2.1)
    last = counted.last(OPCODES["NOP"])
    assert last is not None
    assert (last.count, last.errors) == (3, 3)
    assert last.p50_ns is not None
    assert abs(last.p50_ns - 10_000) <= 10_000 / 16
    assert last.max_ns is not None
    assert 10_000 <= last.max_ns < 11_000


def test_the_longest_of_all_is_exact() -> None:
    counted = history(rows(row(after_ns=1000, took_ns=12_345_678)), until=1.0)
    last = counted.last(OPCODES["NOP"])
    assert last is not None
    assert last.max_ns == 12_345_678


def test_the_two_interfaces_are_counted_apart() -> None:
    counted = history(rows(at(0.5), call("read", after_ns=5), call("read", after_ns=6)), until=1.0)
    assert counted.last_count(first=0, end=FIRST_CALL) == 1
    assert counted.last_count(first=FIRST_CALL, end=ALL_OPCODES) == 2


def test_seconds_add_up_to_the_total() -> None:
    random = np.random.default_rng(7)
    batch = np.repeat(row(), 5000)
    batch["completed_ns"] = STARTED_NS + random.integers(0, 10 * SECOND_NS, 5000).astype(np.uint64)
    counted = history(*np.array_split(batch, 13), until=10.0)
    [values] = counted.of([OPCODES["NOP"]])
    assert sum(values) == 5000 == counted.counters["completions"][OPCODES["NOP"]]
