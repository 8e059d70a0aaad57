"""`never-completed`: requests that are in flight for longer than they can have reason to.

An operation that waits for a peer may be open for hours. It is forgotten when the program has
closed the descriptor it was submitted with: it keeps the file open, and nobody will want its
completion. An operation on a file waits for nobody but the device.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import ClassVar

import numpy as np

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
from uringtrace.tracer.findings.rules.io_wq import file_kind
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.record import SQE_FIXED_FILE, Batch, Kind

OLD_NS = 1_000_000_000
_CANCELLED_KEPT = 1024
_WAITS_FOR_NOBODY = "READ READV READ_FIXED WRITE WRITEV WRITE_FIXED FSYNC FALLOCATE OPENAT OPENAT2 STATX"
_SENDS = "SEND SENDMSG SEND_ZC SENDMSG_ZC WRITE WRITEV"


class NeverCompleted:
    tag: ClassVar[str] = "never-completed"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._disk = shared.mask(*_WAITS_FOR_NOBODY.split())
        self._sends = shared.mask(*_SENDS.split())
        self._seen = False
        self._cancelled: deque[Batch] = deque(maxlen=_CANCELLED_KEPT)
        """Operations that were cancelled when they were old, as at the end of a process."""

    def observe(self, step: Step) -> None:
        self._seen = self._seen or step.has_operations
        cancelled = step.operation_completed & (step.column("result") == -errno.ECANCELED)
        if not cancelled.any():
            return
        rows = step.rows(cancelled & (step.column("submitted_ns") > 0))
        for place in np.flatnonzero(
            rows["completed_ns"] - rows["submitted_ns"] >= np.uint64(OLD_NS)
        ).tolist():
            self._cancelled.append(rows[place : place + 1])

    def judge(self, moment: Moment) -> Verdict:
        if moment.under_way is None:
            return not_applicable(self.tag, "what is in flight at this moment")
        rows = moment.under_way
        rows = rows[(rows["ring"] > 0) & (rows["kind"] == Kind.UNFINISHED)]
        if not len(rows) and not self._seen:
            return not_applicable(self.tag, "an io_uring operation")
        begun = np.maximum(rows["submitted_ns"], np.uint64(moment.facts.context.started_ns))
        old = rows[begun + np.uint64(OLD_NS) <= np.uint64(max(moment.at_ns, OLD_NS))]
        groups: dict[str, list[Batch]] = {}
        for index in range(len(old)):
            reason = self._reason(moment, old[index], moment.at_ns)
            if reason is not None:
                groups.setdefault(reason, []).append(old[index : index + 1])
        for row in self._cancelled:
            if self._reason(moment, row[0], int(row["completed_ns"][0])) == _CLOSED:
                groups.setdefault(_CLOSED, []).append(row)
        return found(
            self.tag,
            [self._finding(moment, reason, np.concatenate(group)) for reason, group in groups.items()],
        )

    def _reason(self, moment: Moment, row: np.void, until_ns: int) -> str | None:
        opcode, fd = int(row["opcode"]), int(row["fd"])
        direct = bool(row["sqe_flags"] & SQE_FIXED_FILE)
        if not direct and fd >= 0 and row["submitted_ns"]:
            closed = self._shared.ends.first_after(int(row["tgid"]), fd, int(row["submitted_ns"]))
            if closed is not None and closed + OLD_NS <= until_ns:
                return _CLOSED
        kind = file_kind(moment.facts.files.get(int(row["file"])))
        if self._disk[opcode] and kind == "file":
            return _FILE
        if self._sends[opcode] and kind in ("tcp", "unix"):
            return _SEND
        return None

    def _finding(self, moment: Moment, reason: str, rows: Batch) -> Finding:
        title, severity, why, advice = _TEXTS[reason]
        known = rows["submitted_ns"] > 0
        since = np.where(known, rows["submitted_ns"], np.uint64(moment.facts.context.started_ns))
        oldest = rows[int(np.argmin(since))]
        ages = (
            np.where(rows["kind"] == Kind.UNFINISHED, np.uint64(moment.at_ns), rows["completed_ns"]) - since
        )
        age = int(ages.max())
        bound = "" if bool(oldest["submitted_ns"]) else "at least "
        fd = int(oldest["fd"])
        return Finding(
            self.tag,
            severity,
            Confidence.HIGH if reason != _SEND else Confidence.MEDIUM,
            title,
            Subject(
                tgid=int(oldest["tgid"]),
                tid=int(oldest["tid"]),
                fd=fd if fd >= 0 else None,
                file=moment.description(int(oldest["file"])),
                ring=int(oldest["ring"]),
            ),
            (
                Evidence(f"{len(rows):,} in flight for more than a second", {"in_flight": len(rows)}),
                Evidence(
                    f"the oldest, {self._shared.name(int(oldest['opcode']))}, for {bound}{age / 1e9:.1f} s",
                    {"operation": self._shared.name(int(oldest["opcode"])), "oldest_ns": age},
                ),
            ),
            why,
            advice,
            Window(int(since.min()), moment.at_ns),
        )


_CLOSED, _FILE, _SEND = "closed", "file", "send"
_TEXTS = {
    _CLOSED: (
        "operations are in flight on descriptors that were closed",
        Severity.WARNING,
        "Each holds its file open, with its memory, and its completion will mean nothing to anybody: a leak.",
        "Cancel what is in flight before or with the close (IORING_OP_ASYNC_CANCEL, "
        "IORING_ASYNC_CANCEL_FD), and wait for its completion.",
    ),
    _FILE: (
        "operations on files do not complete",
        Severity.WARNING,
        "A device or a file system that does not answer holds the request and, in io-wq, a worker thread.",
        "Look at the device (iostat, dmesg); link a timeout to the operation (IORING_OP_LINK_TIMEOUT).",
    ),
    _SEND: (
        "sends wait for peers that do not read",
        Severity.INFO,
        "What is to be sent stays in memory as long as the peer likes.",
        "Give sends a time limit (IORING_OP_LINK_TIMEOUT) and bound what is queued for a connection.",
    ),
}
