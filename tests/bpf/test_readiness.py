"""Readiness of real programs: which descriptor, who made it ready, what ended the wait.

Each target is a Python program that prints one JSON object with its descriptors and thread
ids, and acts only once the thread it acts on is in the call that is to end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.bpf.processes import Held
from uringtrace.tracer.capture import StreamingCapture, start_streaming
from uringtrace.tracer.readiness.calls import calls_of
from uringtrace.tracer.readiness.causes import CauseKind
from uringtrace.tracer.readiness.explain import Explainer, Wait
from uringtrace.tracer.readiness.interest import (
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLONESHOT,
    InterestList,
    changes_of,
)
from uringtrace.tracer.readiness.waits import missing_readiness
from uringtrace.tracer.readiness.wakers import Reason
from uringtrace.tracer.records import Records
from uringtrace.tracer.target import Target
from uringtrace.ui.text.readiness_text import ReadinessText

pytestmark = pytest.mark.bpf

PRELUDE = """
import ctypes, json, os, select, signal, socket, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
EPOLL = {"epoll_wait", "epoll_pwait", "futex", "poll", "pselect6"}
main = threading.get_native_id()

def parked(tid, first=None):
    # In a call that waits, with `first` as its first argument where that is given.
    while True:
        words = open(f"/proc/self/task/{tid}/syscall").read().split()
        state = open(f"/proc/self/task/{tid}/stat").read().rpartition(")")[2].split()[0]
        if state == "S" and len(words) > 2 and (first is None or int(words[1], 0) == first):
            return
        time.sleep(0.001)

def beside(function):
    # A thread that does it; its id.
    begun = threading.Event()
    def run():
        thread.tid = threading.get_native_id()
        begun.set()
        function()
    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    return thread

def say(**facts):
    path = sys.argv[1]
    with open(path, "w") as output:
        json.dump({"main": main, **facts}, output)
"""
HELD = """
print('{"ready": 0}', flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True)
class Seen:
    """What the target said, and what the capture says of each of its calls."""

    said: dict[str, int]
    calls: list[tuple[str, np.void, Wait]]
    """Name, operation and explanation, in the order of completion."""
    lines: list[str]
    changes: np.ndarray
    interests: InterestList
    capture: StreamingCapture

    def waits(self, *names: str, tid: int | None = None) -> list[Wait]:
        return [wait for _, wait in self.rows(*names, tid=tid)]

    def rows(self, *names: str, tid: int | None = None) -> list[tuple[np.void, Wait]]:
        return [
            (operation, wait)
            for name, operation, wait in self.calls
            if name in names and (tid is None or operation["tid"] == tid)
        ]

    def description(self, file: int | None) -> str:
        assert file is not None
        return self.capture.files[file].description

    def name(self, opcode: int | None) -> str:
        assert opcode is not None
        return self.capture.context.operation_names[opcode]


EPOLL_WAITS = ("epoll_wait", "epoll_pwait", "epoll_pwait2")


