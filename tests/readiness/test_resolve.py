"""Which descriptor a readiness is of."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fcntl import F_DUPFD_CLOEXEC, F_SETFL

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import STARTED_NS, call, row
from tests.readiness.build import ADD, CALLS, DEL, EPOLLIN, MOD, epoll_ctl, epoll_wait, joined, with_memory
from uringtrace.tracer.readiness.interest import OVERLAP_NS
from uringtrace.tracer.readiness.resolve import ReadinessResolver
from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import CONTROL, READINESS, Records, empty_records, only_operations
from uringtrace.tracer.source import Interest


def resolver(*interests: Interest) -> ReadinessResolver:
    return ReadinessResolver(interests, CALLS)


def resolved(records: Sequence[Records], *interests: Interest) -> list[tuple[int, int]]:
    """(fd, file) of each readiness, all records being one batch."""
    found = resolver(*interests).add(joined(records))
    return list(zip(found["fd"].tolist(), found["file"].tolist(), strict=True))


UNKNOWN = (-1, 0)


def test_a_readiness_is_of_the_descriptor_that_has_its_number() -> None:
    steps = [
        epoll_ctl(ADD, 7, 70, at=10),
        epoll_ctl(ADD, 8, 80, at=20),
        epoll_wait([(EPOLLIN, 80), (EPOLLIN, 70), (EPOLLIN, 90)], at=30),
    ]
    assert resolved(steps) == [(8, 108), (7, 107), UNKNOWN]


def test_other_instances_numbers_do_not_count() -> None:
    steps = [epoll_ctl(ADD, 7, 70, at=10, file=10), epoll_wait([(EPOLLIN, 70)], at=30, file=9)]
    assert resolved(steps) == [UNKNOWN]


def test_a_dup_of_the_epoll_descriptor_is_the_same_instance() -> None:
    """mio registers through one descriptor and waits on another: the file is one."""
    steps = [epoll_ctl(ADD, 7, 70, at=10, epoll_fd=5), epoll_wait([(EPOLLIN, 70)], at=30, fd=4)]
    assert resolved(steps) == [(7, 107)]


def test_a_change_later_than_the_wait_does_not_count() -> None:
    steps = [epoll_wait([(EPOLLIN, 70)], at=30), epoll_ctl(ADD, 7, 70, at=40)]
    assert resolved(steps) == [UNKNOWN]


def test_a_wait_may_return_before_the_addition_does_that_ended_it() -> None:
    steps = [
        epoll_wait([(EPOLLIN, 70)], began=5, at=30),
        epoll_ctl(ADD, 7, 70, began=20, at=40),
    ]
    assert resolved(steps) == [(7, 107)]


def test_two_descriptors_with_one_number_are_not_told_apart() -> None:
    both = [epoll_ctl(ADD, 7, 70, at=10), epoll_ctl(ADD, 8, 70, at=20)]
    waits = [
        epoll_wait([(EPOLLIN, 70)], at=30),
        epoll_ctl(DEL, 7, at=40),
        epoll_wait([(EPOLLIN, 70)], at=50),
        epoll_ctl(MOD, 7, 71, at=60),
    ]
    assert resolved([*both, *waits]) == [UNKNOWN, (8, 108)]


def test_a_number_moves_with_its_descriptor() -> None:
    steps = [
        epoll_ctl(ADD, 7, 70, at=10),
        epoll_ctl(MOD, 7, 71, at=20),
        epoll_wait([(EPOLLIN, 70), (EPOLLIN, 71)], at=30),
    ]
    assert resolved(steps) == [UNKNOWN, (7, 107)]


def test_a_deletion_while_the_wait_returns_leaves_it_resolved() -> None:
    steps = [
        epoll_ctl(ADD, 7, 70, at=10),
        epoll_ctl(DEL, 7, at=35),
        epoll_wait([(EPOLLIN, 70)], began=20, at=40),
    ]
    assert resolved(steps) == [(7, 107)]


def test_a_number_that_changed_hands_while_the_wait_returned_is_not_resolved() -> None:
    steps = [
        epoll_ctl(ADD, 7, 70, at=10),
        epoll_ctl(DEL, 7, at=30),
        epoll_ctl(ADD, 8, 70, at=35),
        epoll_wait([(EPOLLIN, 70)], began=20, at=40),
    ]
    assert resolved(steps) == [UNKNOWN]


def test_one_of_two_with_the_same_number_deleted_while_the_wait_returned_could_be_meant() -> None:
    steps = [
        epoll_ctl(ADD, 7, 70, at=10),
        epoll_ctl(ADD, 8, 70, at=11),
        epoll_ctl(DEL, 7, at=30),
        epoll_wait([(EPOLLIN, 70)], began=20, at=40),
        epoll_wait([(EPOLLIN, 70)], at=50),
    ]
    assert resolved(steps) == [UNKNOWN, (8, 108)]


def test_a_descriptor_is_the_new_file_from_when_it_is_added_again() -> None:
    """The kernel would refuse the call if the old entry were still there."""
    steps = [
        epoll_ctl(ADD, 7, 70, at=10, second_file=1),
        epoll_wait([(EPOLLIN, 70)], began=25, at=30),
        epoll_ctl(ADD, 7, 70, began=20, at=40, second_file=2),
    ]
    assert resolved(steps) == [(7, 2)]


def test_what_happened_while_the_waiter_slept_does_not_matter() -> None:
    woken = STARTED_NS + 37
    steps = [
        epoll_ctl(ADD, 7, 70, at=10),
        epoll_ctl(DEL, 7, at=30),
        epoll_ctl(ADD, 8, 70, at=35),
        epoll_wait([(EPOLLIN, 70)], began=20, at=40, slept=True, woken_ns=woken),
    ]
    assert resolved(steps) == [(8, 108)]


def test_a_reused_descriptor_during_the_wait_keeps_its_number_but_not_its_file() -> None:
    steps = [
        epoll_ctl(ADD, 7, 70, at=10, second_file=1),
        epoll_ctl(ADD, 7, 70, at=30, second_file=2),
        epoll_wait([(EPOLLIN, 70)], began=20, at=40),
        epoll_wait([(EPOLLIN, 70)], at=50),
    ]
    assert resolved(steps) == [UNKNOWN, (7, 2)]


def test_rearming_with_the_same_number_during_the_wait_changes_nothing() -> None:
    steps = [
        epoll_ctl(ADD, 7, 70, at=10),
        epoll_ctl(MOD, 7, 70, began=25, at=45),
        epoll_wait([(EPOLLIN, 70)], began=20, at=40),
    ]
    assert resolved(steps) == [(7, 107)]


def test_an_entry_with_an_unknown_number_could_be_any() -> None:
    """io_uring's EPOLL_CTL, or an event that could not be read."""
    times = {"submitted_ns": STARTED_NS + 19, "completed_ns": STARTED_NS + 20}
    ring = only_operations(row("EPOLL_CTL", fd=4, file=9, len=ADD, off=8, **times))
    steps = [
        epoll_ctl(ADD, 7, 70, at=10),
        ring,
        epoll_wait([(EPOLLIN, 70)], at=30),
        epoll_ctl(MOD, 8, 80, at=40),
        epoll_wait([(EPOLLIN, 70), (EPOLLIN, 80)], at=50),
    ]
    assert resolved(steps) == [UNKNOWN, (7, 107), (8, 108)]


