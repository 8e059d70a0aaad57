"""Interest lists, calls and names of threads from /proc: of live processes, and from texts."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bpf.processes import wait_for
from uringtrace.tracer.procfs import (
    CurrentCall,
    current_calls,
    parse_current_call,
    parse_interests,
    process_interests,
    thread_name,
)
from uringtrace.tracer.readiness.calls import Role, running_calls
from uringtrace.tracer.readiness.interest import EPOLLEXCLUSIVE, EPOLLONESHOT, InterestList
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.source import Interest

LINUX_6_18 = (
    "pos:\t0\nflags:\t02000002\nmnt_id:\t17\nino:\t1036\n"
    "tfd:        4 events: 90000019 data: 7fffffff00000004  pos:0 ino:1ef70 sdev:f\n"
    "tfd:     1023 events:       19 data:              3ff  pos:-1 ino:40c sdev:10\n"
)
LINUX_4_4 = "pos:\t0\nflags:\t02\nmnt_id:\t10\ntfd:        5 events:       1d data: ffffffffffffffff \n"

PROGRAM = """
import os, select, socket, sys, threading
outer, inner = select.epoll(), select.epoll()
left, right = socket.socketpair()
reading, writing = os.pipe()
inner.register(left, select.EPOLLIN | select.EPOLLET | select.EPOLLEXCLUSIVE)
inner.register(reading, select.EPOLLIN | select.EPOLLONESHOT)
outer.register(inner, select.EPOLLIN)
copy = os.dup(outer.fileno())
def wait():
    open(f"/proc/{threading.get_native_id()}/comm", "w").write("waits (for) it")
    inner.poll()
