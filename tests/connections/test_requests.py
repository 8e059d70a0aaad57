"""Requests: scenes with stated times, and a naive model over one event at a time."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connections.scene import Scene, at, tcp
from uringtrace.tracer.connections import Connection
from uringtrace.tracer.connections.request_line import ARRIVED, RECEIVED, SENT, Items
from uringtrace.tracer.connections.request_times import ASKS, SERVES
from uringtrace.tracer.connections.requests import RequestTimer
from uringtrace.tracer.statistics import bucket


def server(*happened: tuple[str, int]) -> Connection:
    """A of data, R and S, full reads F, each with its time."""
    scene = Scene()
    file = scene.accepted(2, at=10)
    play(scene, file, happened)
    return scene.only()


def client(*happened: tuple[str, int]) -> Connection:
    scene = Scene()
    file = scene.socket(2, tcp("10.0.0.1:5000", "10.0.0.2:443"))
    scene.call("connect", 7, 0, 16, at=10, file=file)
    play(scene, file, happened)
    return scene.only()


def play(scene: Scene, file: int, happened: tuple[tuple[str, int], ...]) -> None:
    for what, when in happened:
        if what == "A":
            scene.arrival(file, when)
        elif what == "S":
            scene.write(file, 100, at=when)
        else:
            scene.read(file, 100, at=when, room=100 if what == "F" else 4096)


def firsts(found: Connection) -> tuple[int | None, ...]:
    return found.requests, found.request_first_sum_ns, found.request_first_max_ns, found.request_last_sum_ns


def test_from_the_arrival_to_the_first_and_the_last_byte() -> None:
    found = server(("A", 100), ("R", 150), ("S", 200), ("S", 280))
    assert firsts(found) == (1, 100, 100, 180)
    assert (found.requests_from_arrival, found.request_waiting_ns) == (1, None)


def test_without_arrivals_the_read_counts() -> None:
    found = server(("R", 150), ("S", 200))
    assert firsts(found) == (1, 50, 50, 50)
    assert found.requests_from_arrival == 0


def test_keep_alive() -> None:
    found = server(
        ("A", 100), ("R", 110), ("S", 120), ("A", 5000), ("R", 5010), ("S", 5050), ("S", 5070), ("A", 9000)
    )
    assert firsts(found) == (2, 20 + 50, 50, 20 + 70)
    assert (found.request_first_latest_ns, found.request_last_latest_ns) == (50, 70)


def test_a_request_in_several_segments_counts_from_the_last() -> None:
    assert server(("A", 100), ("R", 110), ("A", 300), ("R", 310), ("S", 400)).request_first_sum_ns == 100
    assert server(("A", 100), ("A", 300), ("R", 310), ("S", 400)).request_first_sum_ns == 100


def test_partial_reads_count_from_the_arrival_of_the_data() -> None:
    found = server(("A", 100), ("F", 200), ("F", 210), ("R", 220), ("S", 400))
    assert (found.request_first_sum_ns, found.requests_from_arrival) == (300, 1)


def test_a_request_left_in_the_socket_while_the_one_before_is_answered_has_waited() -> None:
    found = server(("A", 100), ("F", 200), ("S", 300), ("R", 310), ("S", 400))
    assert firsts(found) == (2, 200 + 300, 300, 200 + 300)


def test_an_arrival_before_a_read_that_emptied_the_socket_is_of_no_use() -> None:
    found = server(("A", 100), ("R", 200), ("S", 300), ("R", 9310), ("S", 9400))
    assert firsts(found) == (2, 200 + 90, 200, 200 + 90)
    assert found.requests_from_arrival == 1


def test_a_request_that_arrives_while_the_answer_is_sent() -> None:
    found = server(("A", 100), ("R", 110), ("S", 200), ("A", 250), ("S", 300), ("R", 310), ("S", 400))
    assert firsts(found) == (2, 100 + 150, 150, 200 + 150)


def test_pipelined_requests_that_are_read_together_are_one() -> None:
    assert server(("A", 100), ("R", 110), ("R", 120), ("S", 200), ("S", 210)).requests == 1


def test_a_greeting_is_no_answer() -> None:
    found = server(("S", 50), ("A", 100), ("R", 150), ("S", 200))
    assert firsts(found) == (1, 100, 100, 100)
    assert server(("S", 50)).requests == 0
    assert server(("S", 50)).request_first_sum_ns is None


def test_an_open_request_waits_since_it_was_received() -> None:
    found = server(("A", 100), ("R", 150), ("S", 200), ("A", 300), ("R", 350))
    assert (found.requests, at(found.request_waiting_ns)) == (1, 300)


def test_a_client_is_measured_from_its_last_byte_to_the_arrival_of_the_answer() -> None:
    found = client(("S", 100), ("S", 120), ("A", 200), ("A", 260), ("R", 300), ("A", 310), ("R", 320))
    assert firsts(found) == (1, 80, 80, 190)
    assert (found.role, found.requests_from_arrival) == ("client", 1)
    assert at(client(("S", 100)).request_waiting_ns) == 100


def test_a_client_whose_server_speaks_first() -> None:
    found = client(("A", 50), ("R", 60), ("S", 100), ("R", 150), ("S", 180))
    assert firsts(found) == (1, 50, 50, 50)
    assert found.requests_from_arrival == 0


@dataclass
class Naive:
    """The definition, one event at a time."""

    role: int
    firsts: list[tuple[int, bool]] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)
    data: list[tuple[int, int, int, bool]] = field(default_factory=list)
    """kind, time, when its last byte was received, whether that is an arrival"""
    left: bool = False
    seen_arrivals: int = 0

    def see(self, kind: int, ns: int, left: bool) -> None:
        if kind == ARRIVED:
            self.arrivals.append(ns)
            return
        moment, known = ns, False
        if kind == RECEIVED:
            reads = [each[1] for each in self.data if each[0] == RECEIVED]
            if self.arrivals and (not reads or self.arrivals[-1] > reads[-1] or self.left):
                moment, known = self.arrivals[-1], True
            self.left = left
        asks, answers = (RECEIVED, SENT) if self.role == SERVES else (SENT, RECEIVED)
        if kind == answers and self.data and self.data[-1][0] == asks:
            _, asked_ns, received_ns, arrived = self.data[-1]
            if self.role == SERVES:
                self.firsts.append((ns - received_ns, arrived))
            else:
                after = self.arrivals[self.seen_arrivals :]
                self.firsts.append(((after[0] if after else ns) - asked_ns, bool(after)))
        if kind == asks:
            self.finish()
        self.data.append((kind, ns, moment, known))
        self.seen_arrivals = len(self.arrivals)

    def finish(self) -> None:
        """The run of answers before now, if it answers something, is over."""
        asks = RECEIVED if self.role == SERVES else SENT
        if not self.data or self.data[-1][0] == asks:
            return
        asked = [each for each in self.data if each[0] == asks]
        if asked:
            last = self.data[-1]
            if self.role == SERVES:
                self.lasts.append(last[1] - asked[-1][2])
            else:
                end = last[2] if last[2] > asked[-1][1] else last[1]
                self.lasts.append(end - asked[-1][1])


events = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from([ARRIVED, RECEIVED, SENT]), st.booleans(), st.integers(1, 40)
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(
    events, st.lists(st.integers(0, 60)), st.lists(st.sampled_from([SERVES, ASKS]), min_size=3, max_size=3)
)
def test_the_vectors_agree_with_one_event_at_a_time(
    happened: list[tuple[int, int, bool, int]], splits: list[int], roles: list[int]
) -> None:
    slot, kind, left, step = (
        (np.array(part) for part in zip(*happened, strict=True)) if happened else [np.zeros(0, int)] * 4
    )
    ns = 1000 + np.cumsum(step)
    timer = RequestTimer()
    timer.grow(3)
    known = np.array(roles, np.uint8)
    edges = [0, *sorted(splits), len(happened)]
    for start, end in pairwise(edges):
        cut = slice(start, end)
        timer.add(
            Items(
                slot[cut].astype(np.int64),
                ns[cut].astype(np.int64),
                kind[cut].astype(np.uint8),
                left[cut] > 0,
            ),
            known,
        )
    times, waits, whole = timer.result(known)
    expected = [Naive(role) for role in roles]
    for (which, what, more, _), when in zip(happened, ns.tolist(), strict=True):
        expected[which].see(what, when, more)
    histograms = defaultdict(list)
    for number, naive in enumerate(expected):
        naive.finish()
        row = times[number]
        firsts = [first for first, _ in naive.firsts]
        assert row["requests"] == len(firsts)
        assert row["from_arrival"] == sum(arrived for _, arrived in naive.firsts)
        assert (row["first_sum_ns"], row["first_max_ns"]) == (sum(firsts), max(firsts, default=0))
        assert row["first_latest_ns"] == (firsts[-1] if firsts else 0)
        assert row["finished"] == len(naive.lasts)
        assert (row["last_sum_ns"], row["last_max_ns"]) == (sum(naive.lasts), max(naive.lasts, default=0))
        histograms[naive.role, 0] += firsts
        histograms[naive.role, 1] += naive.lasts
        asks = RECEIVED if naive.role == SERVES else SENT
        open_since = naive.data[-1][2] if naive.data and naive.data[-1][0] == asks else 0
        assert waits[number] == open_since
    for (role, which), values in histograms.items():
        distribution = whole.of(role)[which]
        assert (distribution.count, distribution.sum_ns) == (len(values), sum(values))
        buckets = bucket(np.array(values, np.uint64)) if values else np.zeros(0, int)
        assert (distribution.histogram == np.bincount(buckets, minlength=len(distribution.histogram))).all()


def test_times_cannot_be_negative_whatever_the_order() -> None:
    timer = RequestTimer()
    timer.grow(1)
    roles = np.array([SERVES], np.uint8)
    for kind, ns in ((RECEIVED, 1000), (SENT, 900)):
        timer.add(
            Items(np.zeros(1, np.int64), np.array([ns]), np.array([kind], np.uint8), np.zeros(1, bool)), roles
        )
    assert timer.result(roles)[0]["first_sum_ns"][0] == 0


@pytest.mark.parametrize("role", [SERVES, ASKS])
def test_nothing_in_nothing_out(role: int) -> None:
    timer = RequestTimer()
    times, waits, whole = timer.result(np.array([role], np.uint8))
    assert (len(times), len(waits), whole.of(role)[0].count) == (0, 0, 0)
