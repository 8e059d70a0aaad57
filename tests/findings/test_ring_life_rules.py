"""Rules about what becomes of requests: ended, failed, cancelled, or never heard of again."""

import errno
from dataclasses import replace

import pytest

from tests.fakes import RING, STARTED_NS, call, multishot_rows, row, rows
from tests.findings.diagnosing import diagnosed, finding, state
from tests.findings.test_io_uring_rules import repeated
from uringtrace.probes.setup_flags import SQPOLL
from uringtrace.tracer.findings import Diagnosis, Severity, State
from uringtrace.tracer.findings.thread_looks import Look
from uringtrace.tracer.record import SQE_BUFFER_SELECT, Kind
from uringtrace.tracer.source import File, Socket

PEER = File(9, "TCP 127.0.0.1:80->127.0.0.1:4", 8, 99, Socket("inet", "tcp", "127.0.0.1:80", "127.0.0.1:4"))
DATA = File(7, "/var/lib/data", 8, 12)
SECOND = 1_000_000_000


def test_a_multishot_that_found_no_buffer_and_was_not_armed_again():
    ended = multishot_rows("RECV", [10, 10, -errno.ENOBUFS], file=9, fd=6, sqe_flags=SQE_BUFFER_SELECT)
    result = diagnosed(ended, files={9: PEER})
    found = finding(result, "multishot-ended")
    assert (found.severity, found.value("ended"), found.value("error")) == (Severity.CRITICAL, 1, "ENOBUFS")
    assert (found.subject.fd, found.subject.file) == (6, PEER.description)
    assert finding(result, "buffers-exhausted").value("without") == 1


@pytest.mark.parametrize("kind", [Kind.COMPLETION, Kind.UNFINISHED])
def test_one_that_was_armed_again_is_no_finding(kind):
    ended = multishot_rows("RECV", [10, -errno.ENOBUFS], file=9, fd=6)
    again = row("RECV", kind=kind, file=9, fd=6, ioprio=2, after_ns=4_000_000, result=0)
    assert state(diagnosed(rows(ended, again)), "multishot-ended") is State.CLEAR


@pytest.mark.parametrize("result", [0, -errno.ECANCELED, -errno.ECONNRESET])
def test_the_end_of_a_connection_ends_its_receive_rightly(result):
    ended = multishot_rows("RECV", [10, result], file=9, fd=6)
    assert state(diagnosed(ended), "multishot-ended") is State.CLEAR


def test_what_is_closed_at_once_need_not_be_armed():
    ended = multishot_rows("RECV", [10, -errno.ENOBUFS], file=9, fd=6)
    closed = call("close", 6, after_ns=20_000_000)
    assert state(diagnosed(rows(ended, closed)), "multishot-ended") is State.CLEAR


def in_flight(operation, **fields):
    values = {"kind": Kind.UNFINISHED, "completed_ns": STARTED_NS + 10 * SECOND, **fields}
    return row(operation, **values)


def test_a_receive_on_a_closed_descriptor_is_leaked_and_one_on_an_open_one_waits():
    waiting = in_flight("RECV", fd=6, file=9)
    closed = call("close", 6, after_ns=2_000_000)
    found = finding(diagnosed(rows(closed, waiting)), "never-completed")
    assert (found.severity, found.value("in_flight")) == (Severity.WARNING, 1)
    assert found.value("oldest_ns") == 10 * SECOND - 1_000_000
    assert (
        state(diagnosed(rows(call("close", 7, after_ns=2_000_000), waiting)), "never-completed")
        is State.CLEAR
    )


def test_a_file_that_does_not_answer_is_found():
    result = diagnosed(in_flight("READ", fd=3, file=7), files={7: DATA})
    assert finding(result, "never-completed").value("operation") == "READ"
    young = in_flight("READ", fd=3, file=7, submitted_ns=STARTED_NS + 10 * SECOND - 5)
    assert state(diagnosed(young, files={7: DATA}), "never-completed") is State.CLEAR


