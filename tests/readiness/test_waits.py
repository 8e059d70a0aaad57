"""What waits returned, read from their memory."""

from __future__ import annotations

import errno
import select

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import call, row
from tests.readiness.build import (
    ALIGNED_CALLS,
    CALLS,
    EPOLLET,
    EPOLLIN,
    EPOLLOUT,
    epoll_wait,
    events_bytes,
    fd_set,
    joined,
    pollfds,
    with_memory,
)
from uringtrace.tracer.readiness.waits import (
    located_readiness,
    missing_readiness,
    readiness_of,
    scanned,
)
from uringtrace.tracer.record import Kind
from uringtrace.tracer.records import ENTERED, READINESS, Records, empty_records


def pairs(records: Records) -> list[tuple[int, int]]:
    return [(int(each["mask"]), int(each["data"])) for each in readiness_of(records, CALLS)]


@pytest.mark.parametrize("name", ["epoll_wait", "epoll_pwait", "epoll_pwait2"])
def test_each_event_of_an_epoll_wait_is_one_readiness(name: str) -> None:
    records = epoll_wait([(EPOLLIN, 7), (EPOLLIN | EPOLLOUT, 2**64 - 1)], name=name, tid=31, tgid=30)
    first, second = readiness_of(records, CALLS)
    [operation] = records.operations
    for each in (first, second):
        assert (each["epoll_fd"], each["epoll_file"], each["fd"], each["file"]) == (4, 9, -1, 0)
        assert (each["tid"], each["tgid"], each["opcode"]) == (31, 30, operation["opcode"])
        assert (each["completed_ns"], each["submitted_ns"]) == (
            operation["completed_ns"],
            operation["submitted_ns"],
        )
    assert (first["mask"], first["data"]) == (EPOLLIN, 7)
    assert (second["mask"], second["data"]) == (EPOLLIN | EPOLLOUT, 2**64 - 1)


events = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))


@given(st.lists(st.lists(events, max_size=14), max_size=5), st.booleans())
def test_events_of_any_number_of_calls_come_in_order(
    waits: list[list[tuple[int, int]]], aligned: bool
) -> None:
    records = joined([epoll_wait(each, aligned=aligned) for each in waits])
    located = located_readiness(records, ALIGNED_CALLS if aligned else CALLS)
    found = [
        (int(index), int(each["mask"]), int(each["data"]))
        for each, index in zip(located.readiness, located.row, strict=True)
    ]
    assert found == [(index, *event) for index, wait in enumerate(waits) for event in wait]


def test_memory_beyond_the_result_is_not_reported() -> None:
    records = epoll_wait([(EPOLLIN, 1), (EPOLLIN, 2), (EPOLLIN, 3)], result=2)
    assert pairs(records) == [(EPOLLIN, 1), (EPOLLIN, 2)]


@pytest.mark.parametrize("fields", [{"result": 0}, {"result": -errno.EINTR}, {"kind": Kind.UNFINISHED}])
def test_a_wait_without_a_positive_result_reports_nothing(fields: dict[str, int]) -> None:
    assert pairs(epoll_wait([(EPOLLIN, 1)], **fields)) == []


def test_no_records_have_no_readiness() -> None:
    assert readiness_of(empty_records(), CALLS).dtype == READINESS
    assert readiness_of(empty_records(), CALLS).size == 0
    assert scanned(empty_records(), CALLS).size == 0
    assert missing_readiness(empty_records(), CALLS) == 0


def test_an_operation_of_io_uring_that_waits_is_left_out() -> None:
    records = with_memory(row("EPOLL_WAIT", result=1), {1: events_bytes([(EPOLLIN, 1)])})
    assert pairs(records) == []
    assert missing_readiness(records, CALLS) == 0


def test_what_the_capture_had_no_room_for_is_counted() -> None:
    capped = epoll_wait([(EPOLLIN, data) for data in range(4)], result=10)
    unread = with_memory(call("poll", 0x7F00, 3, 0, result=2), {})
    whole = epoll_wait([(EPOLLIN, 9)])
    assert missing_readiness(joined([capped, whole, unread]), CALLS) == 6 + 2


@pytest.mark.parametrize("name", ["poll", "ppoll"])
def test_poll_reports_the_descriptors_with_revents(name: str) -> None:
    entries = [(fd, select.POLLIN, select.POLLIN if fd in (3, 17, 18) else 0) for fd in range(3, 20)]
    records = with_memory(call(name, 0x7F00, 17, 2**64 - 1, result=3), {0: pollfds(*entries)})
    found = readiness_of(records, CALLS)
    assert found["fd"].tolist() == [3, 17, 18]
    assert found["mask"].tolist() == [select.POLLIN] * 3
    assert found["epoll_fd"].tolist() == [-1] * 3
    assert set(found["epoll_file"].tolist()) | set(found["data"].tolist()) == {0}
    assert missing_readiness(records, CALLS) == 0
    assert scanned(records, CALLS).tolist() == [17]


