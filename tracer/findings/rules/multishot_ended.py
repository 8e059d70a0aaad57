"""`multishot-ended`: a multishot operation that ended, and was not submitted again.

A multishot ACCEPT or RECV goes on until a completion without IORING_CQE_F_MORE: for want of a
provided buffer, or of room in the completion queue. Then it has to be armed again, or its
socket is never heard of any more.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
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
from uringtrace.tracer.findings.room import Room
from uringtrace.tracer.findings.rule import Moment, Shared
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.record import CQE_F_MORE, CQE_F_NOTIF, Batch, Kind

PATIENCE_NS = 1_000_000_000
"""A program that arms it again does so sooner."""
_MOST_KEPT = 1 << 16
_OPERATIONS = "ACCEPT RECV RECVMSG READ_MULTISHOT"
_MULTISHOT_BITS = {"ACCEPT": 1 << 0, "RECV": 1 << 1, "RECVMSG": 1 << 1}
"""IORING_ACCEPT_MULTISHOT and IORING_RECV_MULTISHOT in `ioprio`."""
_FINAL = (errno.ECANCELED, errno.ECONNRESET, errno.EPIPE, errno.EBADF, errno.ENOTCONN, errno.ETIMEDOUT)
"""After these nobody expects more of the socket."""


@dataclass(frozen=True, slots=True)
class _End:
    ns: int
    result: int
    ring: int
    tgid: int
    fd: int


class MultishotEnded:
    tag: ClassVar[str] = "multishot-ended"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._wanted = shared.mask(*_OPERATIONS.split())
        self._bits = np.zeros(len(self._wanted), np.uint16)
        for name, bit in _MULTISHOT_BITS.items():
            self._bits[shared.mask(name)] = bit
        self._always = shared.mask("READ_MULTISHOT")
        self._seen = False
        self._ended: dict[tuple[int, int], _End] = {}
        """By opcode and file: those that were not armed again so far."""
        self._room = Room(_MOST_KEPT)

    def observe(self, step: Step) -> None:
        if not step.has_operations:
            return
        wanted = ~step.call & self._wanted[step.column("opcode")] & (step.column("file") > 0)
        if not wanted.any():
            return
        rows = step.rows(wanted)
        multishot = (rows["sequence"] > 0) | (rows["ioprio"] & self._bits[rows["opcode"]] != 0)
        multishot |= self._always[rows["opcode"]]
        rows = rows[multishot & (rows["cqe_flags"] & CQE_F_NOTIF == 0)]
        self._seen = self._seen or bool(len(rows))
        self._forget_armed(rows)
        result = rows["result"]
        over = (rows["kind"] == Kind.COMPLETION) & (rows["cqe_flags"] & CQE_F_MORE == 0)
        over &= (result > 0) | ((result < 0) & ~np.isin(-result, _FINAL))
        for row in rows[over]:
            key = int(row["opcode"]), int(row["file"])
            if not self._room.has(self._ended, key):
                continue
            self._ended[key] = _End(
                int(row["completed_ns"]),
                int(row["result"]),
                int(row["ring"]),
                int(row["tgid"]),
                int(row["fd"]),
            )
        # What ended and was armed again within one drain.
        self._forget_armed(rows)

    def _forget_armed(self, rows: Batch) -> None:
        for key in _armed_again(self._ended, rows):
            del self._ended[key]

    def judge(self, moment: Moment) -> Verdict:
        if not self._seen:
            return not_applicable(self.tag, "a multishot operation")
        ended = dict(self._ended)
        if moment.under_way is not None:
            for key in _armed_again(ended, moment.under_way):
                del ended[key]
        groups: dict[tuple[int, int], list[tuple[int, _End]]] = {}
        for (opcode, file), end in ended.items():
            if end.ns + PATIENCE_NS <= moment.at_ns and not self._closed_soon(end):
                groups.setdefault((opcode, min(end.result, 1)), []).append((file, end))
        findings = [self._finding(moment, *key, ends) for key, ends in groups.items()]
        return found(self.tag, findings, evicted=self._room.evicted)

    def _closed_soon(self, end: _End) -> bool:
        closed = self._shared.ends.first_after(end.tgid, end.fd, end.ns)
        return closed is not None and closed <= end.ns + PATIENCE_NS

    def _finding(self, moment: Moment, opcode: int, result: int, ends: list[tuple[int, _End]]) -> Finding:
        operation = self._shared.name(opcode)
        file, last = max(ends, key=lambda each: each[1].ns)
        error = errno.errorcode.get(-result, f"error {-result}") if result < 0 else None
        how = f"with {error}" if error else "without an error"
        listens = operation == "ACCEPT"
        return Finding(
            self.tag,
            Severity.CRITICAL,
            Confidence.HIGH,
            f"a multishot {operation} that ended was not armed again",
            Subject(
                tgid=last.tgid,
                fd=last.fd if last.fd >= 0 else None,
                file=moment.description(file),
                ring=last.ring,
            ),
            (
                Evidence(
                    f"{len(ends):,} ended {how} and {'were' if len(ends) > 1 else 'was'} not submitted again",
                    {"ended": len(ends), "operation": operation, "error": error},
                ),
            ),
            "The listener accepts nobody any more."
            if listens
            else "What the peer sends is not read any more: the connection hangs until somebody gives up.",
            "Look at IORING_CQE_F_MORE of every completion, also of errors, and submit the operation again "
            "where it is missing.",
            Window(min(end.ns for _, end in ends), moment.at_ns),
        )


def _armed_again(ended: dict[tuple[int, int], _End], rows: Batch) -> list[tuple[int, int]]:
    """Which of these were submitted after they had ended."""
    if not ended or not len(rows):
        return []
    key = rows["opcode"].astype(np.uint64) << np.uint64(32) | rows["file"]
    order = np.argsort(key, kind="stable")
    unique, first = np.unique(key[order], return_index=True)
    latest = np.maximum.reduceat(rows["submitted_ns"][order], first)
    return [
        (name >> 32, name & 0xFFFFFFFF)
        for name, ns in zip(unique.tolist(), latest.tolist(), strict=True)
        if (end := ended.get((name >> 32, name & 0xFFFFFFFF))) is not None and ns >= end.ns
    ]
