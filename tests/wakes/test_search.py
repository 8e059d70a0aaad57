"""Chains of rows that a test writes down: what is followed, and what is not claimed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.connections.scene import LISTENER, SERVER, Scene, tcp, unix
from tests.fakes import OPCODES, STARTED_NS, FakeSource, context
from uringtrace.errors import UsageError
from uringtrace.tracer.record import Wake
from uringtrace.tracer.source import File, OpenSocket, Ring, Thread
from uringtrace.tracer.wakes import Known, StepKind, WakeChain, WakeFollower, request_name

PROBES = ("sys_enter", "sys_exit", "sk_data_ready", "sched_waking")
LOOP, WORKER, OTHER = 11, 12, 13
CONNECTION, SECOND, EVENT, EPOLL = 2, 3, 8, 9
THREADS = {tid: Thread(tid, 1, name) for tid, name in ((LOOP, "loop"), (WORKER, "worker"), (OTHER, "other"))}
QUEUE, LOCK = 0x5000, 0x6000


class Served(Scene):
    """A server with a loop and a worker; every wait is written down with who ended it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.files[EVENT] = File(EVENT, "anon_inode:[eventfd]", 1, EVENT)
        self.files[EPOLL] = File(EPOLL, "anon_inode:[eventpoll]", 1, EPOLL)
        self.accepted(CONNECTION, at=10, tid=LOOP)

    def wait(self, call: str, tid: int, begin: int, end: int, **fields: Any) -> None:
        """`woken` in the scene's time."""
        woken = STARTED_NS + fields.pop("woken", end - 1)
        self.call(call, *fields.pop("arguments", ()), at=end, took=end - begin, tid=tid, slept=True,
                  woken_ns=woken, **fields)  # fmt: skip

    def futex(self, tid: int, begin: int, end: int, address: int, by: int, **fields: Any) -> None:
        self.wait("futex", tid, begin, end, arguments=(address, 128), wake=Wake.THREAD, waker=by,
                  waker_opcode=OPCODES["futex"], waker_argument=address, **fields)  # fmt: skip

    def epoll(self, tid: int, begin: int, end: int, by: int = 0, **fields: Any) -> None:
        """Woken by a write to the eventfd, or by the network."""
        who = {"wake": Wake.THREAD, "waker": by, "waker_opcode": OPCODES["write"], "waker_file": EVENT}
        self.wait("epoll_wait", tid, begin, end, file=EPOLL, fd=3, result=1,
                  **(who if by else {"wake": Wake.NETWORK}), **fields)  # fmt: skip

    def signal(self, tid: int, at: int, address: int, woke: int) -> None:
        self.call("futex", address, 129, at=at, tid=tid, result=1, woke=woke, woke_count=1)

    def notify(self, tid: int, at: int, woke: int = 0) -> None:
        self.call("write", 6, at=at, tid=tid, fd=6, file=EVENT, result=8, woke=woke, woke_count=bool(woke))

    def ask(self, at: int, tid: int = LOOP, file: int = CONNECTION) -> None:
        self.read(file, 100, at=at, tid=tid)

    def answer(self, at: int, tid: int = LOOP, file: int = CONNECTION) -> None:
        self.write(file, 100, at=at, tid=tid)

    def follow(
        self, name: str = "1#1", pieces: int = 1, most_rows: int = 1 << 20, **facts: Any
    ) -> WakeFollower:
        self._sort()
        ends = np.linspace(0, len(self.operations), pieces + 1).astype(int)[1:-1]
        edges = [int(self.operations[end]["completed_ns"][0]) - STARTED_NS for end in ends.tolist()]
        spans = zip([0, *edges], [*edges, 2**62], strict=True)
        parts = [self.records(begin, end) for begin, end in spans]
        self.source = FakeSource(parts, context(probes=PROBES), files=self.files, threads=THREADS, **facts)
        follower = WakeFollower(self.source.context, request_name(name), most_rows)
        for records in self.source.records():
            follower.add(records, self.source)
        return follower

    def _sort(self) -> None:
        """By completion, as records come; memory stays with its operation."""
        moments = [int(each["completed_ns"][0]) for each in self.operations]
        order = sorted(range(len(moments)), key=moments.__getitem__)
        place = {old: new for new, old in enumerate(order)}
        self.operations = [self.operations[old] for old in order]
        self.memory = sorted((place[row], argument, data) for row, argument, data in self.memory)

    def chain(self, name: str = "1#1", **facts: Any) -> WakeChain:
        found = self.follow(name, **facts).chain(self.source)
        assert found is not None
        return found


