"""Queues of listeners that are full: on rows written down here, and as a real kernel fills one."""

import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from tests.fakes import STARTED_NS, call, rows
from tests.findings import test_loop_rules
from tests.findings.diagnosing import diagnosed, finding, state
from tests.findings.test_loop_rules import LISTENER, MS, arrival, records
from uringtrace.tracer.findings import Severity, State
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records
from uringtrace.tracer.source import File, Socket

BACKLOG = 3


FILES = {
    **test_loop_rules.FILES,
    3: File(3, "TCP 127.0.0.1:80", 8, 2, Socket("inet", "tcp", "127.0.0.1:80", None)),
}
"""3 is the listener before it listened."""


def listen(at_ms=0.1, backlog=BACKLOG):
    return call("listen", 4, backlog, after_ns=round(at_ms * MS), took_ns=1000, fd=4, file=3), None


def accept(at_ms, result=20):
    row = call("accept4", 4, after_ns=round(at_ms * MS), took_ns=1000, fd=4, file=2, result=result)
    return row, None


def arrivals(count, at_ms=10):
    return [arrival(at_ms + number, 2) for number in range(count)]


def judged(*parts):
    return diagnosed(*parts, files=FILES, ended_ns=STARTED_NS + 1000 * MS)


def test_a_queue_that_is_full_until_something_is_accepted():
    result = judged(records(listen(), accept(50), accept(60), events=arrivals(4)))
    found = finding(result, "accept-queue-full")
    assert (found.severity, found.value("times"), found.value("held")) == (Severity.WARNING, 1, 4)
    assert found.value("full_ns") == pytest.approx(37 * MS, abs=MS)
    assert (found.subject.fd, found.subject.file) == (4, LISTENER.description)


def test_one_that_is_full_still():
    found = finding(judged(records(listen(), events=arrivals(6))), "accept-queue-full")
    assert (found.value("times"), found.value("full_ns")) == (1, (1000 - 13) * MS)


@pytest.mark.parametrize(
    "part",
    [
        records(listen(), accept(50), events=arrivals(3)),
        records(listen(), *(accept(10.5 + number) for number in range(40)), events=arrivals(40)),
        records(listen(backlog=4096), events=arrivals(40)),
        records(listen(backlog=-1), events=arrivals(40)),
        records(listen(), accept(12.5, -11), accept(50), events=arrivals(5)),
    ],
    ids=["one below", "accepted in time", "a large one", "as large as may be", "empty in between"],
)
def test_a_queue_with_room_is_no_finding(part):
    assert state(judged(part), "accept-queue-full") is State.CLEAR


def test_without_listen_the_room_is_not_known():
    result = judged(records(accept(50), events=arrivals(40)))
    assert state(result, "accept-queue-full") is State.NOT_APPLICABLE


@pytest.mark.parametrize("cuts", [(1,), (2, 3), (1, 4)])
def test_it_is_followed_over_drains(cuts):
    described = [listen(), accept(50), accept(60), accept(70), accept(80)]
    whole = records(*described, events=arrivals(4) + arrivals(4, 90))
    edges = [0, *cuts, len(described)]
    parts = []
    for begin, end in pairwise(edges):
        batch = whole.operations[begin:end]
        from_ns = int(batch["completed_ns"][0]) if begin else 0
        until_ns = int(whole.operations["completed_ns"][end]) if end < len(described) else 1 << 62
        events = whole.socket_events
        inside = (events["ns"] >= np.uint64(from_ns)) & (events["ns"] < np.uint64(until_ns))
        parts.append(Records(rows(batch), np.zeros(0, MEMORY), events[inside].astype(SOCKET_EVENT)))
    assert finding(judged(whole), "accept-queue-full") == finding(judged(*parts), "accept-queue-full")


@pytest.mark.bpf
def test_a_queue_that_the_kernel_says_is_full():
    tool = [sys.executable, "-m", "uringtrace", "diagnose", "--json", "--"]
    program = [sys.executable, "-m", "tests.findings.full_queue"]
    run = subprocess.run(tool + program, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    said, _, diagnosis = run.stdout.partition("\n")
    truth = json.loads(said)
    (found,) = [each for each in json.loads(diagnosis)["findings"] if each["tag"] == "accept-queue-full"]
    values = {name: value for each in found["evidence"] for name, value in each["values"].items()}
    assert {name: values[name] for name in truth} == truth
