"""Fill of queues from the memory of a ring, against what was put in and what the kernel prints."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import RING
from uringtrace.errors import CapabilityError
from uringtrace.targets.uring import constants
from uringtrace.targets.uring.ring import Ring
from uringtrace.tracer.live.ring_memory import fills_in, mapped_fills, ring_address
from uringtrace.tracer.live.ring_states import RingWatch, queue_fills

MAPS = """\
7f0000000000-7f0000200000 rw-s 10000000 00:10 77    anon_inode:[io_uring]
7f0000300000-7f0000400000 rw-s 00000000 00:10 77    anon_inode:[io_uring]
7f0000500000-7f0000600000 rw-s 00000000 00:10 78    anon_inode:[io_uring]
7f0000700000-7f0000800000 rw-s 00000000 00:10 79    /tmp/anon_inode:[io_uring]
"""


@pytest.fixture
def rings() -> Iterator[tuple[Ring, Ring]]:
    """A large and a small one in this process; skipped where it may have none, or not be read."""
    with ExitStack() as stack:
        try:
            large = stack.enter_context(closing(Ring(8_192, completions=32_768)))
            small = stack.enter_context(closing(Ring(64)))
        except CapabilityError as refusal:
            pytest.skip(refusal.message)
        if mapped_fills(os.getpid(), small.fd, small.sq_entries, small.cq_entries) == (None, None):
            pytest.skip("this kernel lets nobody read the memory of a ring")
        yield large, small


def printed(ring: Ring) -> tuple[int | None, int | None]:
    text = Path(f"/proc/self/fdinfo/{ring.fd}").read_text()
    return queue_fills(text, ring.sq_entries, ring.cq_entries)


def fills(ring: Ring) -> tuple[int | None, int | None]:
    return mapped_fills(os.getpid(), ring.fd, ring.sq_entries, ring.cq_entries)


def queue(ring: Ring, count: int) -> None:
    for number in range(count):
        ring.push(constants.OP_NOP, number)
    ring.publish()


def test_as_many_wait_as_were_put_in(rings: tuple[Ring, Ring]) -> None:
    """And as the kernel prints, of two rings of one process each its own."""
    large, small = rings
    queue(large, 5_000)
    queue(small, 3)
    assert [fills(ring) for ring in rings] == [printed(ring) for ring in rings] == [(5_000, 0), (3, 0)]
    large.enter(0)
    assert fills(large) == printed(large) == (0, 5_000)
    for _ in range(1_000):
        large.pop()
    queue(large, 8_000)
    assert fills(large) == printed(large) == (8_000, 4_000)
    assert mapped_fills(os.getpid(), large.fd, small.sq_entries, small.cq_entries) == (None, None)


def test_rings_of_any_size_have_a_fill(rings: tuple[Ring, Ring]) -> None:
    large, small = rings
    queue(large, 17)
    queue(small, 4)
    known = [
        replace(
            RING, ring=number, tgid=os.getpid(), fd=ring.fd, sq_thread=None,
            sq_entries=ring.sq_entries, cq_entries=ring.cq_entries,
        )
        for number, ring in enumerate(rings, 1)
    ]  # fmt: skip
    states = RingWatch().states(known, 0)
    assert [(state.sq_fill, state.cq_fill) for state in states.values()] == [(17, 0), (4, 0)]


def test_the_mapping_of_one_ring() -> None:
    assert ring_address(MAPS, 77) == 0x7F0000300000
    assert ring_address(MAPS, 78) == 0x7F0000500000
    assert ring_address(MAPS, 79) is None, "a file that only has such a name"
    assert ring_address(MAPS.replace(" 78 ", " 77 "), 77) is None, "two rings, one inode"


def test_counters_wrap_and_what_cannot_be_is_absent() -> None:
    def rings_memory(*words: int) -> bytes:
        return struct.pack("=6I", *words)

    assert fills_in(rings_memory(2**32 - 6, 4, 100, 117, 127, 255), 128, 256) == (10, 17)
    assert fills_in(rings_memory(0, 129, 0, 5, 127, 255), 128, 256) == (None, 5)
    assert fills_in(rings_memory(0, 1, 0, 1, 127, 511), 128, 256) == (None, None), "another layout"
    assert fills_in(b"", 128, 256) == (None, None)


def test_a_process_that_is_gone_tells_nothing(tmp_path: Path) -> None:
    assert mapped_fills(4242, 3, 8, 16, tmp_path) == (None, None)