def handed_over() -> Served:
    """Loop → futex → worker → eventfd → loop, from 1000 to 5000."""
    scene = Served()
    scene.arrival(CONNECTION, 1000)
    scene.ask(1100)
    scene.signal(LOOP, 1200, QUEUE, WORKER)
    scene.futex(WORKER, 100, 1300, QUEUE, LOOP, woken=1195)
    scene.notify(WORKER, 4000, LOOP)
    scene.epoll(LOOP, 1250, 4100, WORKER, woken=3995)
    scene.answer(5000)
    return scene


def shape(chain: WakeChain) -> list[tuple[str, int | None, int]]:
    return [(step.kind.value, step.tid, step.ns - STARTED_NS) for step in chain.steps]


HANDED_OVER = [
    ("arrived", None, 1000), ("read", LOOP, 1100), ("woke", LOOP, 1195), ("left", WORKER, 1300),
    ("woke", WORKER, 3995), ("left", LOOP, 4100), ("began", LOOP, 4990), ("answered", LOOP, 5000),
]  # fmt: skip


def test_from_the_loop_to_a_worker_and_back() -> None:
    chain = handed_over().chain()
    assert shape(chain) == HANDED_OVER
    assert chain.threads == (LOOP, WORKER, LOOP)
    assert {step.known for step in chain.steps} == {Known.OBSERVED}
    assert (chain.steps[2].call, chain.steps[2].address) == ("futex", QUEUE)
    assert (chain.steps[4].call, chain.steps[4].fd, chain.steps[4].file) == (
        "write",
        6,
        "anon_inode:[eventfd]",
    )


def test_a_lock_on_the_way_does_not_hide_the_hand_over() -> None:
    """The worker was woken for the queue, then waited for a lock that the loop held."""
    scene = handed_over()
    scene.futex(WORKER, 1310, 1500, LOCK, LOOP, woken=1490)
    chain = scene.chain()
    assert shape(chain) == [*HANDED_OVER[:4], ("waited", WORKER, 1500), *HANDED_OVER[4:]]


def test_two_waits_on_one_queue_are_two_hand_overs() -> None:
    """Woken for an earlier request and again for this one: the later counts, on either of its words."""
    scene = handed_over()
    scene.futex(WORKER, 1310, 2500, QUEUE + 4, LOOP, woken=2000)
    scene.signal(LOOP, 2010, QUEUE + 4, WORKER)
    assert ("woke", LOOP, 2000) in shape(scene.chain())
    assert ("left", WORKER, 1300) not in shape(scene.chain())


def test_who_is_woken_before_the_request_was_read_was_not_woken_for_it() -> None:
    scene = Served()
    scene.arrival(CONNECTION, 1000)
    scene.ask(1100)
    scene.futex(WORKER, 100, 1300, QUEUE, LOOP, woken=900)
    scene.answer(5000, tid=WORKER)
    chain = scene.chain()
    assert not chain.complete
    (unseen,) = [step for step in chain.steps if step.kind is StepKind.UNSEEN]
    assert (unseen.tid, unseen.known, unseen.ns - STARTED_NS) == (WORKER, Known.UNKNOWN, 1300)


def test_a_worker_that_never_slept_took_it_unseen() -> None:
    scene = Served()
    scene.ask(1100)
    scene.answer(5000, tid=WORKER)
    chain = scene.chain()
    assert shape(chain)[1][:2] == ("unseen", WORKER)
    assert (chain.from_arrival, chain.complete) == (False, False)


