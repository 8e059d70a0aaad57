"""One ring: set up by system calls, used through its shared memory.

`push` writes an SQE, `publish` shows it to the kernel, `pop` takes a CQE: loads and stores,
no call. A call is made to set up, to submit without an SQ thread (`enter`), to wake an SQ
thread that sleeps (`publish`), and to wait (`wait`).

The kernel's side reads and writes the same memory from another processor, so the order of
our loads and stores counts (io_uring(7); src/include/liburing/barrier.h of liburing):
- an SQE's bytes before the tail that publishes it, and a CQE's bytes after the tail that
  shows it: x86 keeps stores in order and loads in order, nothing is to be done;
- the SQ tail stored *before* NEED_WAKEUP is loaded, or both sides may believe that the
  other one is awake: x86 does reorder a store with a later load. A locked instruction
  between them is a full barrier, and taking a free `threading.Lock` is one (sem_trywait:
  cmpxchg), without a call.
Python has no barriers for processors with weaker ordering: those are refused.

One thread only. Invariant: `_tail` and `_head` are ours and ahead of, or equal to, what the
shared memory says.
"""

from __future__ import annotations

import errno
import mmap
import os
import platform
import struct
import threading
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from uringtrace.errors import CapabilityError
from uringtrace.targets.uring import calls
from uringtrace.targets.uring import constants as c
from uringtrace.targets.uring.memory import address_of
from uringtrace.targets.uring.refusals import machine_refusal
from uringtrace.targets.uring.setup import Params, set_up

_WRAP = 0xFFFFFFFF

_SQE = struct.Struct("<BBHiQQIIQHHIQQ")
_FILES_UPDATE = struct.Struct("<IIQ")
_TIMED_WAIT = struct.Struct("<QIIQ")  # struct io_uring_getevents_arg: sigmask, its size, minimum wait, ts
_TIMESPEC = struct.Struct("<qq")

_TRY_AGAIN = (-errno.EINTR, -errno.ETIME, -errno.EBUSY, -errno.EAGAIN)

_barrier = threading.Lock()
_acquire, _release = _barrier.acquire, _barrier.release


class Completion(NamedTuple):
    """One CQE."""

    user_data: int
    result: int
    flags: int