class Run:
    """Runs programs under a capture."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, program: str) -> Seen:
        """From its start to its end."""
        output = self._folder / "said"
        command = (sys.executable, "-I", "-S", "-c", PRELUDE + program, str(output))
        with start_streaming(Target(command=command, follow=True)) as capture:
            return self._seen(capture, capture.records(), output)

    def attached(self, before: str, program: str) -> Seen:
        """`program` only; `before` is over when the capture begins."""
        output = self._folder / "said"
        command = (sys.executable, "-I", "-S", "-c", PRELUDE + before + HELD + program, str(output))
        with Held(command, self._folder / "held") as process:
            with start_streaming(Target(pids=(process.pid,))) as capture:
                process.go()
                seen = self._seen(capture, capture.records(), output)
            assert process.wait() == 0, process.notices()
        return seen

    def _seen(self, capture: StreamingCapture, stream: Iterator[Records], output: Path) -> Seen:
        calls = calls_of(capture.context)
        explainer = Explainer(capture.context, capture.interests)
        text = ReadinessText(capture.context, capture.interests)
        interests = InterestList(capture.interests, calls)
        found, lines, changes = [], [], []
        for records in stream:
            explained = explainer.add(records, capture.files)
            interests.add(records)
            changes.append(changes_of(records, calls))
            words = text.lines(records, capture.files, capture.threads)
            assert missing_readiness(records, calls) == 0
            for row, operation in enumerate(records.operations):
                name = capture.context.operation_names[int(operation["opcode"])]
                found.append((int(operation["completed_ns"]), name, operation, explained.wait(row)))
                if row in words:
                    lines.append(f"{name}{words[row]}")
        found.sort(key=lambda each: each[0])
        assert capture.losses.total_lost == 0
        said = json.loads(output.read_text())
        return Seen(said, [each[1:] for each in found], lines, np.concatenate(changes), interests, capture)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def fds(wait: Wait) -> list[int | None]:
    return [each.fd for each in wait.ready]


def test_an_eventfd_says_which_thread_wrote_it(run: Run) -> None:
    """Once while the waiter sleeps, once before it comes to wait; the token is the seed's 1 << 31."""
    seen = run("""
event = libc.eventfd(0, 0o4000)
epoll = libc.epoll_create1(0)
class Event(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("events", ctypes.c_uint32), ("data", ctypes.c_uint64)]
libc.epoll_ctl(epoll, 1, event, ctypes.byref(Event(select.EPOLLIN | select.EPOLLET, 1 << 31)))
def write():
    parked(main, epoll)
    os.eventfd_write(event, 1)
first = beside(write)
out = (Event * 8)()
assert libc.epoll_wait(epoll, out, 8, -1) == 1
first.join()
second = beside(lambda: os.eventfd_write(event, 1))
second.join()
assert libc.epoll_wait(epoll, out, 8, -1) == 1
say(event=event, first=first.tid, second=second.tid)
""")
    slept, awake = seen.waits("epoll_wait", tid=seen.said["main"])
    for wait, writer in ((slept, "first"), (awake, "second")):
        [ready] = wait.ready
        assert (ready.fd, ready.data) == (seen.said["event"], 1 << 31)
        assert seen.description(ready.file) == "anon_inode:[eventfd]"
        assert ready.cause is not None
        assert (ready.cause.kind, ready.cause.tid) == (CauseKind.WRITTEN, seen.said[writer])
        assert seen.name(ready.cause.opcode) == "write"
    assert slept.ended_by is not None
    assert (slept.ended_by.reason, slept.ended_by.tid) == (Reason.THREAD, seen.said["first"])
    assert (seen.name(slept.ended_by.opcode), slept.ended_by.fd) == ("write", seen.said["event"])
    assert awake.ended_by is None, "it did not sleep"
    writes = [wait for operation, wait in seen.rows("write") if operation["fd"] == seen.said["event"]]
    assert [each.woke.tid if each.woke else None for each in writes] == [seen.said["main"], None]


def test_a_pipe_says_which_thread_wrote_to_its_other_end(run: Run) -> None:
    seen = run("""
reading, writing = os.pipe()
epoll = select.epoll()
epoll.register(reading, select.EPOLLIN)
def write():
    parked(main, epoll.fileno())
    os.write(writing, b"x")
writer = beside(write)
epoll.poll()
writer.join()
say(reading=reading, writer=writer.tid)
""")
    [wait] = seen.waits(*EPOLL_WAITS)
    [ready] = wait.ready
    assert ready.fd == seen.said["reading"]
    assert seen.description(ready.file).startswith("pipe:[")
    assert ready.cause is not None
    assert (ready.cause.kind, ready.cause.tid) == (CauseKind.WRITTEN, seen.said["writer"])


def test_a_timer_and_a_timeout(run: Run) -> None:
    seen = run("""
timer = libc.timerfd_create(1, 0)
class Spec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("interval", "interval_ns", "value", "value_ns")]
epoll = select.epoll()
epoll.register(timer, select.EPOLLIN)
libc.timerfd_settime(timer, 0, ctypes.byref(Spec(0, 0, 0, 20_000_000)), None)
assert epoll.poll()
os.read(timer, 8)
assert not epoll.poll(0.02)
assert not epoll.poll(0)
say(timer=timer)
""")
    expired, timeout, look = seen.waits(*EPOLL_WAITS)
    assert fds(expired) == [seen.said["timer"]]
    assert seen.description(expired.ready[0].file) == "anon_inode:[timerfd]"
    assert expired.ended_by is not None
    assert expired.ended_by.reason is Reason.TIMER
    assert timeout.ended_by is not None
    assert timeout.ended_by.reason is Reason.TIMEOUT
    assert (look.ready, look.ended_by) == ((), None)


