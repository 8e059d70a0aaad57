"""The structures that operations point to, read by the kernel as we mean them."""

from __future__ import annotations

import array
import os
import socket

import pytest

from tests.uring.conftest import MakeRing
from tests.uring.test_ring import drain
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.memory import Memory
from uringtrace.targets.uring.messages import (
    Control,
    control_space,
    first_control,
    message_flags,
    write_control,
    write_message,
)


def test_a_message_with_a_control_message_goes_out_and_comes_in(make_ring: MakeRing) -> None:
    """A descriptor is sent by SENDMSG and received by RECVMSG, both through the ring."""
    ring, memory = make_ring(8), Memory(4096)
    near, far = socket.socketpair()
    reading, writing = os.pipe()
    space = control_space(4)
    rights = Control(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writing]).tobytes())
    with near, far:
        text = memory.write(0, b"one byte or more")
        control = write_control(memory, 64, rights)
        message = write_message(memory, 128, text, 16, control=control, control_size=space)
        ring.push(c.OP_SENDMSG, 1, near.fileno(), message, 1)
        received = write_message(
            memory, 512, memory.address + 1024, 64, control=memory.address + 2048, control_size=space
        )
        ring.push(c.OP_RECVMSG, 2, far.fileno(), received, 1)
        ring.enter(2)
        assert sorted(completion.result for completion in drain(ring)) == [16, 16]
        assert memory.bytes[1024:1040] == b"one byte or more"
        found = first_control(memory, 512, 2048)
        assert found is not None
        assert (found.level, found.type) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        arrived = int.from_bytes(found.data, "little")
        assert os.path.sameopenfile(arrived, writing)
        assert not message_flags(memory, 512) & socket.MSG_CTRUNC
    for descriptor in (reading, writing, arrived):
        os.close(descriptor)


def test_no_control_message_is_none(make_ring: MakeRing) -> None:
    ring, memory = make_ring(8), Memory(4096)
    near, far = socket.socketpair()
    with near, far:
        near.send(b"plain")
        received = write_message(
            memory, 0, memory.address + 512, 64, control=memory.address + 1024, control_size=64
        )
        ring.push(c.OP_RECVMSG, 1, far.fileno(), received, 1)
        ring.enter(1)
        assert [completion.result for completion in drain(ring)] == [5]
        assert first_control(memory, 0, 1024) is None


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond 16"):
        Memory(16).write(10, b"1234567")
