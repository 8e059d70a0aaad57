"""Which files an epoll instance waits for: copies, nested instances, numbers used again, and what
was there before the capture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bpf.waiting_programs import EPOLL_WAITS, Run, fds
from uringtrace.tracer.readiness.interest import EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT
from uringtrace.tracer.readiness.wakers import Reason

pytestmark = pytest.mark.bpf


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


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
