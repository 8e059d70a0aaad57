"""Fill and business of rings, from a /proc that the test writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import RING
from uringtrace.probes.setup_flags import SQ_REWIND
from uringtrace.tracer.live.ring_states import LARGEST_QUEUE, RingWatch, queue_fills
from uringtrace.tracer.source import Ring

SECOND = 1_000_000_000
FDINFO = """pos:\t0
SqMask:\t0x7f
SqHead:\t4294967290
SqTail:\t4
CachedSqHead:\t5
CqMask:\t0xff
CqHead:\t100
CqTail:\t117
CachedCqTail:\t117
SQEs:\t0
"""


def write_ring(proc: Path, ring: Ring, text: str = FDINFO) -> None:
    folder = proc / str(ring.tgid)
    for name in ("fd", "fdinfo"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "fd" / str(ring.fd)).symlink_to("anon_inode:[io_uring]")
    (folder / "fdinfo" / str(ring.fd)).write_text(text)


def write_sq_thread(proc: Path, ring: Ring, ran_ns: int) -> None:
    folder = proc / str(ring.tgid) / "task" / str(ring.sq_thread)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schedstat").write_text(f"{ran_ns} 0 1\n")


def test_fill_is_tail_minus_head_also_where_the_counter_wraps() -> None:
    assert queue_fills(FDINFO, 128, 256) == (10, 17)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FDINFO.replace("SqHead", "Else"), (None, 17)),
        (FDINFO.replace("SqTail:\t4", "SqTail:\t400"), (None, 17)),
        (FDINFO.replace("0xff", "0x1ff"), (10, None)),
        ("", (None, None)),
    ],
    ids=["not printed", "more than fits", "another ring", "nothing"],
)
def test_what_cannot_be_is_absent(text: str, expected: tuple[int | None, int | None]) -> None:
    assert queue_fills(text, 128, 256) == expected


def test_a_look_at_a_ring(tmp_path: Path) -> None:
    write_ring(tmp_path, RING)
    state = RingWatch(tmp_path).states([RING], 0)[RING.tgid, RING.ring]
    assert (state.sq_fill, state.cq_fill) == (10, 17)
    assert (state.sq_thread_busy, state.batching) == (None, None)


def test_busy_and_batching_are_between_two_looks(tmp_path: Path) -> None:
    watch = RingWatch(tmp_path)
    write_sq_thread(tmp_path, RING, 100)
    watch.states([RING], 0)
    write_sq_thread(tmp_path, RING, 100 + SECOND // 2)
    later = replace(RING, submitted=RING.submitted + 60, batches=RING.batches + 4)
    state = watch.states([later], SECOND)[RING.tgid, RING.ring]
    assert state.sq_thread_busy == pytest.approx(0.5)
    assert state.batching == 15
    assert watch.states([later], 2 * SECOND)[RING.tgid, RING.ring].batching is None


def test_the_fdinfo_of_large_rings_is_left_alone_and_rings_that_are_gone(tmp_path: Path) -> None:
    """Reading the former costs the target time; their memory is nowhere in this folder."""
    large = replace(RING, cq_entries=2 * LARGEST_QUEUE)
    write_ring(tmp_path, large)
    rewinding = replace(RING, fd=9, ring=6, flags=SQ_REWIND)
    write_ring(tmp_path, rewinding)
    elsewhere = replace(RING, tgid=999, ring=7)
    states = RingWatch(tmp_path).states([large, rewinding, elsewhere], 0)
    assert (states[large.tgid, 5].sq_fill, states[large.tgid, 5].cq_fill) == (None, None)
    assert (states[large.tgid, 6].sq_fill, states[large.tgid, 6].cq_fill) == (None, 17)
    assert (states[999, 7].sq_fill, states[999, 7].sq_thread_busy) == (None, None)


def test_a_descriptor_that_is_something_else_now_says_nothing(tmp_path: Path) -> None:
    write_ring(tmp_path, RING)
    link = tmp_path / str(RING.tgid) / "fd" / str(RING.fd)
    link.unlink()
    link.symlink_to("socket:[5]")
    assert RingWatch(tmp_path).states([RING], 0)[RING.tgid, RING.ring].cq_fill is None