def test_what_was_listed_before_the_capture_resolves() -> None:
    listed = Interest(tgid=4242, epoll_fd=4, fd=7, events=0x19, data=70, inode=0)
    read = only_operations(call("read", 7, fd=7, file=55, after_ns=40))
    steps = [epoll_wait([(EPOLLIN, 70)], at=30), read, epoll_wait([(EPOLLIN, 70)], at=20_000)]
    one_by_one = resolver(listed)
    found = [one_by_one.add(records) for records in steps]
    assert [each["fd"].tolist() for each in found] == [[7], [], [7]]
    assert [each["file"].tolist() for each in found] == [[0], [], [55]]


def test_a_wait_that_began_before_the_capture_resolves() -> None:
    listed = Interest(tgid=4242, epoll_fd=4, fd=7, events=0x19, data=70, inode=0)
    assert resolved([epoll_wait([(EPOLLIN, 70)], at=30, submitted_ns=0)], listed) == [(7, 0)]


def test_a_change_handed_over_late_leaves_what_came_before_unresolved() -> None:
    late = resolver()
    before = late.add(epoll_wait([(EPOLLIN, 70)], at=30))
    late.add(epoll_ctl(ADD, 7, 70, at=20))
    after = late.add(epoll_wait([(EPOLLIN, 70)], at=40))
    assert before["fd"].tolist() == [-1]
    assert after["fd"].tolist() == [7]