@pytest.mark.parametrize("name", ["select", "pselect6"])
def test_select_reports_each_descriptor_once_with_what_it_is_ready_for(name: str) -> None:
    nfds = 1000
    memory = {
        1: fd_set([3, 500, 999], nfds),
        2: fd_set([500], nfds),
        3: fd_set([4], nfds),
        1 | ENTERED: fd_set([3, 5, 500, 999], nfds),
        2 | ENTERED: fd_set([3, 500], nfds),
        3 | ENTERED: fd_set([4, 6], nfds),
    }
    records = with_memory(call(name, nfds, 0x7F00, 0x7F80, 0x7FF0, 0, result=5), memory)
    found = readiness_of(records, CALLS)
    assert list(zip(found["fd"].tolist(), found["mask"].tolist(), strict=True)) == [
        (3, select.POLLIN),
        (4, select.POLLPRI),
        (500, select.POLLIN | select.POLLOUT),
        (999, select.POLLIN),
    ]
    assert scanned(records, CALLS).tolist() == [6], "3, 4, 5, 6, 500, 999"
    assert missing_readiness(records, CALLS) == 0


def test_bits_past_nfds_are_not_selects() -> None:
    """The kernel works on whole words, but looks at no descriptor from nfds on."""
    memory = {1: fd_set([3, 40], 41), 1 | ENTERED: fd_set([3, 40], 41)}
    records = with_memory(call("select", 10, 0x7F00, result=1), memory)
    assert readiness_of(records, CALLS)["fd"].tolist() == [3]
    assert scanned(records, CALLS).tolist() == [1]


def test_a_set_that_did_not_change_counts_as_it_returned() -> None:
    records = with_memory(call("select", 8, 0x7F00, result=2), {1: fd_set([3, 5], 8)})
    assert scanned(records, CALLS).tolist() == [2]


def test_sets_that_were_not_read_are_not_counted() -> None:
    """A set was given, but there is no memory of it, or not all of it."""
    unread = with_memory(call("select", 8, 0x7F00, result=0), {})
    partly = with_memory(call("select", 4096, 0x7F00, result=1), {1 | ENTERED: (fd_set([3], 1024), 512)})
    no_sets = with_memory(call("select", 0, 0, 0, 0, 0x7F00, result=0), {})
    assert scanned(joined([unread, partly, no_sets]), CALLS).tolist() == [-1, -1, 0]


def test_only_waits_scan() -> None:
    records = joined(
        [epoll_wait([(EPOLLIN, 1)]), with_memory(call("read", 3), {}), with_memory(row("READ"), {})]
    )
    assert scanned(records, CALLS).tolist() == [0, -1, -1]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 600).flatmap(
                lambda nfds: st.tuples(
                    st.just(nfds), *[st.frozensets(st.integers(0, nfds - 1), max_size=9)] * 3
                )
            ),
            st.data(),
        ),
        max_size=4,
    )
)
def test_select_agrees_with_sets(selects: list[tuple[tuple[int, ...], st.DataObject]]) -> None:
    parts, expected, counts = [], [], []
    for index, ((nfds, *asked), data) in enumerate(selects):
        ready = [data.draw(st.frozensets(st.sampled_from(sorted(each)))) if each else each for each in asked]
        memory = {}
        for argument, (before, after) in enumerate(zip(asked, ready, strict=True), 1):
            memory[argument] = fd_set(sorted(after), nfds)
            memory[argument | ENTERED] = fd_set(sorted(before), nfds)
        result = sum(map(len, ready))
        parts.append(with_memory(call("select", nfds, 1, 2, 3, result=result), memory))
        counts.append(len(frozenset().union(*asked)))
        for fd in sorted(frozenset().union(*ready)):
            mask = sum(bit for bit, each in zip((1, 4, 2), ready, strict=True) if fd in each)
            expected.append((index, fd, mask))
    records = joined(parts)
    located = located_readiness(records, CALLS)
    found = zip(
        located.row.tolist(),
        located.readiness["fd"].tolist(),
        located.readiness["mask"].tolist(),
        strict=True,
    )
    assert list(found) == expected
    assert scanned(records, CALLS).tolist() == counts
    assert missing_readiness(records, CALLS) == 0


def test_waits_of_all_kinds_keep_the_order_of_the_calls() -> None:
    polled = with_memory(call("poll", 0x7F00, 1, 0, result=1), {0: pollfds((8, 1, 1))})
    records = joined([polled, epoll_wait([(EPOLLIN | EPOLLET, 5)]), polled])
    found = readiness_of(records, CALLS)
    assert list(zip(found["fd"].tolist(), found["data"].tolist(), strict=True)) == [(8, 0), (-1, 5), (8, 0)]
    assert np.array_equal(readiness_of(records), found), "the fakes have the running machine's numbers"
