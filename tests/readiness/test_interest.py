"""Changes to interest lists, and the lists that they leave."""

from __future__ import annotations

import errno
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import STARTED_NS, call, row
from tests.readiness.build import (
    ADD,
    ALIGNED_CALLS,
    CALLS,
    DEL,
    EPOLLET,
    EPOLLIN,
    MOD,
    epoll_ctl,
    epoll_wait,
    events_bytes,
    joined,
    with_memory,
)
from uringtrace.tracer.readiness.interest import (
    EPOLLEXCLUSIVE,
    EPOLLONESHOT,
    EPOLLWAKEUP,
    INTEREST,
    OVERLAP_NS,
    InterestList,
    changes_of,
)
from uringtrace.tracer.record import Kind
from uringtrace.tracer.records import Records, empty_records, only_operations
from uringtrace.tracer.source import Interest


def seed(fd: int, data: int, events: int = EPOLLIN, tgid: int = 4242, epoll_fd: int = 4) -> Interest:
    return Interest(tgid=tgid, epoll_fd=epoll_fd, fd=fd, events=events, data=data, inode=0)


def listed(interests: InterestList, file: int = 9) -> dict[int, tuple[int, int, int]]:
    """fd → (data, events, file) of one instance."""
    return {
        int(entry["fd"]): (int(entry["data"]), int(entry["events"]), int(entry["file"]))
        for entry in interests.entries(file)
    }


def test_a_change_says_who_changed_what() -> None:
    records = epoll_ctl(ADD, 7, 2**63, EPOLLIN | EPOLLET, at=500, began=400, tid=31, tgid=30)
    [change] = changes_of(records, CALLS)
    assert change.dtype == INTEREST
    assert (change["ns"], change["submitted_ns"]) == (STARTED_NS + 500, STARTED_NS + 400)
    assert (change["tgid"], change["tid"]) == (30, 31)
    assert (change["epoll_fd"], change["epoll_file"], change["fd"], change["file"]) == (4, 9, 7, 107)
    assert (change["operation"], change["events"], change["data"]) == (ADD, EPOLLIN | EPOLLET, 2**63)
    assert change["has_event"]


def test_the_event_is_aligned_where_the_architecture_aligns_it() -> None:
    operation = epoll_ctl(MOD, 7, None).operations
    records = with_memory(operation, {3: events_bytes([(EPOLLIN, 2**63)], aligned=True)})
    assert changes_of(records, ALIGNED_CALLS)["data"].tolist() == [2**63]


def test_a_deletion_has_no_event_even_where_one_was_given() -> None:
    [change] = changes_of(epoll_ctl(DEL, 7, 5), CALLS)
    assert (change["operation"], change["events"], change["data"], change["has_event"]) == (DEL, 0, 0, False)


def test_an_event_that_was_not_read_is_not_known() -> None:
    [change] = changes_of(epoll_ctl(ADD, 7, None), CALLS)
    assert not change["has_event"]


@pytest.mark.parametrize(
    "fields", [{"result": -errno.EEXIST}, {"kind": Kind.UNFINISHED}, {"has_arguments": False}]
)
def test_what_did_not_succeed_changes_nothing(fields: dict[str, int]) -> None:
    assert changes_of(epoll_ctl(ADD, 7, 5, **fields), CALLS).size == 0


def test_no_records_change_nothing() -> None:
    assert changes_of(empty_records(), CALLS).dtype == INTEREST
    assert changes_of(empty_records(), CALLS).size == 0


@pytest.mark.parametrize("kind", [Kind.COMPLETION, Kind.SILENT])
def test_io_uring_changes_lists_too(kind: Kind) -> None:
    operation = row("EPOLL_CTL", fd=4, file=9, len=ADD, off=7, addr=0x7F00, kind=kind)
    [change] = changes_of(only_operations(operation), CALLS)
    assert (change["epoll_file"], change["operation"], change["fd"]) == (9, ADD, 7)
    assert not change["has_event"], "only the address of the event is in the SQE"


def test_a_list_holds_what_was_added_and_not_deleted() -> None:
    interests = InterestList((), CALLS)
    flags = EPOLLIN | EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP
    interests.add(joined([epoll_ctl(ADD, 7, 70, flags, at=1), epoll_ctl(ADD, 8, 80, at=2)]))
    interests.add(joined([epoll_ctl(ADD, 5, 50, file=10, at=3), epoll_ctl(DEL, 8, at=4)]))
    assert listed(interests) == {7: (70, flags, 107)}
    assert listed(interests, 10) == {5: (50, EPOLLIN, 105)}
    assert interests.instances == (9, 10)
    interests.add(epoll_ctl(MOD, 7, 71, at=5))
    interests.add(epoll_ctl(DEL, 5, file=10, at=6))
    assert listed(interests) == {7: (71, EPOLLIN, 107)}
    assert interests.instances == (9,)


def test_a_descriptor_that_is_added_again_has_a_new_file() -> None:
    """The one before was closed: the kernel took it off the list without a call."""
    interests = InterestList((), CALLS)
    interests.add(epoll_ctl(ADD, 7, 70, second_file=1, at=1))
    interests.add(epoll_ctl(ADD, 7, 71, second_file=2, at=2))
    assert listed(interests) == {7: (71, EPOLLIN, 2)}