def test_no_records_resolve_nothing() -> None:
    assert resolver().add(empty_records()).dtype == READINESS
    assert resolver().add(empty_records()).size == 0


def accepted(fd: int, file: int, at: int) -> Records:
    return timed(call("accept4", 3, result=fd, result_file=file), at)


def closed(fd: int, file: int, at: int, name: str = "close", **fields: int) -> Records:
    return timed(call(name, fd, fd=fd, file=file, result=0, **fields), at)  # type: ignore[arg-type]


def timed(operation: Batch, at: int) -> Records:
    operation["submitted_ns"], operation["completed_ns"] = STARTED_NS + at - 1, STARTED_NS + at
    return only_operations(operation)


def reused_number(*between: Records, close: Records | None = None, created: bool = True) -> list[Records]:
    """7 is accepted, added, and closed; then 8 is added with its number, and reported."""
    return [
        *([accepted(7, 107, at=5)] if created else []),
        epoll_ctl(ADD, 7, 70, at=10),
        *between,
        close or closed(7, 107, at=20),
        epoll_ctl(ADD, 8, 70, at=30),
        epoll_wait([(EPOLLIN, 70)], at=40),
    ]


THREAD, PROCESS = 0x50F00 | 0x400, 0x4100


def clone3(flags: int) -> Records:
    return with_memory(
        timed(call("clone3", 0x7F00, 88, result=99), 15).operations, {0: flags.to_bytes(88, "little")}
    )


@pytest.mark.parametrize(
    "between",
    [
        [],
        [timed(call("clone", THREAD, result=99), 15)],
        [clone3(THREAD)],
        [timed(call("sendmsg", 5, fd=5, file=50, result=1), 15)],
        [timed(call("fork", result=99, tgid=1), 15)],
        [timed(call("fcntl", 7, F_SETFL, fd=7, file=107, result=0), 15)],
        [timed(call("dup", 9, fd=9, file=33, result=10, result_file=33), 15)],
    ],
    ids=[
        "nothing",
        "clone of a thread",
        "clone3 of a thread",
        "sendmsg",
        "another's fork",
        "fcntl",
        "dup of another",
    ],
)
def test_the_last_close_takes_an_entry_off_the_list(between: list[Records]) -> None:
    steps = reused_number(*between)
    assert resolved(steps) == [(8, 108)]
    one_by_one = resolver()
    assert [one_by_one.add(step)["fd"].tolist() for step in steps][-1] == [8]


@pytest.mark.parametrize(
    "steps",
    [
        reused_number(created=False),
        reused_number(timed(call("dup", 7, fd=7, file=107, result=11, result_file=107), 15)),
        reused_number(timed(call("fcntl", 7, F_DUPFD_CLOEXEC, fd=7, file=107, result=11), 15)),
        reused_number(timed(call("fork", result=99), 15)),
        reused_number(timed(call("clone", PROCESS, result=99), 15)),
        reused_number(clone3(PROCESS)),
        reused_number(with_memory(timed(call("sendmsg", 5, result=1), 15).operations, {CONTROL: bytes(24)})),
        reused_number(close=closed(7, 107, at=20, name="CLOSE", file_index=8)),
        reused_number(close=closed(7, 107, at=20, tgid=1)),
    ],
    ids=[
        "not created",
        "dup",
        "fcntl",
        "fork",
        "clone",
        "clone3",
        "SCM_RIGHTS",
        "registered file",
        "another process",
    ],
)
def test_a_close_that_may_not_be_the_last_leaves_the_entry(steps: list[Records]) -> None:
    assert resolved(steps) == [UNKNOWN]
    one_by_one = resolver()
    assert [one_by_one.add(step)["fd"].tolist() for step in steps][-1] == [-1]