thread = threading.Thread(target=wait, daemon=True)
thread.start()
print(outer.fileno(), inner.fileno(), left.fileno(), reading, copy, thread.native_id, flush=True)
sys.stdin.read()
os._exit(0)
"""


@pytest.fixture
def child() -> Iterator[tuple[int, list[int]]]:
    """A process with nested epoll instances and a thread that waits; its pid and what it printed."""
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.pid, [int(word) for word in process.stdout.readline().split()]
        finally:
            process.kill()


def test_the_interest_lists_of_a_process(child: tuple[int, list[int]]) -> None:
    pid, (outer, inner, socket, pipe, copy, _) = child
    both = select.EPOLLERR | select.EPOLLHUP
    found = {(each.epoll_fd, each.fd): each for each in process_interests(pid)}
    assert found.keys() == {(inner, socket), (inner, pipe), (outer, inner), (copy, inner)}
    events = {key: each.events for key, each in found.items()}
    assert events[inner, socket] == select.EPOLLIN | select.EPOLLET | EPOLLEXCLUSIVE | both
    assert events[inner, pipe] == select.EPOLLIN | EPOLLONESHOT | both
    assert events[outer, inner] == select.EPOLLIN | both
    for (_, fd), each in found.items():
        assert each.inode == Path(f"/proc/{pid}/fd/{fd}").stat().st_ino
        assert each.data & 0xFFFFFFFF == fd, "what Python gives epoll_ctl"


def test_the_calls_of_a_process(child: tuple[int, list[int]]) -> None:
    pid, (_, inner, *_, waiter) = child
    roles = running_calls().roles

    def waiting() -> bool:
        return any(
            call.tid == waiter
            and call.number is not None
            and roles[FIRST_CALL + call.number] == Role.EPOLL_WAIT
            for call in current_calls(pid)
        )

    wait_for(waiting, "the thread is in epoll_wait")
    calls = {call.tid: call for call in current_calls(pid)}
    assert calls.keys() == {pid, waiter}
    assert calls[waiter].arguments[0] == inner
    assert len(calls[waiter].arguments) == 6


def test_a_thread_that_runs_is_in_no_call() -> None:
    """This one runs while another thread of this process reads about it."""
    ended, seen = threading.Event(), []

    def look() -> None:
        while not ended.is_set() and not seen:
            seen.extend(
                each for each in current_calls(os.getpid()) if each.tid == main and each.number is None
            )

    main = threading.get_native_id()
    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(10**8):
        if seen:
            break
    ended.set()
    thread.join()
    assert seen[:1] == [CurrentCall(main, None, ())]


def test_the_name_of_a_thread(child: tuple[int, list[int]]) -> None:
    _, (*_, waiter) = child
    wait_for(lambda: thread_name(waiter) == "waits (for) it", "the thread has named itself")


def test_a_name_may_be_any_bytes(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/comm").write_bytes(b"a\xff\nb\n")
    assert thread_name(7, tmp_path) == "a\\xff\nb"


def test_what_is_gone_has_nothing(tmp_path: Path) -> None:
    assert process_interests(42, tmp_path) == ()
    assert current_calls(42, tmp_path) == ()
    assert thread_name(42, tmp_path) is None


def test_a_descriptor_that_closes_meanwhile_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "42/fd").mkdir(parents=True)
    (tmp_path / "42/fdinfo").mkdir()
    for fd in (4, 5, 10):
        (tmp_path / f"42/fd/{fd}").symlink_to("anon_inode:[eventpoll]")
    (tmp_path / "42/fdinfo/10").write_text(LINUX_4_4)
    assert [each.epoll_fd for each in process_interests(42, tmp_path)] == [10]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            LINUX_6_18,
            [
                Interest(42, 3, 4, 0x90000019, 0x7FFFFFFF00000004, 0x1EF70),
                Interest(42, 3, 1023, 0x19, 0x3FF, 0x40C),
            ],
        ),
        (LINUX_4_4, [Interest(42, 3, 5, 0x1D, 2**64 - 1, 0)]),
        ("", []),
        ("tfd: x events: 19 data: 5\ntfd: 5 events: 19\ntfd: -1 events: 19 data: 0\n", []),
        ("tfd: 4294967296 events: 19 data: 5\ntfd: 5 events: 119000000000 data: 5\n", []),
    ],
    ids=["6.18", "4.4", "empty", "nonsense", "too large"],
)
def test_texts_of_interest_lists(text: str, expected: list[Interest]) -> None:
    assert list(parse_interests(42, 3, text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("running\n", CurrentCall(7, None, ())),
        ("-1 0x7fff69f28ea8 0x7fda35d162ad\n", CurrentCall(7, None, ())),
        (
            "232 0x4 0x7f00 0x40 0xffffffffffffffff 0x0 0x8 0x7fff69f28ea8 0x7fda35d162ad\n",
            CurrentCall(7, 232, (4, 0x7F00, 64, 2**64 - 1, 0, 8)),
        ),
        ("", None),
        ("232 0x4\n", None),
        ("nonsense\n", None),
        ("232 0x4 0x7f00 0x40 0x10000000000000000 0x0 0x8 0x7fff 0x7fda\n", None),
    ],
)
def test_texts_of_calls(text: str, expected: CurrentCall | None) -> None:
    assert parse_current_call(7, text) == expected


def mutated(text: str) -> st.SearchStrategy[str]:
    """`text` with a part replaced by anything."""
    place = st.integers(0, len(text))
    return st.builds(
        lambda a, b, middle: text[: min(a, b)] + middle + text[max(a, b) :], place, place, st.text()
    )


@given(st.text() | mutated(LINUX_6_18) | mutated(LINUX_4_4))
def test_no_text_of_an_interest_list_raises(text: str) -> None:
    """And what comes out fits where it goes."""
    InterestList(parse_interests(42, 3, text))


@given(st.text() | mutated("232 0x4 0x7f00 0x40 0xffffffffffffffff 0x0 0x8 0x7fff69f28ea8 0x7fda35d162ad\n"))
def test_no_text_of_a_call_raises(text: str) -> None:
    call = parse_current_call(7, text)
    assert call is None or len(call.arguments) in (0, 6)


@pytest.mark.parametrize("ask", [process_interests, current_calls])
def test_a_process_that_just_ended_has_nothing(ask: Callable[[int], tuple[object, ...]]) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
        assert ask(process.pid) == ()
