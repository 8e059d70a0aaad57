"""Rules about rings, on rows written down here: what each finds, and what it leaves alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import RING, call, row, rows
from tests.findings.diagnosing import diagnosed, finding, state
from uringtrace.tracer.findings import Severity, State
from uringtrace.tracer.record import SQE_ASYNC, Path
from uringtrace.tracer.source import File

LOG = File(7, "/var/log/access", 8, 12)
ENTER_GETEVENTS = 1


def repeated(batch, times, step_ns=20_000):
    """The row again and again, `step_ns` apart."""
    many = np.repeat(batch, times)
    shift = np.arange(times, dtype=np.uint64) * np.uint64(step_ns)
    many["submitted_ns"] += shift
    many["completed_ns"] += shift
    return many


def test_writes_on_a_worker_are_found_by_operation_and_file_type():
    punted = repeated(row("WRITE", file=7, fd=3, path=Path.IO_WQ, result=10), 30)
    inline = repeated(row("SEND", file=8, result=10), 100)
    result = diagnosed(rows(punted, inline), files={7: LOG}, rings=(RING,))
    found = finding(result, "io-wq-punts")
    assert found.severity is Severity.WARNING
    assert (found.value("operation"), found.value("file_type")) == ("WRITE", "file")
    assert (found.value("punts"), found.value("completions")) == (30, 30)
    assert (found.subject.fd, found.subject.file, found.subject.ring) == (3, "/var/log/access", 5)


def test_who_asked_for_workers_is_told_so():
    punted = repeated(row("READ", file=7, path=Path.IO_WQ, sqe_flags=SQE_ASYNC), 30)
    assert finding(diagnosed(punted, files={7: LOG}), "io-wq-punts").value("asked") == 30


@pytest.mark.parametrize("operation", ["OPENAT", "FSYNC"])
def test_what_only_a_worker_can_do_is_worth_knowing_and_no_more(operation):
    punted = repeated(row(operation, file=7, path=Path.IO_WQ), 30)
    assert finding(diagnosed(punted), "io-wq-punts").severity is Severity.INFO


def test_a_few_punts_are_worth_knowing_and_no_more():
    batch = rows(repeated(row("READ", path=Path.IO_WQ), 30), repeated(row("READ"), 1000))
    assert finding(diagnosed(batch), "io-wq-punts").severity is Severity.INFO


def test_operations_that_overlap_are_counted_at_once():
    batch = repeated(row("READ", file=7, path=Path.IO_WQ, took_ns=50_000), 30, step_ns=20_000)
    assert finding(diagnosed(batch, files={7: LOG}), "io-wq-punts").value("at_once") == 3


def test_without_rings_nothing_is_said_of_them():
    result = diagnosed(repeated(call("read", 3, 0, 100, result=1), 200))
    for tag in ("io-wq-punts", "cq-overflow", "one-submission-per-call"):
        assert state(result, tag) is State.NOT_APPLICABLE
    assert result.worst is None


@settings(max_examples=30)
@given(st.lists(st.sampled_from([Path.INLINE, Path.OVERFLOW, Path.DROPPED]), min_size=1, max_size=60))
def test_overflows_are_counted_however_rows_are_batched(paths):
    parts = [row(path=path, after_ns=1000 * number) for number, path in enumerate(paths)]
    whole, split = diagnosed(rows(*parts), rings=(RING,)), diagnosed(*parts, rings=(RING,))
    assert whole.verdicts == split.verdicts
    full = [path for path in paths if path]
    assert state(whole, "cq-overflow") is (State.FOUND if full else State.CLEAR)
    if full:
        found = finding(whole, "cq-overflow")
        assert found.value("overflows") == paths.count(Path.OVERFLOW)
        assert found.value("completions") == len(paths)
        assert (found.severity is Severity.CRITICAL) == (Path.DROPPED in paths)


def enters(times, submitted=1, wait=0):
    flags = ENTER_GETEVENTS if wait else 0
    return repeated(call("io_uring_enter", 4, submitted, wait, flags, fd=4, result=submitted), times)


def test_calls_for_single_operations_are_found():
    found = finding(diagnosed(enters(500)), "one-submission-per-call")
    assert (found.value("alone"), found.value("calls"), found.value("submitted")) == (500, 500, 500)
    assert found.value("avoidable") == 499, "what follows the last is not known"
    assert (found.subject.tid, found.subject.fd) == (4243, 4)


def test_a_call_that_only_waits_could_have_submitted_too():
    """io_uring_submit for one operation, and io_uring_wait_cqe at once after it."""
    waits = call("io_uring_enter", 4, 0, 1, ENTER_GETEVENTS, after_ns=1_010_000, took_ns=1_000, fd=4)
    alone = call("io_uring_enter", 4, 1, 0, 0, took_ns=1_000, fd=4, result=1)
    found = finding(diagnosed(rows(repeated(alone, 200), repeated(waits, 200))), "one-submission-per-call")
    assert (found.value("avoidable"), found.value("calls")) == (200, 200)


@pytest.mark.parametrize(
    "batch",
    [enters(500, submitted=8), enters(500, wait=1), enters(20)],
    ids=["batches", "one operation at a time", "few"],
)
def test_calls_that_could_not_be_left_out_are_no_finding(batch):
    assert state(diagnosed(batch), "one-submission-per-call") is not State.FOUND


def test_other_calls_between_are_a_reason_to_submit():
    step = 20_000
    others = call("recvfrom", 9, after_ns=1_000_000 + step // 2, took_ns=1_000)
    batch = rows(enters(500), repeated(others, 500))
    assert state(diagnosed(batch), "one-submission-per-call") is State.CLEAR


def test_without_system_calls_in_the_capture_calls_cannot_be_judged():
    result = diagnosed(enters(500), probes=["io_uring_complete"])
    assert state(result, "one-submission-per-call") is State.NOT_APPLICABLE
