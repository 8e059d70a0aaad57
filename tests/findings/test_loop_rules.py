"""Event loops and threads on rows written down here: what blocks, spins, herds or starves."""

import errno

import numpy as np
import pytest

from tests.fakes import STARTED_NS, call, row, rows
from tests.findings.diagnosing import diagnosed, finding, state
from uringtrace.tracer.findings import Confidence, Diagnosis, Severity, State
from uringtrace.tracer.findings.thread_looks import Look
from uringtrace.tracer.record import Kind, Wake
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records, SocketEventKind
from uringtrace.tracer.source import File, Interest, Socket, Thread

MS = 1_000_000
EPOLL = File(1, "anon_inode:[eventpoll]", 8, 1)
PEERS = {
    number: File(
        number,
        f"TCP 127.0.0.1:80->127.0.0.1:{number}",
        8,
        100 + number,
        Socket("inet", "tcp", "127.0.0.1:80", f"127.0.0.1:{number}"),
    )
    for number in range(10, 20)
}
LISTENER = File(2, "TCP 127.0.0.1:80 listening", 8, 2, Socket("inet", "tcp", "127.0.0.1:80", None, True))
FILES = {1: EPOLL, 2: LISTENER, **PEERS}
INTERESTS = tuple(Interest(4242, 3, number, 1, number, 100 + number) for number in PEERS)
THREADS = {4243: Thread(4243, 4242, "loop"), 4300: Thread(4300, 4242, "other")}


def wait(at_ms, took_ms=0.1, *, tid=4243, result=1, ready=10, timeout=-1, epoll=1, **fields):
    """A wait on the instance, with the event that it reported, as (row, memory)."""
    taken = call(
        "epoll_wait", 3, 0x7F00, 64, timeout, after_ns=round(at_ms * MS), took_ns=round(took_ms * MS),
        fd=3, file=epoll, tid=tid, result=result, **fields,
    )  # fmt: skip
    return taken, ready if result > 0 else None


def on(name, at_ms, took_ms=0.01, *, file=10, result=5, **fields):
    """A call on a connection."""
    values = {"tid": 4243, **fields}
    return (
        call(name, file, after_ns=round(at_ms * MS), took_ns=round(took_ms * MS), fd=file, file=file,
             result=result, **values),
        None,
    )  # fmt: skip


def records(*described, events=()):
    """In the order of completion, with what waits reported."""
    ordered = sorted(described, key=lambda each: int(each[0]["completed_ns"][0]))
    ready = [(index, number) for index, (_, number) in enumerate(ordered) if number is not None]
    memory = np.zeros(len(ready), MEMORY)
    for place, (index, number) in enumerate(ready):
        event = np.zeros(1, [("events", "<u4"), ("data", "<u8")])
        event["events"], event["data"] = 1, number
        memory[place] = (index, 1, 12, 12, event.tobytes().ljust(48, b"\0"))
    happened = np.zeros(len(events), SOCKET_EVENT)
    for place, (at_ms, file, kind, after) in enumerate(events):
        happened[place] = (STARTED_NS + round(at_ms * MS), file, kind, 0, after)
    return Records(rows(*(each for each, _ in ordered)), memory, happened)


def arrival(at_ms, file):
    return at_ms, file, SocketEventKind.ARRIVAL, 0


def judged(*parts, **facts):
    values = {"files": FILES, "interests": INTERESTS, "threads": THREADS, **facts}
    return diagnosed(*parts, **values)


def turns(count, every_ms=5):
    """A loop that is all right: wait, read, answer."""
    for number in range(count):
        at = number * every_ms
        yield wait(at)
        yield on("recvfrom", at + 0.2)
        yield on("sendto", at + 0.3)


