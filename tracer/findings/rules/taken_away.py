"""`memory-unmapped` and `unregistered-in-use`: what a request in flight uses is taken away.

A page that is unmapped under a request stays with the kernel until the request is done, but what
it read or wrote is lost to the program, and what is mapped there next is not what was meant.
Registered buffers and files outlive their registration as long as a request uses them
(io_uring/rsrc.c), so that is worth knowing and no more.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.findings.finding import (
    Confidence,
    Evidence,
    Finding,
    Severity,
    Subject,
    Verdict,
    Window,
    found,
    not_applicable,
)
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.record import SQE_BUFFER_SELECT, SQE_FIXED_FILE

_KEPT = 256
_UNREGISTER_BUFFERS, _UNREGISTER_FILES = 1, 3
"""enum io_uring_register_op (include/uapi/linux/io_uring.h)."""
_FIXED_BUFFERS = "READ_FIXED WRITE_FIXED READV_FIXED WRITEV_FIXED"
_WITH_MEMORY = "READ WRITE RECV SEND READ_FIXED WRITE_FIXED SEND_ZC"


class _Taken:
    """What both rules do: remember the calls, and look which operations were in flight then."""

    tag: ClassVar[str]

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._calls: deque[tuple[int, int, int, int]] = deque(maxlen=_KEPT)
        """Moment, process, and what the rule makes of the arguments."""
        self._seen = 0
        self._hits = 0
        self._last: tuple[np.void, int] | None = None
        self._first_ns = 0

    def observe(self, step: Step) -> None:
        if step.has_calls:
            self._note(step)
        if not step.has_operations:
            return
        candidates = self._candidates(step)
        self._seen += int(candidates.sum())
        if not self._calls or not candidates.any():
            return
        tgid, begun, ended = (step.column(name) for name in ("tgid", "submitted_ns", "completed_ns"))
        earliest = begun[candidates].min()
        for ns, process, first, second in self._calls:
            if ns <= earliest:
                continue
            moment = np.uint64(ns)
            hit = candidates & (tgid == process) & (begun < moment) & (ended > moment)
            if hit.any():
                hit &= self._concerned(step, first, second)
            if hit.any():
                self._hits += int(hit.sum())
                self._last = step.operations[np.flatnonzero(hit)[-1]], ns
                self._first_ns = self._first_ns or ns

    def _note(self, step: Step) -> None:
        raise NotImplementedError

    def _candidates(self, step: Step) -> NDArray[np.bool_]:
        raise NotImplementedError

    def _concerned(self, step: Step, first: int, second: int) -> NDArray[np.bool_]:
        raise NotImplementedError

    def _finding(
        self, severity: Severity, title: str, what: str, name: str, why: str, advice: str
    ) -> Finding | None:
        if self._last is None:
            return None
        row, ns = self._last
        fd = int(row["fd"])
        return Finding(
            self.tag,
            severity,
            Confidence.HIGH,
            title,
            Subject(int(row["tgid"]), int(row["tid"]), fd=fd if fd >= 0 else None, ring=int(row["ring"])),
            (
                Evidence(
                    f"{self._hits:,} operations were in flight when {what}; the last: "
                    f"{self._shared.name(int(row['opcode']))}",
                    {name: self._hits, "operation": self._shared.name(int(row["opcode"]))},
                ),
            ),
            why,
            advice,
            Window(self._first_ns, ns),
        )


class MemoryUnmapped(_Taken):
    tag: ClassVar[str] = "memory-unmapped"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._munmap = shared.opcode("munmap")
        self._memory = shared.mask(*_WITH_MEMORY.split())

    def _note(self, step: Step) -> None:
        rows = step.rows(step.returned & (step.column("opcode") == self._munmap))
        for row in rows[rows["result"] == 0][-_KEPT:]:
            begin, length = int(row["arg0"]), int(row["arg1"])
            self._calls.append((int(row["completed_ns"]), int(row["tgid"]), begin, begin + length))

    def _candidates(self, step: Step) -> NDArray[np.bool_]:
        known = step.operation_completed & self._memory[step.column("opcode")] & step.column("has_arguments")
        known &= (step.column("sqe_flags") & SQE_BUFFER_SELECT == 0) & (step.column("submitted_ns") > 0)
        known &= (step.column("sequence") == 0) & (step.column("result") != -errno.ECANCELED)
        mask: NDArray[np.bool_] = known & (step.column("len") > 0)
        return mask

    def _concerned(self, step: Step, first: int, second: int) -> NDArray[np.bool_]:
        begin = step.column("addr")
        mask: NDArray[np.bool_] = (begin < np.uint64(second)) & (
            begin + step.column("len") > np.uint64(first)
        )
        return mask

    def judge(self, moment: Moment) -> Verdict:
        if not self._seen or not self._shared.sees_calls:
            return not_applicable(self.tag, "operations whose memory is known, and system calls")
        finding = self._finding(
            Severity.CRITICAL,
            "memory is unmapped under requests in flight",
            "munmap took their memory",
            "unmapped",
            "The kernel goes on with pages that the program does not have any more, or with what is mapped "
            "there next: data is lost or lands in the wrong place.",
            "Keep a buffer until the completion is taken: cancel, wait for the completion, then free.",
        )
        return found(self.tag, [finding] if finding else [])


class UnregisteredInUse(_Taken):
    tag: ClassVar[str] = "unregistered-in-use"

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._register = shared.opcode("io_uring_register")
        self._buffers = shared.mask(*_FIXED_BUFFERS.split())

    def _note(self, step: Step) -> None:
        rows = step.rows(step.returned & (step.column("opcode") == self._register))
        rows = rows[(rows["result"] >= 0) & np.isin(rows["arg1"], (_UNREGISTER_BUFFERS, _UNREGISTER_FILES))]
        for row in rows[-_KEPT:]:
            ring = self._ring(step, int(row["tgid"]), int(row["fd"]))
            self._calls.append((int(row["submitted_ns"]), int(row["tgid"]), int(row["arg1"]), ring))

    def _ring(self, step: Step, tgid: int, fd: int) -> int:
        """Number of the ring; 0: not known, then every ring of the process is meant."""
        return next((ring.ring for ring in step.facts.rings if (ring.tgid, ring.fd) == (tgid, fd)), 0)

    def _candidates(self, step: Step) -> NDArray[np.bool_]:
        uses = self._buffers[step.column("opcode")] | (step.column("sqe_flags") & SQE_FIXED_FILE != 0)
        mask: NDArray[np.bool_] = step.operation_completed & uses & (step.column("submitted_ns") > 0)
        return mask

    def _concerned(self, step: Step, first: int, second: int) -> NDArray[np.bool_]:
        if first == _UNREGISTER_BUFFERS:
            uses = self._buffers[step.column("opcode")]
        else:
            uses = step.column("sqe_flags") & SQE_FIXED_FILE != 0
        mask: NDArray[np.bool_] = uses & ((step.column("ring") == second) | (second == 0))
        return mask

    def judge(self, moment: Moment) -> Verdict:
        if not self._seen or not self._shared.sees_calls:
            return not_applicable(self.tag, "operations on registered files or buffers, and system calls")
        finding = self._finding(
            Severity.INFO,
            "registered files or buffers are unregistered while in use",
            "they were unregistered",
            "in_use",
            "The kernel keeps them until the last request is done, and the call or the update waits for it.",
            "Wait for the completions first, or replace single entries (IORING_REGISTER_FILES_UPDATE2).",
        )
        return found(self.tag, [finding] if finding else [])
