"""Readiness of real programs: which descriptor, who made it ready, what ended the wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bpf.waiting_programs import EPOLL_WAITS, Run, fds
from uringtrace.tracer.readiness.causes import CauseKind
from uringtrace.tracer.readiness.wakers import Reason

pytestmark = pytest.mark.bpf


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


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