def test_a_call_that_blocks_the_loop_is_named_with_its_descriptor():
    busy = list(turns(100))
    blocks = [on("read", 1 + 50 * number, 45, file=11) for number in range(3)]
    kept = [each for each in busy if not _inside(each, blocks)]
    found = finding(judged(records(*kept, *blocks)), "blocked-loop")
    assert (found.value("call"), found.value("blocks"), found.value("gaps")) == ("read", 3, 3)
    assert found.value("longest_block_ns") == 45 * MS
    assert (found.subject.tid, found.subject.fd, found.subject.thread) == (4243, 11, "loop")
    assert (found.severity, found.confidence) == (Severity.INFO, Confidence.HIGH)


def _inside(each, blocks):
    begin, end = (int(each[0][name][0]) for name in ("submitted_ns", "completed_ns"))
    return any(
        begin < int(block["completed_ns"][0]) and int(block["submitted_ns"][0]) < end for block, _ in blocks
    )


def test_a_hundred_milliseconds_are_a_warning():
    found = finding(judged(records(*turns(30), on("clock_nanosleep", 151, 120), wait(275))), "blocked-loop")
    assert found.severity is Severity.WARNING
    assert found.value("longest_gap_ns") == pytest.approx(125 * MS, abs=6 * MS)


def test_another_thread_in_the_wait_keeps_the_loop_going():
    """It began to wait before the gap and is heard of only afterwards, in a later drain."""
    first = records(*turns(30), on("clock_nanosleep", 151, 120), wait(275))
    second = records(wait(140, 200, tid=4300))
    assert state(judged(first, second), "blocked-loop") is State.CLEAR


def test_a_loop_that_is_blocked_when_the_capture_ends():
    blocked = on("read", 151, 0, file=11, kind=Kind.UNFINISHED, completed_ns=STARTED_NS + 900 * MS)
    result = judged(records(*turns(30), blocked), ended_ns=STARTED_NS + 900 * MS)
    assert finding(result, "blocked-loop").value("call") == "read"


def test_a_loop_that_waits_when_the_capture_ends_is_not_blocked():
    waiting = call(
        "epoll_wait", 3, 0, 64, -1, after_ns=151 * MS, fd=3, file=1, kind=Kind.UNFINISHED,
        completed_ns=STARTED_NS + 900 * MS,
    )  # fmt: skip
    result = judged(records(*turns(30), (waiting, None)), ended_ns=STARTED_NS + 900 * MS)
    assert state(result, "blocked-loop") is State.CLEAR


def test_computing_is_told_from_waiting_for_a_processor_where_that_was_observed():
    from tests.fakes import FakeSource, context
    from tests.findings.diagnosing import PROBES

    part = records(*turns(30), wait(350), wait(360))
    for ran_ns, queued_ns, expected in ((250 * MS, 0, State.FOUND), (10 * MS, 190 * MS, State.CLEAR)):
        source = FakeSource(
            (part,), context(probes=PROBES), files=FILES, interests=INTERESTS, threads=THREADS
        )
        diagnosis = Diagnosis(source.context)
        diagnosis.shared.looks.add(4243, Look(STARTED_NS, 0, 0))
        diagnosis.shared.looks.add(4243, Look(STARTED_NS + 355 * MS, ran_ns, queued_ns))
        diagnosis.add(part, source)
        assert state(diagnosis.judge(source), "blocked-loop") is expected
    unknown = finding(judged(part), "blocked-loop")
    assert (unknown.severity, unknown.confidence) == (Severity.INFO, Confidence.LOW)


def test_few_waits_or_no_sockets_are_nothing_to_judge():
    result = judged(records(*turns(3), on("read", 20, 300)))
    assert state(result, "blocked-loop") is State.NOT_APPLICABLE
    without = judged(records(*turns(30), on("read", 151, 300), wait(460)), interests=())
    assert state(without, "blocked-loop") is State.NOT_APPLICABLE


def test_a_thread_that_is_woken_and_has_to_wait_for_a_processor():
    late = wait(200, 150, slept=True, wake=Wake.NETWORK, woken_ns=STARTED_NS + 310 * MS)
    found = finding(judged(records(*turns(30), late)), "cpu-starvation")
    assert (found.value("delays"), found.value("longest_ns")) == (1, 40 * MS)
    assert found.severity is Severity.INFO
    prompt = wait(200, 150, slept=True, wake=Wake.NETWORK, woken_ns=STARTED_NS + 349 * MS)
    assert state(judged(records(*turns(30), prompt)), "cpu-starvation") is State.CLEAR


