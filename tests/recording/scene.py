"""A server's 40 milliseconds as records: both interfaces, epoll, an eventfd, a connection, failures.

Thread 4243 waits with epoll for the listener (6), then the connection (7) and an eventfd
(5), which thread 4244 writes. 4244 looks for files that are not there, and io_uring reads
one that is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from tests.fakes import RING, STARTED_NS, FakeSource, call, context, multishot_rows, row, rows
from tests.recording.strategies import memory
from uringtrace.tracer.record import FIRST_CALL, Batch, Kind, Wake
from uringtrace.tracer.records import SOCKET_EVENT, Records, SocketEventKind
from uringtrace.tracer.source import File, Interest, Socket, Thread

EPOLL, EVENTFD, LISTENER, PEER, DATABASE = range(1, 6)
"""Numbers of files."""
ADD, READABLE, HUNG_UP = 1, 0x1, 0x2001
MILLISECOND = 1_000_000
TALKER, WORKER = 4243, 4244

FILES = {
    EPOLL: File(EPOLL, "anon_inode:[eventpoll]", 14, 1),
    EVENTFD: File(EVENTFD, "anon_inode:[eventfd]", 14, 1),
    LISTENER: File(
        LISTENER, "TCP 127.0.0.1:80", 8, 100, Socket("inet", "tcp", "127.0.0.1:80", None, listening=True)
    ),
    PEER: File(
        PEER,
        "TCP 127.0.0.1:80->127.0.0.1:4000",
        8,
        101,
        Socket("inet", "tcp", "127.0.0.1:80", "127.0.0.1:4000"),
    ),
    DATABASE: File(DATABASE, "/var/lib/x.db", 2, 99),
}


@dataclass
class _Drain:
    """Operations with the memory they point to, and socket events, in the order of time."""

    batches: list[Batch] = field(default_factory=list)
    memory: list[tuple[int, int, bytes]] = field(default_factory=list)
    events: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    def call(
        self, at: float, name: str, *arguments: int, given: tuple[int, bytes] | None = None, **fields: object
    ) -> None:
        """A call that began `at` ms after the start and took 0.1 ms, if not said otherwise."""
        descriptor = {"fd": arguments[0]} if "file" in fields else {}
        times = {"after_ns": round(at * MILLISECOND), "took_ns": MILLISECOND // 10}
        if given:
            self.memory.append((sum(batch.size for batch in self.batches), *given))
        self.batches.append(call(name, *arguments, **{**times, **descriptor, **fields}))  # type: ignore[arg-type]

    def arrival(self, at: float, file: int) -> None:
        self.events.append((STARTED_NS + round(at * MILLISECOND), file, SocketEventKind.ARRIVAL, 0, 0))

    def records(self) -> Records:
        return Records(rows(*self.batches), memory(*self.memory), np.array(self.events, SOCKET_EVENT))


def _interest(drain: _Drain, at: float, fd: int, data: int, file: int) -> None:
    event = struct.pack("<IQ", READABLE, data)
    drain.call(at, "epoll_ctl", 4, ADD, fd, 0x7000, given=(3, event), file=EPOLL, second_file=file)


def _wait(drain: _Drain, at: float, until: float, data: int, **fields: object) -> None:
    """epoll_wait that slept until 10 µs before its end and reported one event."""
    woken_ns = STARTED_NS + round(until * MILLISECOND) - 10_000
    slept = {"slept": True, "wake": Wake.NETWORK, "wakes": 1, "woken_ns": woken_ns, "result": 1}
    drain.call(
        at, "epoll_wait", 4, 0x7000, 64, 2**64 - 1, given=(1, struct.pack("<IQ", READABLE, data)),
        file=EPOLL, took_ns=round((until - at) * MILLISECOND), **{**slept, **fields},
    )  # fmt: skip


def drains() -> list[Records]:
    """The records in two drains, as one source would yield them."""
    first = _Drain()
    _interest(first, 1, 6, 600, LISTENER)
    _interest(first, 2, 5, 2**31, EVENTFD)
    first.arrival(4.9, LISTENER)
    _wait(first, 3, 5, 600)
    first.call(6, "accept4", 6, 0, 0, 0x800, file=LISTENER, result=7, result_file=PEER)
    _interest(first, 7, 7, 700, PEER)
    for at in (8, 8.2, 8.4):
        first.call(at, "recvfrom", 7, 0x7000, 512, 0, file=PEER, result=-11)
    first.call(8.6, "openat", -100, 0x7000, 0, given=(1, b"/etc/x.conf\0"), result=-2, tid=WORKER)
    first.call(8.8, "openat", -100, 0x7000, 0, given=(1, b"/opt/x.conf\0"), result=-13, tid=WORKER)

    second = _Drain()
    second.arrival(10.9, PEER)
    _wait(second, 9, 11, 700)
    second.call(11.5, "recvfrom", 7, 0x7000, 512, 0, file=PEER, result=100)
    second.call(12, "sendto", 7, 0x7000, 300, 0, file=PEER, result=300)
    second.call(14, "write", 5, 0x7000, 8, file=EVENTFD, result=8, tid=WORKER, woke=TALKER, woke_count=1)
    by_thread = {"wake": Wake.THREAD, "waker": WORKER, "waker_opcode": FIRST_CALL + 1, "waker_file": EVENTFD}
    _wait(second, 13, 15, 2**31, waker_argument=5, **by_thread)
    ended = {"kind": Kind.UNFINISHED, "result": 0}
    second.call(16, "futex", 0x7000, 128, took_ns=20 * MILLISECOND, tid=WORKER, slept=True, **ended)
    second.batches += [
        row("READ", after_ns=17 * MILLISECOND, result=4096, file=DATABASE, fd=9, path=2, chain=10**12),
        row("SEND", after_ns=18 * MILLISECOND, result=200, file=PEER, fd=7, path=1),
        row("NOP", after_ns=19 * MILLISECOND, kind=Kind.UNFINISHED),
        multishot_rows("ACCEPT", [8, 9, 10], user_data=3),
        row("SEND_ZC", after_ns=23 * MILLISECOND, result=50, cqe_flags=2, file=PEER, fd=7, user_data=4),
        row("SEND_ZC", after_ns=23 * MILLISECOND, took_ns=90_000, cqe_flags=8, file=PEER, fd=7, user_data=4),
    ]
    return [first.records(), second.records()]


def source() -> FakeSource:
    """The scene as a live capture would give it; one entry of an epoll instance is from before."""
    return FakeSource(
        drains(),
        context=context(probes=("sys_enter", "sys_exit")),
        rings=(RING,),
        files=FILES,
        threads={TALKER: Thread(TALKER, 4242, "talker"), WORKER: Thread(WORKER, 4242, None)},
        interests=(Interest(4242, 4, 8, READABLE, 800, 55),),
    )