def test_data_on_a_socket_and_its_end(run: Run) -> None:
    seen = run("""
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
epoll = select.epoll()
epoll.register(server, select.EPOLLIN | select.EPOLLRDHUP)
def talk():
    parked(main, epoll.fileno())
    client.send(b"hello")
    read.wait()
    parked(main, epoll.fileno())
    client.close()
read = threading.Event()
talker = beside(talk)
epoll.poll()
server.recv(100)
read.set()
epoll.poll()
talker.join()
say(server=server.fileno())
""")
    data, end = seen.waits(*EPOLL_WAITS)
    for wait, kind in ((data, CauseKind.ARRIVED), (end, CauseKind.ENDED)):
        [ready] = wait.ready
        assert ready.fd == seen.said["server"]
        assert seen.description(ready.file).startswith("TCP 127.0.0.1:")
        assert ready.cause is not None
        assert ready.cause.kind is kind
        assert wait.ended_by is not None
        assert wait.ended_by.reason is Reason.NETWORK, "the client runs the softirq, and is not blamed"
        assert wait.ended_by.tid is None


def test_a_signal(run: Run) -> None:
    seen = run("""
epoll = select.epoll()
class Stop(Exception): pass
def stop(*_): raise Stop
signal.signal(signal.SIGUSR1, stop)
def kill():
    parked(main, epoll.fileno())
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
killer = beside(kill)
try:
    epoll.poll()
except Stop:
    pass
killer.join()
say(killer=killer.tid)
""")
    [wait] = seen.waits(*EPOLL_WAITS)
    assert wait.ended_by is not None
    assert (wait.ended_by.reason, wait.ended_by.tid) == (Reason.SIGNAL, seen.said["killer"])
    assert seen.name(wait.ended_by.opcode) == "tgkill"


def test_a_nested_instance_is_ready_as_a_descriptor_of_the_outer_one(run: Run) -> None:
    seen = run("""
inner, outer = select.epoll(), select.epoll()
left, right = socket.socketpair()
inner.register(left, select.EPOLLIN)
outer.register(inner, select.EPOLLIN)
def write():
    parked(main, outer.fileno())
    right.send(b"x")
writer = beside(write)
outer.poll()
inner.poll()
writer.join()
say(inner=inner.fileno(), outer=outer.fileno(), left=left.fileno(), writer=writer.tid)
""")
    (outer_call, outer), (inner_call, inner) = seen.rows(*EPOLL_WAITS)
    assert (outer_call["fd"], inner_call["fd"]) == (seen.said["outer"], seen.said["inner"])
    assert (fds(outer), fds(inner)) == ([seen.said["inner"]], [seen.said["left"]])
    assert outer.ready[0].file == inner_call["file"], "the file of the inner instance"
    assert outer.ended_by is not None
    assert (outer.ended_by.reason, outer.ended_by.tid) == (Reason.THREAD, seen.said["writer"])
    assert inner.ended_by is None


@pytest.mark.parametrize("copy", ["os.dup(epoll.fileno())", "fcntl.fcntl(epoll, fcntl.F_DUPFD_CLOEXEC, 100)"])
def test_a_copied_epoll_descriptor_is_the_same_instance(run: Run, copy: str) -> None:
    seen = run(f"""
import fcntl
epoll = select.epoll()
copy = select.epoll.fromfd({copy})
left, right = socket.socketpair()
epoll.register(left, select.EPOLLIN)
right.send(b"x")
copy.poll()
say(epoll=epoll.fileno(), copy=copy.fileno(), left=left.fileno())
""")
    [(operation, wait)] = seen.rows(*EPOLL_WAITS)
    assert operation["fd"] == seen.said["copy"] != seen.said["epoll"]
    assert fds(wait) == [seen.said["left"]]