def accept(at_ms, result, tid):
    return (
        call("accept4", 4, after_ns=round(at_ms * MS), took_ns=1000, fd=4, file=2, result=result, tid=tid),
        None,
    )


def herd(wakes, in_vain):
    for number in range(40):
        at = number * 10
        yield wait(at, 1, tid=4243, ready=2, slept=True, wake=Wake.NETWORK, wakes=wakes)
        yield accept(at + 2, 20, 4243)
        yield wait(at, 1.1, tid=4300, ready=2, slept=True, wake=Wake.NETWORK, wakes=1, epoll=5)
        if in_vain:
            yield accept(at + 2.1, -errno.EAGAIN, 4300)
        elif number % 4 == 0:
            yield accept(at + 2.1, 21, 4300)


def test_a_herd_is_found_by_accepts_in_vain_and_by_sleeping_again():
    found = finding(judged(records(*herd(1, True))), "thundering-herd")
    assert (found.value("accepted"), found.value("in_vain"), found.value("slept_again")) == (40, 40, 0)
    assert found.value("eagain") == 40
    found = finding(judged(records(*herd(3, False))), "thundering-herd")
    assert (found.value("in_vain"), found.value("slept_again")) == (0, 80)
    assert state(judged(records(*herd(1, False))), "thundering-herd") is State.CLEAR


def test_threads_on_one_instance_that_come_late_for_data_are_no_herd_of_the_listener():
    described = [
        *(accept(number, 20, 4243 if number % 2 else 4300) for number in range(40)),
        *(
            wait(100 + 10 * number, tid=tid, slept=True, wake=Wake.NETWORK, wakes=4)
            for number in range(40)
            for tid in (4243, 4300)
        ),
    ]
    assert state(judged(records(*described)), "thundering-herd") is State.CLEAR


def test_an_edge_triggered_loop_that_accepts_until_eagain_is_no_herd():
    drains = []
    for number in range(40):
        at, tid = number * 10, 4243 if number % 2 else 4300
        drains += [wait(at, 1, tid=tid, ready=2), accept(at + 2, 20, tid), accept(at + 3, -errno.EAGAIN, tid)]
    assert state(judged(records(*drains)), "thundering-herd") is State.CLEAR
    assert state(judged(records(*drains)), "eagain-storm") is State.NOT_APPLICABLE


@pytest.mark.parametrize(("per_success", "expected"), [(6, State.FOUND), (1, State.CLEAR)])
def test_asking_in_place_of_waiting(per_success, expected):
    asks = []
    for number in range(60):
        asks.append(on("recvfrom", number * 10))
        asks += [
            on("recvfrom", number * 10 + 0.1 * each, result=-errno.EAGAIN)
            for each in range(1, per_success + 1)
        ]
    result = judged(records(*asks))
    assert state(result, "eagain-storm") is expected
    if expected is State.FOUND:
        found = finding(result, "eagain-storm")
        assert (found.value("eagain"), found.value("successes"), found.subject.fd) == (360, 60, 10)


@pytest.mark.parametrize(("length", "expected"), [(130, State.FOUND), (60, State.CLEAR)])
def test_a_descriptor_that_stays_ready(length, expected):
    spins = [wait(1000 + number) for number in range(length)]
    for result in (
        judged(records(*turns(60), *spins, on("recvfrom", 1500))),
        judged(records(*turns(60), *spins[:40]), records(*spins[40:], on("recvfrom", 1500))),
    ):
        assert state(result, "ready-spin") is expected
        if expected is State.FOUND:
            found = finding(result, "ready-spin")
            assert (found.value("longest_run"), found.value("idle")) == (length, length - 1)
            assert found.subject.fd == 10