def test_a_stranger_who_wakes_is_no_way_back() -> None:
    scene = Served()
    scene.ask(1100)
    scene.futex(WORKER, 100, 1300, QUEUE, 999, woken=1200)
    scene.answer(5000, tid=WORKER)
    chain = scene.chain()
    assert [step.kind for step in chain.steps if step.known is Known.UNKNOWN] == [StepKind.UNSEEN]


def test_what_was_written_while_the_loop_was_awake_is_found_by_its_next_wait() -> None:
    scene = Served()
    scene.arrival(CONNECTION, 1000)
    scene.ask(1100)
    scene.signal(LOOP, 1200, QUEUE, WORKER)
    scene.futex(WORKER, 100, 1300, QUEUE, LOOP, woken=1195)
    scene.notify(WORKER, 2000)
    # epoll_ctl(ADD) names what data=77 stands for; the wait reports it.
    scene.call("epoll_ctl", 3, 1, 6, 0, at=50, fd=3, file=EPOLL, second_file=EVENT, tid=LOOP)
    scene.remember(3, (1).to_bytes(4, "little") + (77).to_bytes(8, "little"))
    scene.call("epoll_wait", 3, 0, 1, at=3000, fd=3, file=EPOLL, result=1, tid=LOOP)
    scene.remember(1, (1).to_bytes(4, "little") + (77).to_bytes(8, "little"))
    scene.answer(5000)
    chain = scene.chain()
    assert [(kind, tid) for kind, tid, _ in shape(chain)[4:6]] == [("wrote", WORKER), ("left", LOOP)]
    assert chain.steps[5].known is Known.INFERRED
    assert chain.complete


def test_a_timer_of_its_own_is_a_delay_and_no_hand_over() -> None:
    scene = Served()
    scene.ask(1100)
    scene.wait("epoll_wait", LOOP, 1200, 9000, file=EPOLL, wake=Wake.TIMER)
    scene.answer(9500)
    chain = scene.chain()
    assert [(step.kind, step.woken_by) for step in chain.steps[1:2]] == [(StepKind.WAITED, "timer")]
    assert chain.threads == (LOOP,)


def test_a_thread_that_served_others_in_between_makes_it_an_inference() -> None:
    scene = handed_over()
    scene.accepted(SECOND, at=20, fd=17, remote="10.0.0.9:4001", tid=LOOP)
    scene.ask(1150, file=SECOND)
    chain = scene.chain()
    assert (chain.steps[2].known, chain.steps[2].others) == (Known.INFERRED, 1)


def test_a_worker_that_was_told_by_the_loop_before_it_read() -> None:
    """The loop waits for the connection and hands it over: the worker reads and answers."""
    scene = Served()
    scene.call("epoll_ctl", 3, 1, 7, 0, at=50, fd=3, file=EPOLL, second_file=CONNECTION, tid=LOOP)
    scene.remember(3, (1).to_bytes(4, "little") + (5).to_bytes(8, "little"))
    scene.arrival(CONNECTION, 1000)
    scene.epoll(LOOP, 100, 1100, woken=1010)
    scene.remember(1, (1).to_bytes(4, "little") + (5).to_bytes(8, "little"))
    scene.signal(LOOP, 1200, QUEUE, WORKER)
    scene.futex(WORKER, 90, 1300, QUEUE, LOOP, woken=1195)
    scene.ask(1400, tid=WORKER)
    scene.answer(2000, tid=WORKER)
    assert shape(scene.chain()) == [
        ("arrived", None, 1000), ("roused", LOOP, 1010), ("left", LOOP, 1100), ("woke", LOOP, 1195),
        ("left", WORKER, 1300), ("read", WORKER, 1400), ("began", WORKER, 1990), ("answered", WORKER, 2000),
    ]  # fmt: skip


