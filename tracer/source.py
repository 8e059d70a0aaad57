"""What a source of batches offers: live capture, a recording, or a fake in tests.

Everything downstream takes a `Source` and cannot tell which it has. The facts that
accompany batches (rings, files, processes, losses) may grow while batches arrive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import Records
from uringtrace.tracer.statistics import Counters


@dataclass(frozen=True, slots=True)
class Ring:
    """One io_uring instance as far as it was seen. `None` means not observed."""

    ring: int
    """Number in this capture, from 1; 0 for a ring known from /proc only."""
    tgid: int
    fd: int | None
    flags: int | None
    """IORING_SETUP_* bits; names come from the running kernel's BTF."""
    sq_entries: int | None
    cq_entries: int | None
    sq_thread: int | None
    """Thread id of the SQPOLL thread."""
    registered_files: int | None
    registered_buffers: int | None
    submitted: int = 0
    completions: int = 0
    batches: int = 0
    """Groups of SQEs the kernel took at once: one per submitting io_uring_enter, or
    one per pass of the SQPOLL thread."""
    in_flight: int = 0
    in_flight_max: int = 0
    overflows: int = 0
    dropped: int = 0
    messages: int = 0
    untracked: int = 0

    def since(self, before: Ring) -> Ring:
        """The same ring with what was counted since `before`; `in_flight_max` is that of all the time."""
        counts = {name: max(0, getattr(self, name) - getattr(before, name)) for name in _COUNTED}
        return replace(self, **counts)


_COUNTED = ("submitted", "completions", "batches", "overflows", "dropped", "messages", "untracked")


@dataclass(frozen=True, slots=True)
class File:
    """What a descriptor stood for when an operation on it completed."""

    file: int
    description: str
    """As shown between <>: `TCP 127.0.0.1:80->127.0.0.1:4000`, `/var/lib/x.db`, `pipe:[12]`."""
    device: int
    inode: int
    socket: Socket | None = None
    """Where it is a socket: sockets are told apart by their inode, which the kernel does not reuse
    while it counts to 2**32; several numbers with one inode are one socket before and after it
    got its addresses."""


@dataclass(frozen=True, slots=True)
class Socket:
    """The addresses of a socket when it was seen. None means not observed or not applicable."""

    family: str
    """`inet`, `inet6`, `unix`, or `family N`."""
    protocol: str
    """`tcp`, `udp`, `unix`, or `protocol N`."""
    local: str | None
    """`127.0.0.1:80`, `[::1]:80`, `/run/x.sock`, `@abstract`."""
    remote: str | None
    listening: bool = False


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of the target."""

    tid: int
    tgid: int
    name: str | None
    """Its comm; None when it was gone before it could be asked."""


@dataclass(frozen=True, slots=True)
class Interest:
    """One entry of an epoll instance's interest list when the capture began (proc_pid_fdinfo(5))."""

    tgid: int
    epoll_fd: int
    fd: int
    events: int
    data: int
    inode: int
    """Of the descriptor's file; 0 when the kernel does not print it."""


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """A connected or listening socket that was open when the capture began."""

    tgid: int
    fd: int
    inode: int
    socket: Socket
    upper_layer: UpperLayer | None = None


@dataclass(frozen=True, slots=True)
class UpperLayer:
    """The upper-layer protocol of a TCP socket. None means not observed."""

    name: str
    """`tls`, `mptcp`, …"""
    version: str | None = None
    """`1.2`, `1.3`"""
    cipher: str | None = None
    """`AES-GCM-128`, …"""
    transmit: str | None = None
    """`software`, `offload`, `none`: who encrypts."""
    receive: str | None = None


@dataclass(frozen=True, slots=True)
class Losses:
    """What this capture could not account for; always shown."""

    lost: Mapping[str, int] = field(default_factory=dict)
    """Records the kernel could not hand over, by kind; empty when none."""
    untracked: int = 0
    """Completions of operations that are not known."""

    @property
    def total_lost(self) -> int:
        return sum(self.lost.values())


@dataclass(frozen=True, slots=True)
class Context:
    """What is true for a whole capture: where and of what it was taken."""

    kernel: str
    machine: str
    target: str
    """The target in words, as the user named it."""
    command: tuple[str, ...]
    started_ns: int
    """CLOCK_MONOTONIC when the probes were attached."""
    started_unix_ns: int
    """CLOCK_REALTIME at the same moment."""
    operation_names: Mapping[int, str]
    """opcode → name: of io_uring in capitals without IORING_OP_, from the kernel's BTF; of a
    system call, from FIRST_CALL on, in small letters as the manual has it."""
    setup_flag_names: Mapping[int, str]
    """bit value → name without IORING_SETUP_, from the kernel's headers or BTF."""
    probes: tuple[str, ...]
    """Names of the attached tracepoints."""


class Facts(Protocol):
    """What explains a capture, whichever way its operations are delivered."""

    @property
    def context(self) -> Context: ...

    @property
    def rings(self) -> tuple[Ring, ...]: ...

    @property
    def losses(self) -> Losses: ...

    @property
    def ended_ns(self) -> int:
        """CLOCK_MONOTONIC of the end, or of the latest drain while it runs."""
        ...


class FilesAndFacts(Facts, Protocol):
    """Facts of a capture that names the file of each operation."""

    @property
    def files(self) -> Mapping[int, File]: ...

    @property
    def threads(self) -> Mapping[int, Thread]:
        """Thread id → thread, of all that were met."""
        ...

    @property
    def interests(self) -> tuple[Interest, ...]:
        """What the target's epoll instances waited for when the capture began."""
        ...

    @property
    def open_sockets(self) -> tuple[OpenSocket, ...]:
        """Sockets that were connected or listening when the capture began, and those of which the
        kernel was asked later (kTLS); the last entry for an inode counts."""
        ...


class Source(FilesAndFacts, Protocol):
    """A stream of batches with the facts that explain them."""

    def batches(self) -> Iterator[Batch]:
        """Yield batches until the source ends; an empty batch marks an idle drain.

        The operations of `records`, of which only one of the two may be used.
        """
        ...

    def records(self) -> Iterator[Records]:
        """Yield everything that was observed, until the source ends."""
        ...


class CountingSource(Facts, Protocol):
    """Counting mode: totals that grow, no batches. All numbers are since the start."""

    def counters(self) -> Counters:
        """Totals per opcode so far, a copy of shape (opcodes,), dtype `COUNTERS`."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait for the end; True when the target has ended or `stop` was called."""
        ...

    def stop(self) -> None:
        """End the capture from any thread or signal handler; idempotent."""
        ...


class LaunchingSource(CountingSource, Protocol):
    """A counting source that may have launched its target."""

    @property
    def child_status(self) -> int | None:
        """The os.waitpid status of the launched command; None while it runs or without one."""
        ...