@pytest.mark.parametrize(("useful", "expected"), [(100, Severity.WARNING), (2000, Severity.INFO)])
def test_a_short_spin_among_many_useful_waits_is_worth_knowing(useful, expected):
    """As of a client that has asked all it wanted to, and waits for the last answers."""
    spins = [wait(20_000 + number) for number in range(130)]
    result = judged(records(*turns(useful), *spins, on("recvfrom", 20_500)))
    assert finding(result, "ready-spin").severity is expected


def test_another_thread_that_serves_what_was_reported_makes_a_wait_useful():
    reactor = [wait(number * 5) for number in range(150)]
    workers = [on("recvfrom", number * 5 + 1, tid=4300) for number in range(150)]
    assert state(judged(records(*reactor, *workers)), "ready-spin") is State.CLEAR


def test_waits_that_only_tell_another_thread_something_are_no_spin():
    token = File(9, "anon_inode:[eventfd]", 8, 9)
    interests = (*INTERESTS, Interest(4242, 3, 9, 1, 9, 0))
    tells = [wait(number * 5, ready=9) for number in range(150)]
    opened = call("eventfd2", after_ns=1, took_ns=1, result=9, result_file=9)
    added = call("write", 9, 0, 8, after_ns=2, took_ns=1, fd=9, file=9, result=8)
    result = judged(
        records((opened, None), (added, None), *tells), files={**FILES, 9: token}, interests=interests
    )
    assert state(result, "ready-spin") is not State.FOUND


def test_one_worker_that_has_nearly_all():
    many = [accept(number, 20, 4243) for number in range(38)] + [accept(50 + n, 21, 4300) for n in range(2)]
    found = finding(judged(records(*many)), "unbalanced-workers")
    assert (found.value("accepted"), found.value("total"), found.value("workers")) == (38, 40, 2)
    assert (found.severity, found.subject.tid) == (Severity.INFO, 4243)
    half = [accept(number, 20, 4243 if number % 2 else 4300) for number in range(40)]
    assert state(judged(records(*half)), "unbalanced-workers") is State.CLEAR
    alone = [accept(number, 20, 4243) for number in range(40)]
    assert state(judged(records(*alone)), "unbalanced-workers") is State.NOT_APPLICABLE


def starving(share_of_other):
    """Data of connection 11 lies unread for 50 ms; meanwhile 10, and at times 12, are served."""
    served = []
    for number in range(50):
        file = 12 if number % 10 < 10 * share_of_other else 10
        served.append(on("recvfrom", 100 + number, file=file))
    return records(wait(99), *served, on("recvfrom", 151, file=11), events=[arrival(100.5, 11)])


def test_one_connection_that_is_served_in_place_of_others():
    found = finding(judged(starving(0)), "starved-connections")
    assert (found.value("starved"), found.subject.fd) == (1, 10)
    assert found.value("longest_ns") == pytest.approx(50.5 * MS, abs=MS)
    assert state(judged(starving(0.5)), "starved-connections") is State.CLEAR


def accepted(file, at_ms):
    return (
        call("accept4", 4, after_ns=round(at_ms * MS), took_ns=1000, fd=4, file=2, result=file,
             result_file=file, tid=4243),
        None,
    )  # fmt: skip


def peer_closed(at_ms, file):
    return at_ms, file, SocketEventKind.STATE, 8


@pytest.mark.parametrize(("closed", "expected"), [(False, State.FOUND), (True, State.CLEAR)])
def test_a_connection_that_its_peer_has_left(closed, expected):
    described = [accepted(10, 1), on("recvfrom", 5), on("sendto", 6), on("recvfrom", 20, result=0)]
    events = [peer_closed(19, 10)]
    if closed:
        described.append(on("close", 21, result=0))
        events += [(20.9, 10, SocketEventKind.STATE, 9), (21, 10, SocketEventKind.STATE, 7)]
    result = judged(records(*described, events=events), ended_ns=STARTED_NS + 3000 * MS)
    assert state(result, "leaked-connections") is expected
    if expected is State.FOUND:
        found = finding(result, "leaked-connections")
        assert (found.value("leaked"), found.value("connections"), found.subject.fd) == (1, 1, 10)
        assert found.value("longest_ns") == 2981 * MS