def test_what_was_listed_before_attaching_is_known(run: Run) -> None:
    """Of three entries with flags no epoll_ctl is seen; a fourth is added under our eyes."""
    seen = run.attached(
        """
epoll = select.epoll()
pairs = [socket.socketpair() for _ in range(4)]
flags = [select.EPOLLET, select.EPOLLONESHOT, select.EPOLLEXCLUSIVE, 0]
for (left, _), flag in zip(pairs[:3], flags):
    epoll.register(left, select.EPOLLIN | flag)
""",
        """
for _, right in pairs[:3]:
    right.send(b"x")
assert len(epoll.poll()) == 3
epoll.register(pairs[3][0], select.EPOLLIN)
pairs[3][1].send(b"x")
pairs[0][1].send(b"y")
assert len(epoll.poll()) == 3
say(epoll=epoll.fileno(), **{f"left{n}": left.fileno() for n, (left, _) in enumerate(pairs)})
""",
    )
    said = seen.said
    left = [said[f"left{number}"] for number in range(4)]
    assert [int(change["fd"]) for change in seen.changes] == [left[3]]
    first, second = seen.rows(*EPOLL_WAITS)
    assert set(fds(first[1])) == set(left[:3])
    assert set(fds(second[1])) == {left[0], left[2], left[3]}, "level-triggered, and written again"
    entries = {
        int(entry["fd"]): int(entry["events"]) for entry in seen.interests.entries(int(first[0]["file"]))
    }
    assert entries.keys() == set(left)
    flags = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE
    assert [entries[fd] & flags for fd in left] == [EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE, 0]


def test_a_wait_that_lasts_since_before_attaching_is_resolved(run: Run) -> None:
    seen = run.attached(
        """
epoll = select.epoll()
left, right = socket.socketpair()
epoll.register(left, select.EPOLLIN)
waiter = beside(epoll.poll)
parked(waiter.tid, epoll.fileno())
""",
        """
right.send(b"x")
waiter.join()
say(waiter=waiter.tid, left=left.fileno())
""",
    )
    [(operation, wait)] = seen.rows(*EPOLL_WAITS)
    assert (operation["tid"], operation["submitted_ns"]) == (seen.said["waiter"], 0)
    assert fds(wait) == [seen.said["left"]]


def test_a_descriptor_that_is_used_again_is_the_new_file(run: Run) -> None:
    seen = run("""
epoll = select.epoll()
event = libc.eventfd(1, 0)
epoll.register(event, select.EPOLLIN)
epoll.poll()
os.close(event)
reading, writing = os.pipe()
assert reading == event
epoll.register(reading, select.EPOLLIN)
os.write(writing, b"x")
epoll.poll()
say(fd=event)
""")
    first, second = seen.waits(*EPOLL_WAITS)
    assert fds(first) == fds(second) == [seen.said["fd"]]
    assert seen.description(first.ready[0].file) == "anon_inode:[eventfd]"
    assert seen.description(second.ready[0].file).startswith("pipe:[")


@pytest.mark.parametrize("copied", [False, True])
def test_a_number_is_free_again_after_the_last_close(run: Run, copied: bool) -> None:
    """Without EPOLL_CTL_DEL; a copy keeps the old entry alive, and then either could be meant."""
    seen = run(f"""
class Event(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("events", ctypes.c_uint32), ("data", ctypes.c_uint64)]
epoll = libc.epoll_create1(0)
old, new = libc.eventfd(0, 0), libc.eventfd(1, 0)
copy = os.dup(old) if {copied} else -1
libc.epoll_ctl(epoll, 1, old, ctypes.byref(Event(select.EPOLLIN, 77)))
os.close(old)
libc.epoll_ctl(epoll, 1, new, ctypes.byref(Event(select.EPOLLIN, 77)))
out = (Event * 8)()
assert libc.epoll_wait(epoll, out, 8, -1) == 1
say(new=new)
""")
    [wait] = seen.waits("epoll_wait")
    assert fds(wait) == [None if copied else seen.said["new"]]
    assert wait.ready[0].data == 77


