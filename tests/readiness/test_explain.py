"""Why descriptors were ready and what ended waits."""

from __future__ import annotations

import errno
from collections.abc import Mapping

import numpy as np
import pytest

from tests.fakes import CALL_NAMES, OPCODES, STARTED_NS, call, context, row
from tests.readiness.build import (
    ADD,
    CALLS,
    EPOLLIN,
    EPOLLOUT,
    epoll_ctl,
    epoll_wait,
    fd_set,
    joined,
    pollfds,
    with_memory,
)
from uringtrace.tracer.readiness.causes import CauseKind
from uringtrace.tracer.readiness.explain import Cause, Explained, Explainer
from uringtrace.tracer.readiness.wakers import Explanation, Reason, Woke, explanation, reasons, woke
from uringtrace.tracer.record import Batch, Kind, Wake
from uringtrace.tracer.records import SOCKET_EVENT, Records, SocketEventKind, empty_records, only_operations
from uringtrace.tracer.source import File, Socket

assert CALL_NAMES, "the names of x86-64"
TCP = Socket("inet", "tcp", "127.0.0.1:80", "127.0.0.1:4000")
FILES: Mapping[int, File] = {
    9: File(9, "anon_inode:[eventpoll]", 1, 1),
    20: File(20, "anon_inode:[eventfd]", 1, 1),
    21: File(21, "anon_inode:[eventfd]", 1, 1),
    30: File(30, "pipe:[77]", 2, 77),
    31: File(31, "pipe:[77]", 2, 77),
    32: File(32, "pipe:[78]", 2, 78),
    40: File(40, "TCP 127.0.0.1:80", 3, 500, TCP),
    41: File(41, "TCP 127.0.0.1:80->127.0.0.1:4000", 3, 500, TCP),
    50: File(50, "UNIX", 3, 600, Socket("unix", "unix", None, None)),
}
EPOLLRDHUP = 0x2000


def at(began: int, ended: int) -> dict[str, int]:
    return {"submitted_ns": STARTED_NS + began, "completed_ns": STARTED_NS + ended}


def write(file: int, tid: int, began: int, ended: int, name: str = "write", **fields: int) -> Records:
    values = {"result": 8, "fd": 5, "file": file, "tid": tid, **at(began, ended), **fields}
    return only_operations(call(name, 5, **values))  # type: ignore[arg-type]


def arrival(file: int, ns: int, kind: int = SocketEventKind.ARRIVAL, after: int = 0) -> Records:
    event = np.array([(STARTED_NS + ns, file, kind, 1, after)], SOCKET_EVENT)
    empty = empty_records()
    return Records(empty.operations, empty.memory, event)


def explained(*parts: Records) -> Explained:
    return Explainer(context()).add(joined(parts), FILES)


def cause_of_last(*parts: Records) -> Cause | None:
    """Of the only readiness, in the last operation."""
    found = explained(*parts)
    [ready] = found.wait(found.records.operations.size - 1).ready
    return ready.cause


def waiting_for(file: int, mask: int = EPOLLIN, **fields: object) -> tuple[Records, Records]:
    return (
        epoll_ctl(ADD, 7, 70, at=1, second_file=file),
        epoll_wait([(mask, 70)], began=90, at=100, **fields),  # type: ignore[arg-type]
    )


def test_an_eventfd_was_written_by_the_last_thread_that_did() -> None:
    ctl, wait = waiting_for(20)
    writes = [write(20, 31, 10, 12), write(20, 32, 20, 25), write(21, 33, 30, 31)]
    assert cause_of_last(ctl, *writes, wait) == Cause(CauseKind.WRITTEN, 32, OPCODES["write"], 75)


def test_the_writer_may_still_be_in_its_call_when_the_waiter_returns() -> None:
    ctl, wait = waiting_for(20)
    found = explained(ctl, wait, write(20, 31, 95, 120))
    [ready] = found.wait(1).ready
    assert ready.cause == Cause(CauseKind.WRITTEN, 31, OPCODES["write"], 0)


@pytest.mark.parametrize("fields", [{"result": -errno.EAGAIN}, {"kind": Kind.UNFINISHED}])
def test_a_write_that_did_not_succeed_is_no_cause(fields: dict[str, int]) -> None:
    ctl, wait = waiting_for(20)
    assert cause_of_last(ctl, write(20, 31, 10, 12, **fields), wait) is None


def test_a_later_write_is_no_cause() -> None:
    ctl, wait = waiting_for(20)
    found = explained(ctl, wait, write(20, 31, 101, 102))
    assert found.wait(1).ready[0].cause is None


def test_both_ends_of_a_pipe_are_one() -> None:
    ctl, wait = waiting_for(30)
    other = write(32, 33, 30, 31)
    assert cause_of_last(ctl, write(31, 32, 20, 25), other, wait) == Cause(
        CauseKind.WRITTEN, 32, OPCODES["write"], 75
    )