def test_errors_that_repeat_are_a_flood_and_those_of_ordinary_life_are_none():
    refused = repeated(row("CONNECT", result=-errno.ECONNREFUSED, fd=5), 150)
    found = finding(diagnosed(refused), "error-flood")
    assert (found.value("operation"), found.value("error")) == ("CONNECT", "ECONNREFUSED")
    assert (found.value("errors"), found.value("share")) == (150, 1.0)
    for ordinary in (errno.EAGAIN, errno.ECANCELED, errno.ETIME):
        assert state(diagnosed(repeated(row("RECV", result=-ordinary), 150)), "error-flood") is State.CLEAR
    late = repeated(row("ASYNC_CANCEL", result=-errno.ENOENT), 150)
    assert state(diagnosed(late), "error-flood") is State.CLEAR


def test_a_few_errors_are_no_flood():
    batch = rows(repeated(row("READ", result=-errno.EIO), 99), repeated(row("READ", result=1), 10))
    assert state(diagnosed(batch), "error-flood") is State.CLEAR


def chain(number, *results):
    names = ("OPENAT", "READ", "CLOSE")
    return [
        row(name, chain=number, chain_position=place, after_ns=number * 10_000 + place, result=result)
        for place, (name, result) in enumerate(zip(names, results, strict=True))
    ]


def test_broken_chains_are_counted_with_what_broke_them_and_what_was_cancelled():
    broken = [
        each for n in range(1, 31) for each in chain(n, -errno.ENOENT, -errno.ECANCELED, -errno.ECANCELED)
    ]
    whole = [each for n in range(31, 61) for each in chain(n, 5, 100, 0)]
    found = finding(diagnosed(rows(*broken, *whole)), "broken-link")
    assert found.severity is Severity.WARNING
    assert (found.value("broken"), found.value("chains"), found.value("cancelled")) == (30, 60, 60)
    assert (found.value("operation"), found.value("error")) == ("OPENAT", "ENOENT")
    assert state(diagnosed(rows(*whole)), "broken-link") is State.CLEAR


def test_a_timeout_that_was_not_needed_breaks_no_chain():
    done = row("READ", chain=1, chain_position=0, result=5)
    timeout = row("LINK_TIMEOUT", chain=1, chain_position=1, result=-errno.ECANCELED)
    assert state(diagnosed(rows(done, timeout)), "broken-link") is State.CLEAR


POLLED = replace(RING, flags=SQPOLL, submitted=500)


def test_a_polling_thread_that_has_to_be_woken():
    wakes = repeated(call("io_uring_enter", 4, 1, 0, 2, fd=4, result=1), 100)
    found = finding(diagnosed(wakes, rings=(POLLED,)), "sqpoll-asleep")
    assert (found.value("wakes"), found.value("submitted")) == (100, 500)
    assert (found.subject.tid, found.severity) == (POLLED.sq_thread, Severity.INFO)
    often = finding(diagnosed(wakes, rings=(replace(POLLED, submitted=200),)), "sqpoll-asleep")
    assert often.severity is Severity.WARNING
    assert state(diagnosed(wakes[:40], rings=(POLLED,)), "sqpoll-asleep") is State.CLEAR
    assert state(diagnosed(wakes, rings=(replace(RING, flags=0),)), "sqpoll-asleep") is State.NOT_APPLICABLE


@pytest.mark.parametrize(("ran_ns", "expected"), [(9 * SECOND, State.FOUND), (SECOND, State.CLEAR)])
def test_a_polling_thread_that_spins_for_little(ran_ns, expected):
    from tests.fakes import FakeSource

    source = FakeSource(parts=(), rings=(POLLED,))
    diagnosis = Diagnosis(source.context)
    looks = diagnosis.shared.looks
    looks.add(4244, Look(STARTED_NS, 0, 0))
    looks.add(4244, Look(STARTED_NS + 10 * SECOND, ran_ns, 0))
    assert state(diagnosis.judge(source), "sqpoll-burning") is expected
    assert state(Diagnosis(source.context).judge(source), "sqpoll-burning") is State.NOT_APPLICABLE


def test_a_ring_that_nobody_uses_is_worth_knowing():
    idle = replace(RING, ring=0, submitted=0, completions=0, in_flight=0)
    found = finding(diagnosed(rings=(idle, RING)), "ring-unused")
    assert (found.severity, found.subject.fd) == (Severity.INFO, 4)
    assert state(diagnosed(rings=(RING,)), "ring-unused") is State.CLEAR
    assert state(diagnosed(rings=(idle,), ended_ns=STARTED_NS + 5), "ring-unused") is State.NOT_APPLICABLE
