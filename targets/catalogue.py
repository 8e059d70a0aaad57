"""The reference servers by name: what each shows, in which modes, with which faults.

Only names and texts: a server's module, and the packages it needs, are imported when it
is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Architecture:
    """One reference server."""

    name: str
    summary: str
    """One line, at most 60 characters."""
    modes: tuple[str, ...] = ()
    """The first is the default, unless `probes_mode`."""
    faults: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """Python packages beyond httptools."""
    io_uring: bool = False
    probes_mode: bool = False
    """The server finds out at its start which mode this machine offers."""
    workers: bool = False
    """`--workers` means something."""
    tls: bool = False
    binds_workers: bool = False
    """A connection has its worker for itself until it ends, and those beyond the number of
    workers wait (of `iterative`: beyond one)."""

    @property
    def module(self) -> str:
        return f"uringtrace.targets.servers.{self.name.replace('-', '_')}"


_IN_THE_LOOP = ("blocking-sleep", "blocking-file", "blocking-getaddrinfo")

_ARCHITECTURES = (
    Architecture("iterative", "one blocking loop: accept, answer, close, again", binds_workers=True),
    Architecture("fork", "a process for each connection"),
    Architecture("prefork", "worker processes that block on one listener", workers=True, binds_workers=True),
    Architecture("thread", "a thread for each connection"),
    Architecture("threadpool", "one acceptor, a fixed number of threads", workers=True, binds_workers=True),
    Architecture("select", "one loop over select(2), scanning every descriptor"),
    Architecture("poll", "one loop over poll(2), scanning every descriptor"),
    Architecture(
        "epoll",
        "one reactor over epoll",
        modes=("level", "edge"),
        faults=(*_IN_THE_LOOP, "starvation", "accept-spin", "leaked-connections", "tiny-writes"),
    ),
    Architecture(
        "epoll-workers",
        "a reactor for each processor",
        modes=("reuseport", "herd", "exclusive"),
        faults=("thundering-herd",),
        workers=True,
    ),
    Architecture(
        "executor",
        "tasks, wakers over an eventfd, work-stealing threads",
        faults=("futurelock", "lost-waker"),
        workers=True,
    ),
    Architecture("asyncio", "Python's own event loop", faults=(*_IN_THE_LOOP, "tiny-writes")),
    Architecture("uvloop", "asyncio's interface over libuv", packages=("uvloop",)),
    Architecture("greenlet", "green threads that look blocking, over epoll", packages=("greenlet",)),
    Architecture(
        "uring",
        "io_uring, submissions batched into one io_uring_enter",
        faults=("one-by-one", "cq-overflow", "io-wq-writes", "worker-storm", "unarmed-recv"),
        io_uring=True,
    ),
    Architecture("uring-sqpoll", "io_uring with no system call in steady state", io_uring=True),
    Architecture(
        "uring-ktls",
        "HTTPS with no system call: TLS 1.3 by the kernel",
        modes=("ktls-ring", "ktls-setsockopt", "user-records"),
        packages=("cryptography", "OpenSSL"),
        io_uring=True,
        probes_mode=True,
        tls=True,
    ),
    Architecture("sendfile", "static files without a copy: sendfile(2)", modes=("sendfile", "splice")),
)

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {architecture.name: architecture for architecture in _ARCHITECTURES}
)
"""In the order of their history."""

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "blocking-sleep": "the event loop sleeps in the middle of a request",
        "blocking-file": "the event loop reads a slow file",
        "blocking-getaddrinfo": "the event loop asks a name server that does not answer",
        "starvation": "one busy connection is served as long as it has requests",
        "accept-spin": "accept is called again and again although it says EAGAIN",
        "leaked-connections": "what the client has closed is never closed here",
        "tiny-writes": "an answer leaves line by line, a call for each",
        "thundering-herd": "every worker is woken for each connection",
        "futurelock": "a future keeps its place in a lock's queue and is never polled again",
        "lost-waker": "a task is put aside and nobody is told to wake it",
        "one-by-one": "io_uring_enter for every single operation",
        "cq-overflow": "a completion queue too small, emptied too late",
        "io-wq-writes": "an access log whose writes need worker threads",
        "worker-storm": "every connection holds a worker thread of the kernel",
        "unarmed-recv": "a multishot receive runs out of buffers and is not armed again",
    }
)
