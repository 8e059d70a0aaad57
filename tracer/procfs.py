"""What /proc tells of rings, interest lists and threads, without touching the target.

A ring's own lines in /proc/PID/fdinfo/FD are written by io_uring_show_fdinfo
(io_uring/fdinfo.c): `SqMask:`, `SqThread:`, `UserFiles:` and so on; an epoll instance's by
ep_show_fdinfo (fs/eventpoll.c). Invariant: what is gone, refused or unreadable is left out;
nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from uringtrace.tracer.same_file import distinct_files
from uringtrace.tracer.source import Interest, Ring

PROC = Path("/proc")
_RING_LINK = "anon_inode:[io_uring]"
_EPOLL_LINK = "anon_inode:[eventpoll]"
_LINE = re.compile(r"^(\w+):[ \t]*(\S+)", re.MULTILINE)
_ENTRY = re.compile(
    r"^tfd:[ \t]*([0-9]{1,10})[ \t]+events:[ \t]*([0-9a-f]+)[ \t]+data:[ \t]*([0-9a-f]+)"
    r"(?:[ \t]+pos:\S+[ \t]+ino:([0-9a-f]+))?",
    re.MULTILINE,
)
_ARGUMENTS = 6


@dataclass(frozen=True, slots=True)
class CurrentCall:
    """What a thread does at this moment."""

    tid: int
    number: int | None
    """Of the system call it is in; None: it runs, or waits outside of a call."""
    arguments: tuple[int, ...]
    """The six argument registers; empty without a call."""


def process_rings(pid: int, proc: Path = PROC) -> tuple[Ring, ...]:
    """The rings of a process by their lowest descriptors, numbered 0; empty when it is gone."""
    texts = dict(_descriptors(pid, _RING_LINK, proc))
    return tuple(parse_ring(pid, fd, texts[fd]) for fd in distinct_files(pid, texts))


def parse_ring(pid: int, fd: int, fdinfo: str) -> Ring:
    """A ring from the text of its fdinfo; fields that this kernel does not print are None."""
    fields = dict(_LINE.findall(fdinfo))

    def number(name: str) -> int | None:
        try:
            return int(fields[name], 0)
        except (KeyError, ValueError):
            return None

    sq_mask, cq_mask, sq_thread = number("SqMask"), number("CqMask"), number("SqThread")
    return Ring(
        ring=0,
        tgid=pid,
        fd=fd,
        flags=None,
        sq_entries=None if sq_mask is None else sq_mask + 1,
        cq_entries=None if cq_mask is None else cq_mask + 1,
        sq_thread=sq_thread if sq_thread is not None and sq_thread > 0 else None,
        registered_files=number("UserFiles"),
        registered_buffers=number("UserBufs"),
    )


def process_interests(pid: int, proc: Path = PROC) -> tuple[Interest, ...]:
    """What the epoll instances of a process wait for; an instance with two descriptors comes twice."""
    return tuple(
        interest
        for fd, text in _descriptors(pid, _EPOLL_LINK, proc)
        for interest in parse_interests(pid, fd, text)
    )


def parse_interests(pid: int, epoll_fd: int, fdinfo: str) -> tuple[Interest, ...]:
    """The entries in the text of an epoll descriptor's fdinfo, as the kernel lists them.

    `events` are as the kernel keeps them: with EPOLLERR and EPOLLHUP, which nobody has to
    ask for, and without what EPOLLONESHOT has disabled. Numbers no kernel prints are left out.
    """
    found = []
    for fd, events, data, inode in _ENTRY.findall(fdinfo):
        interest = Interest(
            pid, epoll_fd, int(fd), int(events, 16), int(data, 16), int(inode, 16) if inode else 0
        )
        if interest.fd < 2**31 and interest.events < 2**32 and max(interest.data, interest.inode) < 2**64:
            found.append(interest)
    return tuple(found)


def current_calls(pid: int, proc: Path = PROC) -> tuple[CurrentCall, ...]:
    """The call that each thread of a process is in, by thread id; empty when it is gone.

    Reading it needs the rights of ptrace(2), but stops nobody (proc_pid_syscall(5)).
    """
    calls = []
    for tid in _numbers_in(proc / str(pid) / "task"):
        text = _text(proc / str(pid) / "task" / str(tid) / "syscall")
        call = None if text is None else parse_current_call(tid, text)
        if call is not None:
            calls.append(call)
    return tuple(calls)


def parse_current_call(tid: int, text: str) -> CurrentCall | None:
    """From the text of /proc/PID/task/TID/syscall; None where it is none that a kernel writes."""
    words = text.split()
    if words == ["running"]:
        return CurrentCall(tid, None, ())
    try:
        number, *registers = [int(word, 0) for word in words]
    except ValueError:
        return None
    if number == -1:
        return CurrentCall(tid, None, ())
    arguments = tuple(registers[:_ARGUMENTS])
    if number < 0 or len(arguments) < _ARGUMENTS or not all(0 <= each < 2**64 for each in arguments):
        return None
    return CurrentCall(tid, number, arguments)


def thread_name(tid: int, proc: Path = PROC) -> str | None:
    """The thread's comm (proc_pid_comm(5)); None when it is gone. Bytes that are no UTF-8 are escaped."""
    text = _text(proc / str(tid) / "comm")
    return None if text is None else text.removesuffix("\n")


def _descriptors(pid: int, link: str, proc: Path) -> Iterator[tuple[int, str]]:
    """The descriptors of a process that are such a `link`, and the text of their fdinfo."""
    folder = proc / str(pid)
    for fd in _numbers_in(folder / "fd"):
        try:
            wanted = str((folder / "fd" / str(fd)).readlink()) == link
        except OSError:
            continue
        text = _text(folder / "fdinfo" / str(fd)) if wanted else None
        if text is not None:
            yield fd, text


def _numbers_in(folder: Path) -> list[int]:
    """The numbers that name the files in a folder, ascending; empty when it cannot be read."""
    try:
        return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal())
    except OSError:
        return []


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="backslashreplace")
    except OSError:
        return None