def ring_scene(tid: int, **fields: Any) -> Served:
    scene = Served()
    scene.arrival(CONNECTION, 1000)
    scene.io_uring("RECV", at=1100, took=1000, tid=tid, file=CONNECTION, fd=7, result=100)
    scene.io_uring("SEND", at=3100, took=100, tid=tid, file=CONNECTION, fd=7, result=100)
    return scene


def test_operations_on_a_ring_complete_inside_the_wait() -> None:
    scene = ring_scene(LOOP)
    scene.wait("io_uring_enter", LOOP, 500, 1200, arguments=(4,), wake=Wake.NETWORK, woken=1005)
    assert shape(scene.chain()) == [
        ("arrived", None, 1000), ("roused", LOOP, 1005), ("read", LOOP, 1100), ("left", LOOP, 1200),
        ("began", LOOP, 3000), ("answered", LOOP, 3100),
    ]  # fmt: skip


def polled_ring(thread: int) -> Ring:
    return Ring(5, 1, 4, 2, 8, 16, thread, 0, 0)


def test_what_an_application_does_between_two_operations_of_a_polled_ring_is_unknown() -> None:
    chain = ring_scene(OTHER).chain(rings=(polled_ring(OTHER),))
    assert [step.known for step in chain.steps if step.kind is StepKind.BEGAN] == [Known.UNKNOWN]


def test_an_application_that_the_polling_thread_woke_is_in_the_chain() -> None:
    scene = ring_scene(OTHER)
    scene.wait("io_uring_enter", LOOP, 500, 1200, arguments=(4,), wake=Wake.THREAD, waker=OTHER, woken=1110)
    chain = scene.chain(rings=(polled_ring(OTHER),))
    assert chain.complete
    assert chain.threads == (OTHER, LOOP, OTHER)


def test_the_slowest_keeps_its_rows_when_newer_ones_push_them_out() -> None:
    """One request per second, the third of them the slowest; few rows are kept."""
    scene = Served()
    for number in range(40):
        at = 1_000_000_000 * (number + 1)
        scene.ask(at)
        scene.wait("clock_nanosleep", LOOP, at + 100, at + 200, wake=Wake.TIMER)
        scene.answer(at + (9000 if number == 2 else 300))
    follower = scene.follow("slowest", pieces=40, most_rows=20)
    chain = follower.chain(scene.source)
    assert chain is not None
    assert (chain.request, chain.total_ns, len(chain.steps)) == (3, 9000, 4)
    assert (follower.requests, follower.left_out) == (40, 0)


def test_a_request_that_outlasts_what_is_kept_is_counted_and_not_chosen() -> None:
    scene = Served()
    scene.accepted(SECOND, at=20, fd=17, remote="10.0.0.9:4001", tid=LOOP)
    scene.ask(1000, file=SECOND)
    for number in range(40):
        scene.ask(1_000_000_000 * (number + 1))
        scene.answer(1_000_000_000 * (number + 1) + 300)
    scene.answer(50_000_000_000, file=SECOND)
    follower = scene.follow("slowest", pieces=40, most_rows=20)
    chain = follower.chain(scene.source)
    assert chain is not None
    assert (chain.connection, chain.total_ns) == (1, 300)
    assert (follower.requests, follower.left_out) == (40, 1)


def test_a_socket_that_is_no_connection_has_no_requests_to_choose() -> None:
    """It is bound where the target listens, but has no peer: `stat --connections` does not show it either."""
    scene = Served()
    unnamed = scene.socket(6, tcp(SERVER, None))
    scene.ask(1000, file=unnamed)
    scene.answer(2000, file=unnamed)
    listener = OpenSocket(1, 3, 1000 + LISTENER, scene.files[LISTENER].socket or tcp(SERVER, None))
    follower = scene.follow("slowest", open_sockets=(listener,))
    assert follower.chain(scene.source) is None
    assert [each for each in scene.connections(context=scene.source.context) if each.requests] == []


