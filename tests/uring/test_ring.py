"""The binding against the real kernel, mostly with operations that do nothing."""

from __future__ import annotations

import errno
import os
import socket
import time
from pathlib import Path

import pytest

from tests.bpf.processes import wait_for
from tests.uring.conftest import MakeRing
from uringtrace.errors import CapabilityError
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.memory import Memory
from uringtrace.targets.uring.messages import write_timespec
from uringtrace.targets.uring.ring import Completion, Ring, first_ring


def drain(ring: Ring) -> list[Completion]:
    found = []
    while (completion := ring.pop()) is not None:
        found.append(completion)
    return found


def own_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_each_submission_comes_back_once_and_in_order(make_ring: MakeRing) -> None:
    """Often enough that both queues wrap around their ends several times."""
    ring = make_ring(8)
    taken = []
    for turn in range(20):
        for step in range(5):
            ring.push(c.OP_NOP, turn << 32 | step)
        assert (ring.unsubmitted, ring.room) == (5, 3)
        assert ring.enter(5) == 5
        taken += drain(ring)
    assert [completion.user_data for completion in taken] == [
        t << 32 | s for t in range(20) for s in range(5)
    ]
    assert {(completion.result, completion.flags) for completion in taken} == {(0, 0)}
    assert ring.calls == 20


def test_a_full_submission_queue_is_submitted_by_the_push_that_finds_it_full(make_ring: MakeRing) -> None:
    ring = make_ring(4)
    for number in range(6):
        ring.push(c.OP_NOP, number)
    assert (ring.calls, ring.unsubmitted, ring.ready) == (1, 2, 4)
    ring.enter(6)
    assert [completion.user_data for completion in drain(ring)] == list(range(6))


def test_a_full_completion_queue_overflows_and_loses_nothing(make_ring: MakeRing) -> None:
    ring = make_ring(4, completions=4)
    for number in range(12):
        ring.push(c.OP_NOP, number)
    ring.submit()
    assert ring.ready == 4
    assert ring.sq_flags & c.SQ_CQ_OVERFLOW
    taken = drain(ring)
    while ring.sq_flags & c.SQ_CQ_OVERFLOW:
        ring.flush()
        taken += drain(ring)
    assert [completion.user_data for completion in taken] == list(range(12))
    assert ring.dropped == 0


def test_an_sq_thread_needs_no_call_while_it_is_awake(make_ring: MakeRing) -> None:
    ring = make_ring(64, c.SETUP_SQPOLL, idle_ms=60_000)
    ring.push(c.OP_NOP, 0)
    ring.publish()
    wait_for(lambda: ring.ready, "the SQ thread runs")
    before = ring.calls
    for number in range(1, 65):
        ring.push(c.OP_NOP, number)
        ring.publish()
    wait_for(lambda: ring.ready == 65, "all are complete")
    assert [completion.user_data for completion in drain(ring)] == list(range(65))
    assert ring.calls == before


def test_an_sq_thread_that_sleeps_is_woken_by_one_call(make_ring: MakeRing) -> None:
    ring = make_ring(8, c.SETUP_SQPOLL, idle_ms=1)
    wait_for(lambda: ring.sq_flags & c.SQ_NEED_WAKEUP, "the SQ thread sleeps")
    ring.push(c.OP_NOP, 7)
    ring.publish()
    assert ring.calls == 1
    ring.wait()
    assert drain(ring) == [Completion(7, 0, 0)]


def test_a_wait_ends_when_its_time_is_over(make_ring: MakeRing) -> None:
    ring = make_ring(8)
    started = time.monotonic()
    ring.wait(timeout_ns=20_000_000)
    assert time.monotonic() - started >= 0.02
    assert ring.pop() is None


def test_results_are_signed_and_user_data_is_64_bits_wide(make_ring: MakeRing) -> None:
    ring = make_ring(4)
    ring.push(c.OP_READ, (1 << 64) - 1, 1 << 20, 0, 0)
    ring.enter(1)
    assert drain(ring) == [Completion((1 << 64) - 1, -errno.EBADF, 0)]


def test_a_timeout_takes_its_duration(make_ring: MakeRing) -> None:
    ring, memory = make_ring(4), Memory(4096)
    started = time.monotonic()
    ring.push(c.OP_TIMEOUT, 1, address=write_timespec(memory, 0, 30_000_000), length=1)
    ring.enter(1)
    assert time.monotonic() - started >= 0.03
    assert drain(ring) == [Completion(1, -errno.ETIME, 0)]


def test_direct_descriptors_are_opened_used_and_closed_without_a_number(make_ring: MakeRing) -> None:
    """A file is opened into a slot, read and closed; the process's own descriptors stay the same."""
    ring, memory = make_ring(8), Memory(8192)
    ring.register_files(4)
    before = own_descriptors()
    path = memory.write(0, b"/proc/self/comm\0")
    ring.push(c.OP_OPENAT, 1, -100, path, op_flags=os.O_RDONLY, file_index=c.FILE_INDEX_ALLOC)
    ring.enter(1)
    (opened,) = drain(ring)
    assert 0 <= opened.result < 4
    ring.push(c.OP_READ, 2, opened.result, memory.address + 4096, 64, flags=c.SQE_FIXED_FILE)
    ring.enter(1)
    (read,) = drain(ring)
    assert read.result > 0
    assert memory.bytes[4096 : 4096 + read.result].endswith(b"\n")
    assert own_descriptors() == before
    ring.push(c.OP_CLOSE, 3, 0, file_index=opened.result + 1)
    ring.push(c.OP_CLOSE, 4, 0, file_index=opened.result + 1)
    ring.enter(2)
    assert [completion.result for completion in drain(ring)] == [0, -errno.EBADF]


def test_a_registered_socket_is_used_by_its_slot(make_ring: MakeRing) -> None:
    ring, memory = make_ring(8), Memory(4096)
    near, far = socket.socketpair()
    with near, far:
        ring.register_files(4)
        ring.update_files(2, [near.fileno()])
        ring.push(c.OP_SEND, 1, 2, memory.write(0, b"hello"), 5, flags=c.SQE_FIXED_FILE)
        ring.enter(1)
        assert drain(ring) == [Completion(1, 5, 0)]
        assert far.recv(16) == b"hello"


def test_the_kernel_says_which_operations_it_knows(make_ring: MakeRing) -> None:
    supported = make_ring(4).supported()
    assert {c.OP_NOP, c.OP_ACCEPT, c.OP_RECV} <= supported
    assert 255 not in supported


def test_the_first_set_of_flags_that_is_taken_is_used(make_ring: MakeRing) -> None:
    make_ring(4)
    exclusive = c.SETUP_SQPOLL | c.SETUP_COOP_TASKRUN
    ring = first_ring(4, (exclusive, c.SETUP_CLAMP, 0), kind=Ring)
    assert c.setup_flag_names(ring.flags) == ["CLAMP"]
    ring.close()
    with pytest.raises(CapabilityError):
        first_ring(4, (exclusive, exclusive), kind=Ring)