def waiting_for_ever(at_ms, timeout=-1, until_ms=4000):
    return (
        call("epoll_wait", 3, 0, 64, timeout, after_ns=round(at_ms * MS), fd=3, file=1, tid=4243,
             kind=Kind.UNFINISHED, completed_ns=STARTED_NS + until_ms * MS),
        None,
    )  # fmt: skip


@pytest.mark.parametrize(("timeout", "expected"), [(-1, State.FOUND), (30_000, State.CLEAR)])
def test_a_request_that_nobody_answers_while_all_are_parked(timeout, expected):
    """A timer that has not expired may yet bring the answer."""
    described = [accepted(10, 1), on("recvfrom", 5), waiting_for_ever(10, timeout)]
    result = judged(records(*described), ended_ns=STARTED_NS + 4000 * MS)
    assert state(result, "stuck-request") is expected
    if expected is State.FOUND:
        found = finding(result, "stuck-request")
        assert (found.value("unanswered"), found.subject.fd, found.confidence) == (1, 10, Confidence.LOW)


def test_data_that_nobody_reads_while_all_are_parked_is_certain():
    described = [
        accepted(10, 1), on("recvfrom", 5), on("sendto", 6), on("recvfrom", 7, result=-errno.EAGAIN),
        waiting_for_ever(10),
    ]  # fmt: skip
    result = judged(records(*described, events=[arrival(20, 10)]), ended_ns=STARTED_NS + 4000 * MS)
    found = finding(result, "stuck-request")
    assert (found.severity, found.confidence, found.value("unread")) == (
        Severity.CRITICAL,
        Confidence.HIGH,
        1,
    )


def test_a_slow_peer_that_holds_a_thread_while_another_waits():
    held = on("recvfrom", 10, 3000, file=11)
    described = [accepted(10, 1), accepted(11, 2), on("recvfrom", 5), on("sendto", 6), held]
    late = on("recvfrom", 3011, file=10)
    result = judged(records(*described, late, events=[arrival(20, 10)]), ended_ns=STARTED_NS + 4000 * MS)
    found = finding(result, "head-of-line")
    assert (found.value("call"), found.value("unread"), found.subject.fd) == ("recvfrom", 1, 11)
    assert found.value("longest_ns") == pytest.approx(2991 * MS, abs=MS)
    assert state(result, "stuck-request") is State.CLEAR
    prompt = judged(records(*described, on("recvfrom", 22, file=10, tid=4300), events=[arrival(20, 10)]))
    assert state(prompt, "head-of-line") is State.CLEAR


def test_threads_that_hand_over_for_every_request():
    requests = [each for n in range(120) for each in (on("recvfrom", n * 5), on("sendto", n * 5 + 1))]
    handed = [
        (
            call("futex", 0x5000, 128, after_ns=round((n * 4 + 2) * MS), took_ns=MS, slept=True,
                 wake=Wake.THREAD, waker=4300, result=0),
            None,
        )
        for n in range(150)
    ]  # fmt: skip
    accepting = accepted(10, 0)
    found = finding(judged(records(accepting, *requests, *handed)), "lock-convoy")
    assert (found.severity, found.value("handed"), found.value("word")) == (Severity.INFO, 150, 0x5000)
    assert found.value("requests") == 120
    few = judged(records(accepting, *requests, *handed[:50]))
    assert state(few, "lock-convoy") is State.CLEAR


def test_rings_alone_leave_nothing_to_say_of_loops():
    result = judged(row("READ"), probes=["io_uring_complete"])
    for tag in ("blocked-loop", "thundering-herd", "stuck-request", "head-of-line"):
        assert state(result, tag) is State.NOT_APPLICABLE
