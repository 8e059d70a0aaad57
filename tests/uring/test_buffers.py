"""The ring of provided buffers, and multishot RECV that takes from it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from tests.uring.conftest import MakeRing
from tests.uring.test_ring import drain
from uringtrace.errors import CapabilityError
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.buffers import Buffers
from uringtrace.targets.uring.probing import demand, provided_buffers, try_multishot_receive
from uringtrace.targets.uring.ring import Ring


@pytest.fixture
def ring(make_ring: MakeRing) -> Ring:
    return make_ring(16)


@pytest.fixture
def buffers(ring: Ring) -> Buffers:
    try:
        made = provided_buffers(ring, 4, 16)
        try_multishot_receive(ring, made, 0)
    except CapabilityError as refusal:
        pytest.skip(refusal.message)
    return made


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def arm(ring: Ring, near: socket.socket) -> None:
    ring.push(
        c.OP_RECV, 7, near.fileno(), flags=c.SQE_BUFFER_SELECT, ioprio=c.RECV_MULTISHOT
    )  # fmt: skip
    ring.submit()


def test_buffers_that_are_given_back_are_used_for_ever(
    ring: Ring, buffers: Buffers, pair: tuple[socket.socket, socket.socket]
) -> None:
    """One RECV stays armed through far more messages than there are buffers."""
    near, far = pair
    arm(ring, near)
    for number in range(40):
        far.send(b"message %d" % number)
        ring.enter(1)
        (completion,) = drain(ring)
        assert completion.flags & c.CQE_F_MORE
        assert buffers.take(completion.flags, completion.result) == b"message %d" % number


def test_what_is_in_a_buffer_stays_until_it_is_given_back(
    ring: Ring, buffers: Buffers, pair: tuple[socket.socket, socket.socket]
) -> None:
    near, far = pair
    arm(ring, near)
    kept = []
    for number in range(4):
        far.send(b"%d" % number)
        ring.enter(1)
        kept += drain(ring)
    contents = {buffers.data(completion.flags, completion.result) for completion in kept}
    assert contents == {b"0", b"1", b"2", b"3"}


def test_without_a_buffer_the_receive_ends_and_can_be_armed_again(
    ring: Ring, buffers: Buffers, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Nothing that was sent is lost: it waits in the socket."""
    near, far = pair
    arm(ring, near)
    far.send(b"0123456789abcdef" * 5)
    ring.enter(1)
    *filled, last = drain(ring)
    assert [completion.result for completion in filled] == [16] * 4
    assert (last.result, last.flags & c.CQE_F_MORE) == (-errno.ENOBUFS, 0)
    for completion in filled:
        buffers.take(completion.flags, completion.result)
    arm(ring, near)
    ring.enter(1)
    (rest,) = drain(ring)
    assert buffers.take(rest.flags, rest.result) == b"0123456789abcdef"


def test_a_trial_leaves_every_buffer_in_its_place(ring: Ring, buffers: Buffers) -> None:
    assert [try_multishot_receive(ring, buffers, 0) for _ in range(6)] == [2] * 6


def test_a_number_that_is_no_power_of_two_is_refused(ring: Ring) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Buffers(ring, 6, 16)


def test_an_operation_that_the_kernel_lacks_is_named(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    demand(ring, [c.OP_NOP, c.OP_RECV])
    monkeypatch.setattr(Ring, "supported", lambda self: frozenset({c.OP_NOP}))
    with pytest.raises(CapabilityError, match="has no RECV, SEND_ZC"):
        demand(ring, [c.OP_SEND_ZC, c.OP_NOP, c.OP_RECV])