@pytest.mark.parametrize("count", [1, 7, 300])
def test_poll_and_select_say_how_many_descriptors_they_looked_at(run: Run, count: int) -> None:
    """Of `count` pipes the last can be read; select is also asked for room in one."""
    seen = run(f"""
pipes = [os.pipe() for _ in range({count})]
last, writing = pipes[-1]
os.write(writing, b"x")
os.read(last, 0)
poll = select.poll()
for reading, _ in pipes:
    poll.register(reading, select.POLLIN)
assert len(poll.poll()) == 1
assert [len(each) for each in select.select([reading for reading, _ in pipes], [writing], [])] == [1, 1, 0]
say(last=last, writing=writing)
""")
    [poll] = seen.waits("poll", "ppoll")
    [chosen] = seen.waits("select", "pselect6")
    last, writing = seen.said["last"], seen.said["writing"]
    assert [(each.fd, each.mask) for each in poll.ready] == [(last, 1)]
    assert [(each.fd, each.mask) for each in chosen.ready] == sorted([(last, 1), (writing, 4)])
    assert (poll.scanned, chosen.scanned) == (count, count + 1)
    assert seen.description(poll.ready[0].file).startswith("pipe:[")
    assert poll.ready[0].cause is not None
    assert poll.ready[0].cause.tid == seen.said["main"]


def test_which_thread_a_futex_wakes(run: Run) -> None:
    seen = run("""
NUMBER = {"x86_64": 202}.get(os.uname().machine, 98)
word = ctypes.c_uint32(7)
address = ctypes.addressof(word)
def wait():
    libc.syscall(NUMBER, ctypes.c_void_p(address), 128, 7, None, None, 0)
waiter = beside(wait)
parked(waiter.tid, address)
assert libc.syscall(NUMBER, ctypes.c_void_p(address), 129, 1, None, None, 0) == 1
waiter.join()
say(waiter=waiter.tid, address=address)
""")
    own = [row for row in seen.rows("futex") if row[0]["arg0"] == seen.said["address"]]
    [wake] = [wait for operation, wait in own if operation["tid"] == seen.said["main"]]
    [waited] = [wait for operation, wait in own if operation["tid"] == seen.said["waiter"]]
    assert wake.woke is not None
    assert (wake.woke.tid, wake.woke.count) == (seen.said["waiter"], 1)
    assert waited.ended_by is not None
    assert (waited.ended_by.reason, waited.ended_by.tid) == (Reason.THREAD, seen.said["main"])
    assert seen.name(waited.ended_by.opcode) == "futex"


def test_why_epoll_wait_returned_twice_after_one_send(run: Run) -> None:
    """A runtime's waker eventfd, registered edge-triggered and never read, was written while the
    worker was busy: the first return is that one, the second the client's end."""
    seen = run("""
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
event = libc.eventfd(0, 0o4000)
epoll = select.epoll()
epoll.register(server, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)
epoll.register(event, select.EPOLLIN | select.EPOLLET)
client.send(b"hello!")
def work():
    epoll.poll()
    server.recv(100)
    busy.set()
    spawned.wait()
    server.send(b"hello!")
    epoll.poll()
    epoll.poll()
busy, spawned = threading.Event(), threading.Event()
worker = beside(work)
busy.wait()
os.eventfd_write(event, 1)
spawned.set()
client.recv(100)
parked(worker.tid, epoll.fileno())
client.close()
worker.join()
say(event=event, server=server.fileno(), worker=worker.tid)
""")
    request, waker, end = seen.waits(*EPOLL_WAITS, tid=seen.said["worker"])
    assert fds(request) == fds(end) == [seen.said["server"]]
    assert fds(waker) == [seen.said["event"]]
    kinds = [wait.ready[0].cause.kind for wait in (request, waker, end) if wait.ready[0].cause]
    assert kinds == [CauseKind.ARRIVED, CauseKind.WRITTEN, CauseKind.ENDED]
    [ready] = waker.ready
    assert ready.cause is not None
    assert (ready.cause.tid, waker.ended_by) == (seen.said["main"], None), (
        "it did not sleep: the write was over"
    )
    lines = [line for line in seen.lines if line.startswith(EPOLL_WAITS)]
    assert (
        f" ready={ready.fd}<anon_inode:[eventfd]>:EPOLLIN(written by thread {seen.said['main']} " in lines[1]
    )
    assert "EPOLLRDHUP(ended by peer " in lines[2]