def test_what_was_listed_before_the_capture_is_bound_by_the_first_use() -> None:
    interests = InterestList([seed(7, 70), seed(8, 80), seed(6, 60, epoll_fd=5)], CALLS)
    assert interests.instances == ()
    interests.add(epoll_wait([(EPOLLIN, 70)], file=9, fd=4))
    assert listed(interests) == {7: (70, EPOLLIN, 0), 8: (80, EPOLLIN, 0)}
    interests.add(epoll_ctl(DEL, 8, at=2000))
    assert listed(interests) == {7: (70, EPOLLIN, 0)}


def test_a_change_that_is_the_first_use_is_newer_than_what_was_listed() -> None:
    interests = InterestList([seed(7, 70), seed(8, 80)], CALLS)
    interests.add(joined([epoll_ctl(DEL, 8, at=1), epoll_ctl(MOD, 7, 71, at=2)]))
    assert listed(interests) == {7: (71, EPOLLIN, 107)}


def test_the_file_of_a_descriptor_from_before_is_that_of_its_first_use() -> None:
    interests = InterestList([seed(7, 70)], CALLS)
    interests.add(epoll_wait([(EPOLLIN, 70)]))
    interests.add(only_operations(call("read", 7, fd=7, file=55)))
    interests.add(only_operations(call("read", 7, fd=7, file=56)))
    assert listed(interests) == {7: (70, EPOLLIN, 55)}


def test_another_processs_descriptor_binds_nothing() -> None:
    interests = InterestList([seed(7, 70)], CALLS)
    interests.add(epoll_wait([(EPOLLIN, 70)], tgid=77))
    assert interests.instances == ()


@pytest.mark.parametrize(
    "ending",
    [
        call("dup2", 3, 4, result=4, result_file=12),
        call("execve", 0x7F00, result=0),
        call("close_range", 3, 9, result=0),
        call("accept4", 3, result=4, result_file=12),
    ],
    ids=["dup2", "execve", "close_range", "accept4"],
)
def test_a_descriptor_that_was_given_away_before_its_first_use_binds_nothing(ending: np.ndarray) -> None:
    interests = InterestList([seed(7, 70)], CALLS)
    interests.add(only_operations(ending))
    interests.add(epoll_wait([(EPOLLIN, 70)], file=12))
    assert interests.instances == ()


def test_a_registered_file_is_no_descriptor() -> None:
    interests = InterestList([seed(7, 70)], CALLS)
    interests.add(only_operations(row("READ", fd=4, file=33, sqe_flags=1)))
    assert interests.instances == ()


def test_two_descriptors_of_one_instance_list_the_same() -> None:
    """What a dup lists must not bring back what was deleted through the other, however long ago."""
    interests = InterestList([seed(7, 70), seed(7, 70, epoll_fd=5)], CALLS)
    interests.add(epoll_ctl(DEL, 7, at=1))
    interests.add(epoll_wait([], at=10 * OVERLAP_NS))
    interests.add(epoll_wait([], at=20 * OVERLAP_NS))
    interests.add(epoll_wait([], fd=5, at=21 * OVERLAP_NS))
    assert interests.instances == ()


def test_a_late_change_does_not_undo_a_newer_one() -> None:
    interests = InterestList((), CALLS)
    interests.add(joined([epoll_ctl(ADD, 7, 70, at=100), epoll_ctl(DEL, 8, at=101)]))
    interests.add(joined([epoll_ctl(ADD, 7, 69, at=90), epoll_ctl(ADD, 8, 80, at=91)]))
    assert listed(interests) == {7: (70, EPOLLIN, 107)}


changes = st.tuples(
    st.sampled_from([ADD, DEL, MOD]), st.integers(0, 3), st.integers(0, 5), st.integers(9, 10)
)


@given(st.lists(changes, max_size=20), st.lists(st.integers(0, 20), max_size=4), st.booleans())
def test_lists_agree_with_a_dictionary(
    steps: list[tuple[int, int, int, int]], cuts: list[int], slow: bool
) -> None:
    """However the records are split, and whether replaced changes are still kept or not."""
    interests = InterestList((), CALLS)
    expected: dict[int, dict[int, tuple[int, int, int]]] = {9: {}, 10: {}}
    parts: list[Records] = []
    for number, (operation, fd, data, file) in enumerate(steps, 1):
        at = number * (OVERLAP_NS if slow else 10)
        parts.append(epoll_ctl(operation, fd, None if operation == DEL else data, file=file, at=at))
        if operation == DEL:
            expected[file].pop(fd, None)
        else:
            expected[file][fd] = (data, EPOLLIN, fd + 100)
    edges = sorted({0, len(parts), *(min(cut, len(parts)) for cut in cuts)})
    for first, last in itertools.pairwise(edges):
        interests.add(joined(parts[first:last]))
    assert {file: listed(interests, file) for file in expected} == expected


def test_replaced_changes_are_not_kept_for_ever() -> None:
    interests = InterestList((), CALLS)
    for number in range(50):
        history = interests.add(epoll_ctl(MOD, 7, number, at=(number + 1) * OVERLAP_NS))
    assert history.size <= 4, "50 would be all"
