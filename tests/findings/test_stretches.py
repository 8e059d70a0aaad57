"""Loops that are busy with many short calls, and how that is told from serving many."""

from itertools import pairwise

import pytest

from tests.fakes import call
from tests.findings.test_loop_rules import FILES, MS, finding, judged, on, records, state, turns, wait
from uringtrace.tracer.findings import Severity, State


def asked(name, at_ms, took_ms=0.01, *, slept=False):
    row = call(name, after_ns=round(at_ms * MS), took_ns=round(took_ms * MS), tid=4243, slept=slept, result=0)
    return row, None


def busy(described, until_ms=400):
    return [
        *turns(40),
        wait(200),
        on("recvfrom", 200.2),
        *described,
        on("sendto", until_ms),
        wait(until_ms + 1),
    ]


def test_computing_with_short_calls_in_between():
    clocks = [asked("clock_gettime", 201 + number) for number in range(198)]
    found = finding(judged(records(*busy(clocks))), "blocked-loop")
    assert (found.value("call"), found.value("blocks"), found.value("short_calls")) == (None, 1, 198)
    assert found.value("longest_block_ns") == pytest.approx(200 * MS, abs=MS)


def test_many_short_sleeps_of_one_kind_count_as_one_long():
    """A client of a database that asks and waits, a hundred times in one turn."""
    asks = [asked("fsync", 201 + 2 * number, 1.9, slept=True) for number in range(99)]
    found = finding(judged(records(*busy(asks))), "blocked-loop")
    assert (found.value("call"), found.value("blocks"), found.value("calls_in_a_row")) == ("fsync", 1, 99)
    assert found.severity is Severity.WARNING


def test_serving_many_in_one_turn_is_work():
    served = [on("recvfrom", 201 + number, file=10 + number % 9) for number in range(198)]
    assert state(judged(records(*busy(served))), "blocked-loop") is State.CLEAR


def test_reading_a_file_in_pieces_serves_nobody():
    reads = [on("read", 201 + number, file=30) for number in range(198)]
    assert state(judged(records(*busy(reads))), "blocked-loop") is State.FOUND


@pytest.mark.parametrize("cuts", [(130,), (121, 122, 200, 300), (60, 125, 310)])
def test_a_stretch_is_whole_however_rows_are_batched(cuts):
    clocks = [asked("clock_gettime", 201 + number, slept=number % 3 == 0) for number in range(198)]
    whole = records(*busy(clocks))
    edges = [0, *cuts, len(whole.operations)]
    parts = []
    for begin, end in pairwise(edges):
        described = sorted(busy(clocks), key=lambda each: int(each[0]["completed_ns"][0]))[begin:end]
        parts.append(records(*described))
    one, other = judged(whole, files=FILES), judged(*parts, files=FILES)
    assert finding(one, "blocked-loop") == finding(other, "blocked-loop")