def test_splice_writes_to_its_second_descriptor() -> None:
    ctl, wait = waiting_for(30)
    splice = write(40, 32, 20, 25, name="splice", second_file=31)
    assert cause_of_last(ctl, splice, wait) == Cause(CauseKind.WRITTEN, 32, OPCODES["splice"], 75)


def test_io_uring_writes_too() -> None:
    ctl, wait = waiting_for(20)
    operation = row("WRITE", fd=5, file=20, tid=32, result=8, **at(20, 25))
    assert cause_of_last(ctl, only_operations(operation), wait) == Cause(
        CauseKind.WRITTEN, 32, OPCODES["WRITE"], 75
    )


def test_whoever_woke_the_waiter_by_writing_there_is_the_writer() -> None:
    """Its write is not over yet, and may come in a later batch."""
    woken = {
        "slept": True,
        "wake": Wake.THREAD,
        "waker": 99,
        "waker_opcode": OPCODES["write"],
        "waker_file": 20,
        "waker_argument": 5,
        "woken_ns": STARTED_NS + 97,
    }
    ctl, wait = waiting_for(20, **woken)
    assert cause_of_last(ctl, write(20, 31, 10, 12), wait) == Cause(
        CauseKind.WRITTEN, 99, OPCODES["write"], 3
    )
    ctl, wait = waiting_for(21, **woken)
    assert cause_of_last(ctl, write(20, 31, 10, 12), wait) is None, "another eventfd"


def test_data_arrived_for_a_socket_under_any_of_its_numbers() -> None:
    ctl, wait = waiting_for(41)
    assert cause_of_last(ctl, arrival(40, 60), arrival(40, 70), arrival(41, 101), wait) == Cause(
        CauseKind.ARRIVED, None, None, 30
    )


def test_room_to_send_is_not_due_to_an_arrival() -> None:
    ctl, wait = waiting_for(41, EPOLLOUT)
    assert cause_of_last(ctl, arrival(41, 60), wait) is None


@pytest.mark.parametrize(
    ("after", "kind"), [(8, CauseKind.ENDED), (7, CauseKind.ENDED), (2, CauseKind.ARRIVED)]
)
def test_the_end_of_a_connection_is_told_where_it_is_reported(after: int, kind: CauseKind) -> None:
    ctl, wait = waiting_for(41, EPOLLIN | EPOLLRDHUP)
    end = arrival(41, 60, SocketEventKind.STATE, after)
    before = 40 if kind is CauseKind.ENDED else 39
    assert cause_of_last(ctl, end, arrival(41, 61), wait) == Cause(kind, None, None, before)
    ctl, wait = waiting_for(41, EPOLLIN)
    assert cause_of_last(ctl, end, arrival(41, 61), wait) == Cause(CauseKind.ARRIVED, None, None, 39)


def test_who_writes_to_a_unix_sockets_peer_is_not_known() -> None:
    ctl, wait = waiting_for(50)
    assert cause_of_last(ctl, write(50, 31, 20, 25, name="sendto"), wait) is None


def test_causes_are_remembered_between_records() -> None:
    explainer = Explainer(context())
    ctl, wait = waiting_for(20)
    for part in (ctl, write(20, 31, 10, 12), arrival(40, 13)):
        explainer.add(part, FILES)
    [ready] = explainer.add(wait, FILES).wait(0).ready
    assert ready.cause == Cause(CauseKind.WRITTEN, 31, OPCODES["write"], 88)


def test_what_is_forgotten_is_no_cause_any_more() -> None:
    explainer = Explainer(context())
    change, wait = waiting_for(40)
    explainer.add(joined([change, arrival(40, 50), arrival(50, 51)]), FILES)
    explainer.forget([40, 12345])
    [ready] = explainer.add(wait, FILES).wait(0).ready
    assert (ready.fd, ready.cause) == (7, None)
    explainer.add(arrival(40, 95), FILES)
    [again] = explainer.add(wait, FILES).wait(0).ready
    assert again.cause is not None


def test_descriptors_of_poll_and_select_are_named_by_what_used_them() -> None:
    used = only_operations(call("read", 6, fd=6, file=30, **at(1, 2)))
    polled = with_memory(call("poll", 1, 2, 0, result=1, **at(10, 20)), {0: pollfds((6, 1, 1), (7, 1, 0))})
    selected = with_memory(call("select", 8, 1, result=1, **at(30, 40)), {1: fd_set([6], 8)})
    closed = only_operations(call("close", 6, fd=6, file=30, result=0, **at(50, 51)))
    again = with_memory(call("poll", 1, 1, 0, result=1, **at(60, 61)), {0: pollfds((6, 1, 1))})
    found = explained(used, polled, write(31, 32, 21, 22), selected, closed, again)
    first, second, third = (found.wait(row) for row in (1, 3, 5))
    assert [(each.fd, each.file, each.data) for each in first.ready] == [(6, 30, None)]
    assert (first.scanned, second.scanned, third.scanned) == (2, 1, 1)
    assert second.ready[0].cause == Cause(CauseKind.WRITTEN, 32, OPCODES["write"], 18)
    assert [(each.fd, each.file) for each in third.ready] == [(6, None)]