def test_a_descriptor_that_another_thread_adds_while_the_close_returns_stays() -> None:
    steps = [
        accepted(7, 107, at=5),
        epoll_ctl(ADD, 7, 70, at=10),
        accepted(7, 108, at=20),
        epoll_ctl(ADD, 7, 71, at=22, second_file=108),
        closed(7, 107, at=25),
        epoll_wait([(EPOLLIN, 71)], at=40),
    ]
    assert resolved(steps) == [(7, 108)]


Step = tuple[str, int, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "del", "mod", "wait", "wait"]),
        st.integers(3, 5),
        st.integers(0, 2),
        st.integers(9, 10),
    ),
    max_size=30,
)


def sequence(choices: list[Step], gap: int) -> tuple[list[Records], list[tuple[int, int]]]:
    """Calls one after the other, and what a dictionary says of each readiness."""
    lists: dict[int, dict[int, int]] = {9: {}, 10: {}}
    parts, expected = [], []
    for number, (what, fd, data, file) in enumerate(choices, 1):
        at = number * gap
        entries = lists[file]
        if what == "wait":
            parts.append(epoll_wait([(EPOLLIN, data)], at=at, file=file))
            named = [fd for fd, own in entries.items() if own == data]
            expected.append((named[0], named[0] + 100) if len(named) == 1 else UNKNOWN)
        elif what == "del":
            parts.append(epoll_ctl(DEL, fd, at=at, file=file))
            entries.pop(fd, None)
        else:
            parts.append(epoll_ctl(ADD if what == "add" else MOD, fd, data, at=at, file=file))
            entries[fd] = data
    return parts, expected


@given(steps, st.lists(st.integers(0, 30), max_size=5), st.sampled_from([10, OVERLAP_NS // 3, OVERLAP_NS]))
def test_calls_in_sequence_agree_with_a_dictionary_however_they_are_split(
    choices: list[Step], cuts: list[int], gap: int
) -> None:
    parts, expected = sequence(choices, gap)
    assert resolved(parts) == expected
    edges = sorted({0, len(parts), *(min(cut, len(parts)) for cut in cuts)})
    split = resolver()
    found = [split.add(joined(parts[first:last])) for first, last in itertools.pairwise(edges)]
    flat = [(int(each["fd"]), int(each["file"])) for batch in found for each in batch]
    assert flat == expected


overlapping = st.lists(
    st.tuples(
        st.sampled_from([ADD, DEL, MOD]),
        st.integers(3, 5),
        st.integers(0, 1),
        st.integers(0, 8),
    ),
    max_size=12,
)


@given(overlapping, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), max_size=6))
def test_calls_at_the_same_time_are_never_resolved_to_what_could_not_be(
    choices: list[tuple[int, int, int, int]], waits: list[tuple[int, int]]
) -> None:
    """Changes follow one another; waits overlap with them and with each other in any way."""
    parts, entries, at = [], {}, 0
    lives: list[tuple[int, int, int, int]] = []  # fd, data, begin, end
    for operation, fd, data, took in choices:
        began, at = at + 1, at + 2 + took
        parts.append(epoll_ctl(operation, fd, None if operation == DEL else data, began=began, at=at))
        if fd in entries:
            # An ADD succeeds only where no entry was left: the one before was gone when it began.
            lives.append((fd, *entries.pop(fd), began if operation == ADD else at))
        if operation != DEL:
            entries[fd] = (data, began)
    lives += [(fd, *entry, 10**9) for fd, entry in entries.items()]
    waiting = [(began, began + took + 1) for began, took in waits]
    parts += [epoll_wait([(EPOLLIN, 0)], began=began, at=at) for began, at in waiting]
    order = np.argsort([int(part.operations["completed_ns"][0]) for part in parts], kind="stable")
    found = resolver().add(joined([parts[index] for index in order]))
    for each in found:
        if each["fd"] == -1:
            continue
        began, at = int(each["submitted_ns"]) - STARTED_NS, int(each["completed_ns"]) - STARTED_NS
        could = {fd for fd, data, begin, end in lives if data == 0 and begin <= at and end >= began}
        certain = {fd for fd, data, begin, end in lives if data == 0 and begin <= began and end > at}
        assert int(each["fd"]) in could
        assert certain <= {int(each["fd"])}, "one that was there all the time could be meant as well"