class Ring:
    """An io_uring of `entries` SQEs and `completions` CQEs (0: twice as many as SQEs).

    `flags` are SETUP_… constants; `idle_ms` is how long the SQ thread of SQPOLL spins before
    it sleeps (0: the kernel's second). Raises `CapabilityError` where the machine, the kernel
    or its settings do not allow such a ring.
    """

    def __init__(self, entries: int, flags: int = 0, *, completions: int = 0, idle_ms: int = 0) -> None:
        if refusal := machine_refusal(platform.machine()):
            raise refusal
        if completions:
            flags |= c.SETUP_CQSIZE
        params = Params(flags, completions, idle_ms)
        self.fd = set_up(entries, params)
        self.flags = flags
        self.features = params.features
        if not self.features & c.FEAT_SINGLE_MMAP:
            os.close(self.fd)
            raise CapabilityError(
                "this kernel's io_uring is too old: it has no IORING_FEAT_SINGLE_MMAP (5.4)"
            )
        self.sq_entries, self.cq_entries = params.sq_entries, params.cq_entries
        self.calls = 0
        """io_uring_enter calls made so far."""
        self._map(params)

    def _map(self, params: Params) -> None:
        size = max(params.array + 4 * self.sq_entries, params.cqes + 16 * self.cq_entries)
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        self._memory = mmap.mmap(self.fd, size, flags=flags, offset=c.OFF_SQ_RING)
        self._sqes = mmap.mmap(self.fd, 64 * self.sq_entries, flags=flags, offset=c.OFF_SQES)
        whole = memoryview(self._memory)
        self._u32: memoryview[int] = whole[: size // 4 * 4].cast("I")
        self._s32: memoryview[int] = whole[: size // 4 * 4].cast("i")
        self._u64: memoryview[int] = whole[: size // 8 * 8].cast("Q")
        words = self._u32
        self._sq_head, self._sq_tail = params.sq_head // 4, params.sq_tail // 4
        self._cq_head, self._cq_tail = params.cq_head // 4, params.cq_tail // 4
        self._sq_flags, self._cq_overflow = params.sq_flags // 4, params.cq_overflow // 4
        self._cqes32, self._cqes64 = params.cqes // 4, params.cqes // 8
        self._sq_mask, self._cq_mask = self.sq_entries - 1, self.cq_entries - 1
        # The kernel reads SQEs through an array of indices; ours always stand in order.
        array = params.array // 4
        for index in range(self.sq_entries):
            words[array + index] = index
        self._tail, self._head = words[self._sq_tail], words[self._cq_head]
        self._polled = bool(self.flags & c.SETUP_SQPOLL)

    def push(
        self,
        opcode: int,
        user_data: int,
        fd: int = -1,
        address: int = 0,
        length: int = 0,
        *,
        flags: int = 0,
        ioprio: int = 0,
        offset: int = 0,
        op_flags: int = 0,
        buffer: int = 0,
        personality: int = 0,
        file_index: int = 0,
        addr3: int = 0,
    ) -> None:
        """Queue one SQE; `publish` or `enter` shows it to the kernel.

        The names are those of io_uring_sqe, `buffer` being buf_index or buf_group. Where the
        queue is full what is queued is submitted first, so a chain of links that must stay
        whole needs `room`.
        """
        words, tail = self._u32, self._tail
        while ((tail - words[self._sq_head]) & _WRAP) >= self.sq_entries:
            self._make_room()
        _SQE.pack_into(
            self._sqes, (tail & self._sq_mask) << 6, opcode, flags, ioprio, fd, offset, address, length,
            op_flags, user_data, buffer, personality, file_index, addr3, 0,
        )  # fmt: skip
        self._tail = (tail + 1) & _WRAP

    def _make_room(self) -> None:
        if self._polled:
            self.publish()
        else:
            self.enter(0)

    @property
    def room(self) -> int:
        """SQEs that can be pushed before the queue is full."""
        return self.sq_entries - self.unsubmitted

    @property
    def unsubmitted(self) -> int:
        """SQEs that the kernel has not yet taken."""
        return (self._tail - self._u32[self._sq_head]) & _WRAP

    def publish(self) -> None:
        """Show what was pushed to the SQ thread. A call only if that thread sleeps."""
        words = self._u32
        words[self._sq_tail] = self._tail
        _acquire()
        _release()
        if words[self._sq_flags] & c.SQ_NEED_WAKEUP:
            self._enter(0, 0, c.ENTER_SQ_WAKEUP)

    def enter(self, min_complete: int, flags: int = c.ENTER_GETEVENTS) -> int:
        """One io_uring_enter(2) that submits all that was pushed and waits for `min_complete`.

        For rings without SQPOLL. Returns how many SQEs the kernel took; 0 when a signal
        interrupted the wait. A CQE that failed to find room (EBUSY, EAGAIN) is not an error:
        the SQEs stay queued.
        """
        self._u32[self._sq_tail] = self._tail
        return self._enter(self.unsubmitted, min_complete, flags)

    def submit(self) -> int:
        """One io_uring_enter(2) that submits and does not look for completions."""
        return self.enter(0, 0)

    def flush(self) -> None:
        """One io_uring_enter(2) that moves CQEs from the overflow list into the queue's free places."""
        self._enter(0, 0, c.ENTER_GETEVENTS)

    def wait(self, timeout_ns: int | None = None) -> None:
        """Sleep in io_uring_enter(2) until a CQE is there, a signal comes, or the time is over.

        For rings with SQPOLL: the SQ thread is woken as well, which is harmless when it is
        awake and closes the race with its falling asleep. A `timeout_ns` needs FEAT_EXT_ARG
        (Linux 5.11).
        """
        flags = c.ENTER_GETEVENTS | (c.ENTER_SQ_WAKEUP if self._polled else 0)
        self._u32[self._sq_tail] = self._tail
        queued = 0 if self._polled else self.unsubmitted
        if timeout_ns is None:
            self._enter(queued, 1, flags)
            return
        duration = bytearray(_TIMESPEC.pack(*divmod(timeout_ns, 1_000_000_000)))
        argument = bytearray(_TIMED_WAIT.pack(0, 8, 0, address_of(duration)))
        self._enter(queued, 1, flags | c.ENTER_EXT_ARG, address_of(argument), len(argument))

    def _enter(
        self, to_submit: int, min_complete: int, flags: int, argument: int = 0, argument_size: int = 0
    ) -> int:
        self.calls += 1
        taken = calls.enter(self.fd, to_submit, min_complete, flags, argument, argument_size)
        if taken >= 0:
            return taken
        if taken in _TRY_AGAIN:
            return 0
        raise OSError(-taken, f"io_uring_enter: {os.strerror(-taken)}")

    def pop(self) -> Completion | None:
        """Take one CQE, None when there is none. Never a call."""
        head, words = self._head, self._u32
        if head == words[self._cq_tail]:
            return None
        index = head & self._cq_mask
        at = self._cqes32 + 4 * index
        completion = Completion(self._u64[self._cqes64 + 2 * index], self._s32[at + 2], words[at + 3])
        self._head = head = (head + 1) & _WRAP
        words[self._cq_head] = head
        return completion

    @property
    def ready(self) -> int:
        """CQEs that `pop` would give now."""
        return (self._u32[self._cq_tail] - self._head) & _WRAP

    @property
    def sq_flags(self) -> int:
        """The SQ_… flags that the kernel shows: sleeping, overflown, task work pending."""
        return self._u32[self._sq_flags]

    @property
    def dropped(self) -> int:
        """CQEs that the kernel lost for want of memory (cq_off.overflow); 0 in good health."""
        return self._u32[self._cq_overflow]

    def supported(self) -> frozenset[int]:
        """The opcodes that this kernel knows (IORING_REGISTER_PROBE, Linux 5.6)."""
        answer = bytearray(16 + 8 * 256)
        self.register(c.REGISTER_PROBE, address_of(answer), 256)
        last = answer[0]
        entries = (answer[16 + 8 * index : 24 + 8 * index] for index in range(last + 1))
        return frozenset(entry[0] for entry in entries if entry[2] & c.OP_SUPPORTED)

    def register_files(self, count: int) -> None:
        """A table of `count` registered files, all free: slots for direct descriptors."""
        table = bytearray(struct.pack(f"<{count}i", *[-1] * count))
        self.register(c.REGISTER_FILES, address_of(table), count)

    def update_files(self, first: int, descriptors: list[int]) -> None:
        """Put descriptors into the slots from `first` on; -1 frees a slot."""
        table = bytearray(struct.pack(f"<{len(descriptors)}i", *descriptors))
        update = bytearray(_FILES_UPDATE.pack(first, 0, address_of(table)))
        self.register(c.REGISTER_FILES_UPDATE, address_of(update), len(descriptors))

    def register(self, opcode: int, address: int, count: int) -> int:
        """io_uring_register(2). Raises OSError."""
        outcome = calls.register(self.fd, opcode, address, count)
        if outcome < 0:
            raise OSError(-outcome, f"io_uring_register({opcode}): {os.strerror(-outcome)}")
        return outcome

    def close(self) -> None:
        """Close the ring's descriptor. The kernel ends what is in flight some time later."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


AnyRing = TypeVar("AnyRing", bound=Ring)


def first_ring(entries: int, choices: Sequence[int], *, completions: int = 0, kind: type[AnyRing]) -> AnyRing:
    """A ring with the first of several sets of flags that this kernel takes.

    Raises what `Ring` raises for the last of them.
    """
    for flags in choices[:-1]:
        try:
            return kind(entries, flags, completions=completions)
        except CapabilityError:
            continue
    return kind(entries, choices[-1], completions=completions)
