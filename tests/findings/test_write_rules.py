"""Writes in pieces, on rows written down here: what waits for an acknowledgement, what costs calls only."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import STARTED_NS, call, rows
from tests.findings.diagnosing import diagnosed, finding, state
from uringtrace.tracer.findings import Confidence, Severity, State
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records
from uringtrace.tracer.source import File, Socket

MS = 1_000_000
MSG_MORE = 0x8000
LISTENER = File(2, "TCP 127.0.0.1:80 listening", 8, 2, Socket("inet", "tcp", "127.0.0.1:80", None, True))
PEER = File(10, "TCP 127.0.0.1:80->127.0.0.1:9", 8, 110, Socket("inet", "tcp", "127.0.0.1:80", "127.0.0.1:9"))
LOCAL = File(11, "unix", 8, 111, Socket("unix", "unix", "/run/s", None))
BOUND = File(3, "TCP 127.0.0.1:80", 8, 2, Socket("inet", "tcp", "127.0.0.1:80", None))
"""The listener before it listened: another number, the same socket."""
FILES = {2: LISTENER, 3: BOUND, 10: PEER, 11: LOCAL}


def on(name, at_ms, result, *arguments, file=10):
    return call(
        name, file, *arguments, after_ns=round(at_ms * MS), took_ns=1000, fd=file, file=file, tid=4243,
        result=result,
    )  # fmt: skip


def exchanges(count, until_next_ms, pieces=2, apart_ms=0.01, size=60, file=10):
    """A request is read, and answered in pieces; the next one comes so long after the first piece."""
    every = until_next_ms + 0.1
    parts = []
    for number in range(count):
        at = 1 + number * every
        parts.append(on("recvfrom", at, 40, file=file))
        parts += [on("sendto", at + 0.1 + each * apart_ms, size, file=file) for each in range(pieces)]
    return [*parts, on("recvfrom", 1 + count * every, 0, file=file)]


def judged(parts, **facts):
    return diagnosed(rows(*parts), files=FILES, **facts)


def test_two_small_writes_and_a_peer_that_goes_on_after_the_timer():
    found = finding(judged(exchanges(30, 41)), "tiny-writes")
    assert (found.severity, found.confidence) == (Severity.WARNING, Confidence.HIGH)
    assert (found.value("writes"), found.value("waits"), found.value("runs")) == (60, 30, 30)
    assert found.value("median_ns") == 41 * MS
    assert (found.subject.tid, found.subject.fd, found.subject.file) == (4243, 10, PEER.description)


@pytest.mark.parametrize(
    "parts",
    [
        exchanges(30, 2),
        exchanges(30, 41, pieces=1),
        exchanges(30, 50),
        exchanges(5, 41),
        exchanges(30, 200),
        exchanges(30, 41, size=9000),
        exchanges(30, 41, file=11),
    ],
    ids=["prompt", "one write", "twenty a second", "few", "peers that think", "large", "no TCP"],
)
def test_what_is_not_the_timer_is_no_finding(parts):
    assert state(judged(parts), "tiny-writes") is State.CLEAR


def test_what_is_announced_with_msg_more_is_one_write():
    parts = []
    for number in range(30):
        at = 1 + number * 41.1
        parts += [on("recvfrom", at, 40), on("sendto", at + 0.1, 60, 0, 60, MSG_MORE)]
        parts.append(on("sendto", at + 0.11, 60))
    assert state(judged([*parts, on("recvfrom", 2000, 0)]), "tiny-writes") is State.CLEAR


def option(at_ms, file, value, **fields):
    """setsockopt(TCP_NODELAY), with the memory that it pointed to."""
    memory = np.zeros(1, MEMORY)
    memory[0] = (0, 3, 4, 4, int(value).to_bytes(4, "little").ljust(48, b"\0"))
    row = call(
        "setsockopt", file, 6, 1, 0x7F00, 4, after_ns=round(at_ms * MS), took_ns=1000, fd=file, file=file
    )
    return Records(row, memory, np.zeros(0, SOCKET_EVENT))


ACCEPTED = call("accept4", 2, after_ns=MS // 2, took_ns=1000, fd=2, file=2, result=10, result_file=10)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([option(0.1, 10, 1)], State.CLEAR),
        ([option(0.1, 2, 1), ACCEPTED], State.CLEAR),
        ([option(0.1, 3, 1), ACCEPTED], State.CLEAR),
        ([option(0.1, 2, 1), ACCEPTED, option(0.6, 10, 0)], State.FOUND),
        ([option(0.1, 10, 0)], State.FOUND),
    ],
    ids=[
        "set",
        "inherited from the listener",
        "set before it listened",
        "inherited and taken back",
        "not set",
    ],
)
def test_with_tcp_nodelay_nothing_is_held_back(before, expected):
    result = diagnosed(*before, rows(*exchanges(30, 41)), files=FILES)
    assert state(result, "tiny-writes") is expected


def test_many_writes_that_nothing_waits_for_cost_calls():
    found = finding(judged(exchanges(30, 2, pieces=9)), "tiny-writes")
    assert (found.severity, found.value("writes"), found.value("avoidable")) == (Severity.WARNING, 270, 240)
    assert found.value("calls") == 30 * 10 + 1
    assert found.title == "many small writes where one would do"


@pytest.mark.parametrize(
    "parts", [exchanges(300, 2), exchanges(30, 200, pieces=9, apart_ms=20)], ids=["two", "a stream"]
)
def test_two_writes_or_such_as_come_one_by_one_are_no_finding(parts):
    result = judged(parts, ended_ns=STARTED_NS + 10_000 * MS)
    assert state(result, "tiny-writes") is State.CLEAR


def test_what_nothing_was_read_after_yet_was_written_too():
    found = finding(judged(exchanges(30, 41)[:-1]), "tiny-writes")
    assert (found.value("writes"), found.value("runs")) == (60, 29)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 119), max_size=6), st.sampled_from([2, 41]))
def test_runs_are_the_same_however_rows_are_batched(cuts, until_next_ms):
    batch = rows(*exchanges(24, until_next_ms, pieces=4))
    edges = [0, *sorted(set(cuts)), len(batch)]
    parts = [batch[begin:end] for begin, end in pairwise(edges)]
    whole, split = (diagnosed(*each, files=FILES) for each in ([batch], parts))
    assert [each for each in whole.verdicts if each.tag == "tiny-writes"] == [
        each for each in split.verdicts if each.tag == "tiny-writes"
    ]
    assert (state(whole, "tiny-writes") is State.FOUND) == (until_next_ms == 41)
