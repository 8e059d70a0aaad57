"""The report's figures are those of `stat`, and those of SQL: no two answers differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.recording.conftest import write_recording
from tests.recording.strategies import batches
from uringtrace.tracer.record import CQE_F_MORE, FIRST_CALL, OPCODES
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.recording.query import opened
from uringtrace.tracer.replayed_counting import ReplayedCounting
from uringtrace.tracer.report import read_report
from uringtrace.tracer.report.rows import BUCKET, Rows
from uringtrace.tracer.report.totals import counters_of
from uringtrace.tracer.statistics import (
    BUCKETS,
    accumulate,
    bucket,
    bucket_edges,
    empty_counters,
    operation_traits,
)
from uringtrace.tracer.summary import Summary, summary_of


def as_stat(path: Path) -> Summary:
    replayed = ReplayedCounting(open_recording(path))
    assert replayed.wait(1e9)
    return summary_of(replayed)


@pytest.mark.parametrize("name", ["scene", "demo"])
def test_summary_is_that_of_stat(request: pytest.FixtureRequest, name: str) -> None:
    """Counts, errors, bytes, paths, latencies with their quantiles, rings and losses."""
    report = request.getfixturevalue(name)
    assert report.summary == as_stat(request.getfixturevalue(f"{name}_path"))


@given(batch=batches(min_rows=1, max_rows=12))
@settings(max_examples=5, derandomize=True, suppress_health_check=list(HealthCheck))
def test_counters_are_those_of_accumulate(
    tmp_path_factory: pytest.TempPathFactory, batch: np.ndarray
) -> None:
    """Of any rows, also those that no kernel would give.

    Where a completion has flags that do not go together (of many, but not numbered), the recording has
    a latency and `stat` has none: such rows are numbered here.
    """
    more = (batch["cqe_flags"] & CQE_F_MORE != 0) & (batch["sequence"] == 0) & (batch["opcode"] < FIRST_CALL)
    batch["sequence"][more] = 1
    batch["opcode"] = np.minimum(batch["opcode"], OPCODES - 1)
    batch["submitted_ns"] = np.minimum(batch["submitted_ns"], 2**40)
    batch["completed_ns"] = batch["submitted_ns"] + batch["completed_ns"] % 2**40
    batch["result"] = np.minimum(batch["result"], 2**40)
    recording = open_recording(write_recording(tmp_path_factory.mktemp("any") / "run", [batch]))
    expected = empty_counters()
    traits = operation_traits(recording.context.operation_names)
    for part in recording.batches():
        accumulate(expected, part, traits)
    with opened(recording, ["operations"]) as connection:
        found, _ = counters_of(Rows(connection, recording.context.started_ns, 0, 1), recording.context)
    zero_copy = traits.zero_copy & (batch_sequences(batch) > 0)
    for name in expected.dtype.names:
        if name != "histogram":
            assert found[name][~zero_copy].tolist() == expected[name][~zero_copy].tolist(), name


def batch_sequences(batch: np.ndarray) -> np.ndarray:
    """The highest number of a completion for each opcode, shape (OPCODES,); zero-copy sends have none."""
    highest = np.zeros(OPCODES, np.int64)
    np.maximum.at(highest, batch["opcode"], batch["sequence"])
    return highest


def test_buckets_of_sql_are_those_of_the_statistics(demo_path: Path) -> None:
    """At every edge, one below it and beyond the last."""
    edges = bucket_edges()
    values = np.unique(np.clip(np.concatenate([edges, edges - 1, [2**44, 2**50]]), 0, None)).tolist()
    with opened(open_recording(demo_path), ["operations"]) as connection:
        found = connection.execute(
            f"SELECT {BUCKET} FROM (SELECT unnest(?) AS latency_ns)", [values]
        ).fetchall()
    assert [row[0] for row in found] == bucket(np.array(values, np.uint64)).tolist()
    assert max(row[0] for row in found) == BUCKETS - 1


@pytest.mark.parametrize("name", ["scene", "demo"])
def test_sums_over_time_are_those_of_sql(request: pytest.FixtureRequest, ask, name: str) -> None:
    report, path = request.getfixturevalue(name), request.getfixturevalue(f"{name}_path")
    times = report.times
    found = ask(
        path,
        f"SELECT COALESCE(number + {FIRST_CALL}, opcode) AS code, "
        f"LEAST((completed_ns - started_ns) // {times.step_ns}, {times.steps - 1}) AS step, count(*), "
        "count(*) FILTER (result < 0) FROM operations, meta "
        "WHERE kind = 'COMPLETION' AND COALESCE(cqe_flags & 8, 0) = 0 GROUP BY ALL",
    )
    codes = [operation.code for operation in report.operations]
    expected = np.zeros_like(times.completions)
    errors = np.zeros_like(times.errors)
    for code, step, count, failed in found:
        expected[codes.index(code), step] = count
        errors[codes.index(code), step] = failed
    assert (times.completions == expected).all()
    assert (times.errors == errors).all()
    by_code = {operation.opcode: operation for operation in report.summary.operations}
    moved = {code: int(times.bytes[place].sum()) for place, code in enumerate(codes)}
    assert {code: moved[code] for code, each in by_code.items() if each.bytes is not None} == {
        code: each.bytes for code, each in by_code.items() if each.bytes is not None
    }


@pytest.mark.parametrize("name", ["scene", "demo"])
def test_in_flight_is_the_time_that_operations_took(request: pytest.FixtureRequest, ask, name: str) -> None:
    """Each step's average times its length is what every operation spent in it, one by one."""
    report, path = request.getfixturevalue(name), request.getfixturevalue(f"{name}_path")
    times = report.times
    stretches = ask(
        path,
        "SELECT interface = 'syscall', "
        "GREATEST(COALESCE(submitted_ns, started_ns), started_ns) - started_ns, "
        "completed_ns - started_ns FROM operations, meta WHERE kind = 'UNFINISHED' "
        "OR kind = 'COMPLETION' AND COALESCE(cqe_flags & 2, 0) = 0",
    )
    starts = np.arange(times.steps) * times.step_ns
    ends = np.minimum(starts + times.step_ns, report.ended_ns)
    spent = np.zeros((2, times.steps))
    for call, began, ended in stretches:
        spent[int(call)] += np.clip(np.minimum(ends, ended) - np.maximum(starts, began), 0, None)
    assert np.allclose(times.in_flight * (ends - starts), spent, atol=1)


def test_latencies_are_all_latencies(demo, demo_path, ask) -> None:
    found = ask(
        demo_path,
        f"SELECT COALESCE(number + {FIRST_CALL}, opcode) AS code, latency_ns FROM operations "
        "WHERE latency_ns IS NOT NULL",
    )
    codes = np.array([operation.code for operation in demo.operations])
    counted = np.zeros((len(codes), BUCKETS), np.int64)
    np.add.at(counted, (demo.latencies.operation, demo.latencies.bucket), demo.latencies.count)
    expected = np.zeros_like(counted)
    for code, latency in found:
        expected[np.flatnonzero(codes == code)[0], bucket(np.array([latency], np.uint64))[0]] += 1
    assert (counted == expected).all()


def test_an_empty_recording_has_a_report(tmp_path: Path) -> None:
    report = read_report(open_recording(write_recording(tmp_path / "run", [])))
    assert report.rows == 0
    assert report.summary.operations == ()
    assert report.lanes.lanes == ()
    assert len(report.lanes.bars) == 0
    assert report.slowest == report.unfinished == ()
    assert report.connections.total == 0