@given(st.lists(st.tuples(st.sampled_from("fFenNrs"), st.integers(1, 400)), max_size=30), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_any_rows_lead_to_a_chain_that_is_in_order(rows: list[tuple[str, int]], pieces: int) -> None:
    """Whatever happened: steps ascend, delays add up to the time that the connection's table has."""
    scene = handed_over()
    for what, at in rows:
        moment, tid = 1000 + at * 10, (LOOP, WORKER, OTHER)[at % 3]
        if what in "fF":
            scene.futex(
                tid, moment - 40, moment, QUEUE if what == "f" else LOCK, (LOOP, WORKER, OTHER)[at % 2]
            )
        elif what == "e":
            scene.epoll(tid, moment - 30, moment, (0, WORKER)[at % 2])
        elif what in "nN":
            scene.notify(tid, moment, OTHER if what == "N" else 0)
        elif what == "r":
            scene.ask(moment, tid=tid)
        else:
            scene.answer(moment, tid=tid)
    follower = scene.follow("1", pieces=pieces)
    chain = follower.chain(scene.source)
    assert chain is not None
    moments = [step.ns for step in chain.steps]
    assert moments == sorted(moments)
    assert sum(step.delay_ns for step in chain.steps) == chain.total_ns
    (connection,) = scene.connections(context=scene.source.context)
    assert chain.total_ns == connection.request_first_max_ns
    assert follower.requests == connection.requests


@pytest.mark.parametrize("text", ["", "fast", "0", "1#0", "1#", "#1", "-1", "1#2#3", "９"])
def test_a_name_that_means_no_request(text: str) -> None:
    with pytest.raises(UsageError, match="no request is named"):
        request_name(text)


def test_names() -> None:
    names = [request_name(text) for text in ("slowest", "3", "3#7")]
    assert [str(name) for name in names] == ["slowest", "3", "3#7"]
    assert replace(names[2], request=None) == names[1]


def test_a_socket_pair_is_known_once_a_write_to_one_end_woke_the_other() -> None:
    """As asyncio's threads tell its loop: later writes are found even where the loop was awake."""
    scene = Served()
    near = scene.socket(4, unix(None), inode=50)
    far = scene.socket(5, unix(None), inode=51)
    data = (1).to_bytes(4, "little") + (77).to_bytes(8, "little")
    scene.call("epoll_ctl", 3, 1, 8, 0, at=50, fd=3, file=EPOLL, second_file=near, tid=LOOP)
    scene.remember(3, data)
    scene.write(far, 1, at=140, tid=WORKER)
    scene.wait("epoll_wait", LOOP, 100, 150, file=EPOLL, fd=3, result=1, wake=Wake.THREAD, waker=WORKER,
               waker_opcode=OPCODES["write"], waker_file=far)  # fmt: skip
    scene.remember(1, data)
    scene.arrival(CONNECTION, 1000)
    scene.ask(1100)
    scene.signal(LOOP, 1200, QUEUE, WORKER)
    scene.futex(WORKER, 200, 1300, QUEUE, LOOP, woken=1195)
    scene.write(far, 1, at=2000, tid=WORKER)
    scene.call("epoll_wait", 3, 0, 1, at=3000, fd=3, file=EPOLL, result=1, tid=LOOP)
    scene.remember(1, data)
    scene.answer(5000)
    chain = scene.chain()
    assert [(kind, tid) for kind, tid, _ in shape(chain)[4:6]] == [("wrote", WORKER), ("left", LOOP)]
    assert (chain.threads, chain.complete) == ((LOOP, WORKER, LOOP), True)


def test_a_search_among_too_many_waits_ends_with_what_was_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = handed_over()
    for number in range(5):
        scene.wait("read", LOOP, 4200 + 20 * number, 4210 + 20 * number, wake=Wake.INTERRUPT)
    assert scene.chain().complete
    monkeypatch.setattr("uringtrace.tracer.wakes.search._MOST_WAITS", 3)
    chain = scene.chain()
    assert [step.kind for step in chain.steps if step.known is Known.UNKNOWN] == [StepKind.UNSEEN]
