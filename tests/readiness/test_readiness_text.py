"""The words that a log line gets."""

from __future__ import annotations

import errno

import numpy as np

from tests.fakes import STARTED_NS, call, context
from tests.readiness.build import ADD, EPOLLIN, EPOLLOUT, epoll_ctl, epoll_wait, joined, pollfds, with_memory
from uringtrace.tracer.record import Wake
from uringtrace.tracer.records import Records, only_operations
from uringtrace.tracer.source import File, Interest, Thread
from uringtrace.ui.text.readiness_text import ReadinessText

FILES = {
    9: File(9, "anon_inode:[eventpoll]", 1, 1),
    20: File(20, "anon_inode:[eventfd]", 1, 1),
    41: File(41, "TCP 127.0.0.1:80->127.0.0.1:4000", 3, 500),
}
THREADS = {31: Thread(31, 30, "writer"), 32: Thread(32, 30, "a\nb"), 33: Thread(33, 30, None)}


def words(*parts: Records, limit: int | None = None) -> dict[int, str]:
    return ReadinessText(context(), (), limit).lines(joined(parts), FILES, THREADS)


def written(tid: int) -> Records:
    times = {"submitted_ns": STARTED_NS + 10, "completed_ns": STARTED_NS + 12}
    return only_operations(call("write", 5, fd=5, file=20, tid=tid, result=8, **times))


def test_what_was_ready_and_why() -> None:
    listed = [epoll_ctl(ADD, 5, 50, second_file=20, at=1), epoll_ctl(ADD, 6, 60, second_file=41, at=2)]
    wait = epoll_wait([(EPOLLIN, 50), (EPOLLIN | EPOLLOUT, 60), (0x2001, 70)], began=11_000, at=12_012)
    assert words(*listed, written(31), wait) == {
        3: ' ready=5<anon_inode:[eventfd]>:EPOLLIN(written by thread 31 "writer" 12.0µs before),'
        "6<TCP 127.0.0.1:80->127.0.0.1:4000>:EPOLLIN|EPOLLOUT,"
        "?data=0x46:EPOLLIN|EPOLLRDHUP"
    }


def test_names_of_threads() -> None:
    ctl, wait = epoll_ctl(ADD, 5, 50, second_file=20, at=1), epoll_wait([(EPOLLIN, 50)], at=1012)
    for tid, name in ((32, 'thread 32 "a\\nb"'), (33, "thread 33"), (34, "thread 34")):
        assert f"(written by {name} 1.00µs before)" in words(ctl, written(tid), wait)[2]


def test_a_long_list_is_cut() -> None:
    wait = epoll_wait([(EPOLLIN, data) for data in range(12)], result=40)
    [text] = words(wait).values()
    assert text.count(":EPOLLIN") == 8
    assert text.endswith(",+32")


def test_descriptions_are_cut_as_long_as_asked() -> None:
    ctl, wait = epoll_ctl(ADD, 6, 60, second_file=41, at=1), epoll_wait([(EPOLLIN, 60)], at=10)
    assert words(ctl, wait, limit=8) == {1: " ready=6<TCP 127.…>:EPOLLIN"}


def test_poll_and_select_have_descriptors_and_no_numbers() -> None:
    ready = with_memory(call("poll", 1, 3, 0, result=1), {0: pollfds((7, 1, 0x11))})
    assert words(ready) == {0: " ready=7:POLLIN|POLLHUP"}


def test_what_cut_a_wait_short() -> None:
    slept = {"slept": True, "wake": Wake.TIMER}
    timeout = call("epoll_wait", 4, result=0, **slept)
    signal = call("epoll_wait", 4, result=-errno.EINTR, slept=True)
    timer = call("clock_nanosleep", 1, result=0, **slept)
    look = call("epoll_wait", 4, result=0)
    lines = words(*map(only_operations, (timeout, signal, timer, look)))
    assert lines == {0: " ended-by=timeout", 1: " ended-by=signal"}


def test_only_rows_that_are_shown_are_worded_and_all_are_taken_in() -> None:
    text = ReadinessText(context(), ())
    records = joined([epoll_ctl(ADD, 6, 60, second_file=41, at=1), epoll_wait([(EPOLLIN, 60)], at=10)])
    assert text.lines(records, FILES, THREADS, np.zeros(2, np.bool_)) == {}
    [line] = text.lines(epoll_wait([(EPOLLIN, 60)], at=20), FILES, THREADS).values()
    assert line == " ready=6<TCP 127.0.0.1:80->127.0.0.1:4000>:EPOLLIN"


def test_interests_from_before_the_capture_name_descriptors() -> None:
    text = ReadinessText(context(), [Interest(4242, 4, 6, 0x19, 60, 0)])
    assert text.lines(epoll_wait([(EPOLLIN, 60)]), FILES, THREADS) == {0: " ready=6:EPOLLIN"}