@pytest.mark.parametrize(
    "ending",
    [
        call("dup2", 3, 6, fd=3, file=41, result=6, result_file=41),
        call("close_range", 3, 9, result=0),
        call("execve", 0, result=0),
        row("CLOSE", fd=6, file=30, result=0),
    ],
    ids=["dup2", "close_range", "execve", "io_uring CLOSE"],
)
def test_a_descriptor_that_was_given_away_is_not_named_by_what_it_was(ending: Batch) -> None:
    for name, value in at(5, 6).items():
        ending[name] = value
    used = only_operations(call("read", 6, fd=6, file=30, **at(1, 2)))
    polled = with_memory(call("poll", 1, 1, 0, result=1, **at(10, 20)), {0: pollfds((6, 1, 1))})
    [ready] = explained(used, only_operations(ending), polled).wait(2).ready
    assert ready.file != 30


def one_reason(operation: Batch) -> Reason | None:
    [reason] = reasons(operation, CALLS).tolist()
    return reason  # type: ignore[no-any-return]


SLEPT = {"slept": True, "woken_ns": STARTED_NS + 1_004_000}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (call("epoll_wait", 4, result=1, wake=Wake.NETWORK, **SLEPT), Reason.NETWORK),
        (call("epoll_wait", 4, result=1, wake=Wake.TIMER, **SLEPT), Reason.TIMER),
        (call("epoll_wait", 4, result=0, wake=Wake.TIMER, **SLEPT), Reason.TIMEOUT),
        (call("epoll_wait", 4, result=0, slept=False), None),
        (call("poll", 4, result=0, **SLEPT), Reason.TIMEOUT),
        (call("pselect6", 4, result=0, wake=Wake.TIMER, **SLEPT), Reason.TIMEOUT),
        (call("futex", 4, result=-errno.ETIMEDOUT, wake=Wake.TIMER, **SLEPT), Reason.TIMEOUT),
        (call("futex", 4, result=0, wake=Wake.THREAD, waker=9, **SLEPT), Reason.THREAD),
        (call("recvfrom", 4, result=-errno.EAGAIN, wake=Wake.TIMER, **SLEPT), Reason.TIMEOUT),
        (call("recvfrom", 4, result=-errno.EAGAIN), None),
        (call("clock_nanosleep", 4, result=0, wake=Wake.TIMER, **SLEPT), Reason.TIMER),
        (call("read", 4, result=9, wake=Wake.INTERRUPT, **SLEPT), Reason.INTERRUPT),
        (call("read", 4, result=9, **SLEPT), None),
        (call("epoll_wait", 4, result=-errno.EINTR, wake=Wake.THREAD, waker=9, **SLEPT), Reason.SIGNAL),
        (call("poll", 4, result=-516, **SLEPT), Reason.SIGNAL),
        (call("accept4", 4, result=-512, submitted_ns=0), Reason.SIGNAL),
        (call("read", 4, kind=Kind.UNFINISHED, wake=Wake.NETWORK, **SLEPT), None),
        (row("READ", result=-errno.EINTR), None),
    ],
)
def test_reasons(operation: Batch, expected: Reason | None) -> None:
    assert one_reason(operation) is expected


def test_a_futex_is_woken_by_the_thread_whose_call_says_so() -> None:
    waker = {"wake": Wake.THREAD, "waker": 99, "waker_opcode": OPCODES["futex"], "waker_argument": 0x7F001234}
    [waiter] = call("futex", 0x7F001234, result=0, took_ns=9_000, **waker, **SLEPT)
    assert explanation(waiter, Reason.THREAD) == Explanation(
        Reason.THREAD, tid=99, opcode=OPCODES["futex"], ran_after_ns=5_000
    )
    [wake] = call("futex", 0x7F001234, result=2, woke=77, woke_count=2)
    assert woke(wake) == Woke(77, 2)
    [other] = call("futex", 0x7F001234, result=0)
    assert woke(other) is None


def test_the_wakers_descriptor_is_told_where_its_call_has_one() -> None:
    waker = {
        "wake": Wake.THREAD,
        "waker": 99,
        "waker_opcode": OPCODES["write"],
        "waker_argument": 5,
        "waker_file": 20,
    }
    [waiter] = call("epoll_wait", 4, result=1, **waker, **SLEPT)
    told = explanation(waiter, Reason.THREAD)
    assert (told.fd, told.file) == (5, 20)


def test_the_network_is_no_thread() -> None:
    [waiter] = call("epoll_wait", 4, result=1, wake=Wake.NETWORK, waker=99, **SLEPT)
    assert explanation(waiter, Reason.NETWORK).tid is None


def test_what_a_wait_reported_beyond_what_was_read_is_counted() -> None:
    found = explained(epoll_wait([(EPOLLIN, data) for data in range(20)], result=50))
    assert (len(found.wait(0).ready), found.wait(0).reported) == (20, 50)
    assert len(found.wait(0, limit=8).ready) == 8


def test_no_records_explain_nothing() -> None:
    assert explained(empty_records()).located.readiness.size == 0
