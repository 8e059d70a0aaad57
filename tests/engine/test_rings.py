"""Rings from the probes' table and from /proc, and the two joined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from uringtrace.probes.slots import RING, RingSeen
from uringtrace.tracer.procfs import parse_ring, process_rings
from uringtrace.tracer.rings import join_rings, rings_from_table
from uringtrace.tracer.source import Ring

LINUX_6_18 = (
    "pos:\t0\nflags:\t02000002\nmnt_id:\t16\nino:\t1057\nSqMask:\t0x3f\nSqHead:\t0\nSqTail:\t0\n"
    "CachedSqHead:\t0\nCqMask:\t0x7f\nCqHead:\t0\nCqTail:\t0\nCachedCqTail:\t0\nSQEs:\t0\nCQEs:\t0\n"
    "SqThread:\t10508\nSqThreadCpu:\t0\nSqTotalTime:\t100\nSqWorkTime:\t5\nUserFiles:\t2\n"
    "    0: /dev/null\nUserBufs:\t0\nPollList:\nCqOverflowList:\nNAPI:\tdisabled\n"
)
LINUX_6_1 = (
    "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t9\nSqMask:\t0x7\nSqHead:\t3\nSqTail:\t3\nCachedSqHead:\t3\n"
    "CqMask:\t0xf\nCqHead:\t3\nCqTail:\t3\nCachedCqTail:\t3\nSQEs:\t0\nCQEs:\t0\nSqThread:\t-1\n"
    "SqThreadCpu:\t-1\nUserFiles:\t0\nUserBufs:\t1\n    0: 0x7f12a4a00000/4096\nPollList:\n"
    "  op=22, task_works=0\nCqOverflowList:\n  user_data=7, res=1, flags=0\n"
)
LINUX_5_10 = (
    "pos:\t0\nflags:\t02000002\nmnt_id:\t14\nSqThread:\t-1\nSqThreadCpu:\t-1\nUserFiles:\t1\n"
    "    0: SqThread:\nUserBufs:\t0\nPollList:\n"
)


def facts(ring: Ring) -> tuple[int | None, ...]:
    return (ring.sq_entries, ring.cq_entries, ring.sq_thread, ring.registered_files, ring.registered_buffers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LINUX_6_18, (64, 128, 10508, 2, 0)),
        (LINUX_6_1, (8, 16, None, 0, 1)),
        (LINUX_5_10, (None, None, None, 1, 0)),
        ("", (None,) * 5),
        ("SqMask:\tnonsense\nUserFiles:\n0\n", (None,) * 5),
    ],
    ids=["6.18", "6.1", "5.10", "empty", "nonsense"],
)
def test_the_text_of_several_kernels(text: str, expected: tuple[int | None, ...]) -> None:
    ring = parse_ring(42, 5, text)
    assert facts(ring) == expected
    assert (ring.ring, ring.tgid, ring.fd, ring.flags) == (0, 42, 5, None)


def lay_out(proc: Path, links: dict[int, str], texts: dict[int, str]) -> None:
    for name in ("fd", "fdinfo"):
        (proc / "42" / name).mkdir(parents=True)
    for fd, target in links.items():
        (proc / "42/fd" / str(fd)).symlink_to(target)
    for fd, text in texts.items():
        (proc / "42/fdinfo" / str(fd)).write_text(text)


def test_the_rings_of_a_process_are_found_among_its_descriptors(tmp_path: Path) -> None:
    link = "anon_inode:[io_uring]"
    links = {0: "/dev/null", 3: link, 10: link, 9: "anon_inode:[eventpoll]", 11: link}
    lay_out(tmp_path, links, {3: LINUX_6_18, 10: LINUX_6_1})
    rings = process_rings(42, tmp_path)
    assert [(ring.fd, ring.sq_entries) for ring in rings] == [(3, 64), (10, 8)], "11 was closed meanwhile"


def test_a_process_that_is_gone_has_no_rings(tmp_path: Path) -> None:
    assert process_rings(42, tmp_path) == ()


def row(**values: int) -> np.ndarray:
    table = np.zeros(1, RING)
    for name, value in values.items():
        table[name] = value
    return table


def test_a_table_gives_rings_in_the_order_of_their_numbers() -> None:
    table = np.zeros(100, RING)
    table["number"][[70, 5, 30]] = [2, 3, 1]
    assert [ring.ring for ring in rings_from_table(table)] == [1, 2, 3]


def test_the_shared_entry_appears_when_it_was_needed() -> None:
    table = np.zeros(4, RING)
    assert rings_from_table(table) == ()
    table["completions"][0] = 7
    (shared,) = rings_from_table(table)
    assert (shared.ring, shared.completions, shared.fd) == (0, 7, None)


def test_what_was_not_seen_is_not_told() -> None:
    (ring,) = rings_from_table(row(number=1, fd=4, sq_entries=8, cq_entries=16, files=3, buffers=2))
    assert (ring.fd, *facts(ring)) == (None, None, None, None, None, None)
    seen = RingSeen.FD | RingSeen.SIZES | RingSeen.REGISTERED
    (ring,) = rings_from_table(
        row(number=1, fd=4, sq_entries=8, cq_entries=16, files=3, buffers=2, seen=seen)
    )
    assert (ring.fd, *facts(ring)) == (4, 8, 16, None, 3, 2)


@pytest.mark.parametrize(("flags", "thread", "expected"), [(2, 77, 77), (2, 0, None), (0, 77, None)])
def test_a_thread_is_told_of_a_ring_that_polls(flags: int, thread: int, expected: int | None) -> None:
    (ring,) = rings_from_table(row(number=1, flags=flags, sq_thread=thread))
    assert ring.sq_thread == expected


def test_in_flight_is_what_neither_ended_nor_hides() -> None:
    (ring,) = rings_from_table(row(number=1, submitted=10, hidden=2, superseded=1, ended=4, in_flight_max=6))
    assert (ring.in_flight, ring.in_flight_max) == (3, 6)
    (ring,) = rings_from_table(row(number=1, submitted=1, ended=2))
    assert ring.in_flight == 0, "read while the other side counts"


def test_batches_cannot_be_told_when_the_queue_is_rewound() -> None:
    (ring,) = rings_from_table(row(number=1, batches=9, flags=1 << 20))
    assert ring.batches == 0


def ring(number: int, fd: int | None, tgid: int = 42, **values: int | None) -> Ring:
    known: dict[str, int | None] = dict.fromkeys(
        ("flags", "sq_entries", "cq_entries", "sq_thread", "registered_files", "registered_buffers")
    )
    return Ring(ring=number, tgid=tgid, fd=fd, **{**known, **values})  # type: ignore[arg-type]


def test_what_the_probes_saw_is_completed_and_never_overruled() -> None:
    seen = ring(1, 5, sq_entries=8, registered_files=0)
    listed = ring(0, 5, sq_entries=16, cq_entries=32, registered_files=7, registered_buffers=2, sq_thread=9)
    (joined,) = join_rings([seen], [listed])
    assert facts(joined) == (8, 32, 9, 0, 2)
    assert joined.ring == 1


def test_rings_that_made_no_request_follow() -> None:
    rings = join_rings([ring(1, 5)], [ring(0, 6), ring(0, 5, tgid=43)])
    assert [(each.ring, each.tgid, each.fd) for each in rings] == [(1, 42, 5), (0, 42, 6), (0, 43, 5)]


def test_a_descriptor_belongs_to_the_last_ring_that_had_it() -> None:
    first, second = join_rings([ring(1, 5), ring(2, 5)], [ring(0, 5, sq_entries=4)])
    assert (first.sq_entries, second.sq_entries) == (None, 4)


def test_rings_without_a_known_descriptor_are_not_joined() -> None:
    rings = join_rings([ring(1, None)], [ring(0, 5, sq_entries=4)])
    assert [(each.ring, each.sq_entries) for each in rings] == [(1, None), (0, 4)]
