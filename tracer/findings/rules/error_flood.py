"""`error-flood`: io_uring operations that fail again and again with one error.

Left out are errors that belong to an operation's ordinary life: nothing there yet, cancelled,
timed out, nothing left to cancel, and no provided buffer, which is a finding of its own.
"""

from __future__ import annotations

import errno
from collections import Counter
from typing import ClassVar

import numpy as np

from uringtrace.tracer.connections.traffic import NOT_YET
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
from uringtrace.tracer.record import OPCODES

FEWEST = 100
SHARE = 0.10
_ORDINARY = (*NOT_YET, errno.ETIME, errno.ENOBUFS)


class ErrorFlood:
    tag: ClassVar[str] = "error-flood"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._cancels = shared.mask("ASYNC_CANCEL", "TIMEOUT_REMOVE", "POLL_REMOVE")
        self._totals = np.zeros(OPCODES, np.int64)
        self._errors: Counter[tuple[int, int]] = Counter()
        """By opcode and errno: there are at most some thousands."""
        self._last: dict[tuple[int, int], Subject] = {}
        self._files: dict[tuple[int, int], int] = {}
        self._windows: dict[tuple[int, int], Window] = {}

    def observe(self, step: Step) -> None:
        if not step.has_operations:
            return
        completed = step.operation_completed
        self._totals += np.bincount(step.column("opcode")[completed], minlength=OPCODES)
        failed = completed & (step.column("result") < 0)
        if not failed.any():
            return
        rows = step.rows(failed)
        too_late = self._cancels[rows["opcode"]] & (rows["result"] == -errno.ENOENT)
        rows = rows[~np.isin(-rows["result"], _ORDINARY) & ~too_late]
        key = rows["opcode"].astype(np.int64) << 32 | -rows["result"]
        for value, count in zip(*(each.tolist() for each in np.unique(key, return_counts=True)), strict=True):
            name = value >> 32, value & 0xFFFFFFFF
            group = rows[key == value]
            last = group[-1]
            self._errors[name] += count
            self._last[name] = Subject(
                tgid=int(last["tgid"]),
                tid=int(last["tid"]),
                fd=int(last["fd"]) if last["fd"] >= 0 else None,
                ring=int(last["ring"]),
            )
            self._files[name] = int(last["file"])
            start = self._windows[name].start_ns if name in self._windows else int(group["completed_ns"][0])
            self._windows[name] = Window(start, int(last["completed_ns"]))

    def judge(self, moment: Moment) -> Verdict:
        if not self._totals.any():
            return not_applicable(self.tag, "an io_uring operation that completed")
        floods = [
            name
            for name, count in self._errors.items()
            if count >= FEWEST and count >= SHARE * int(self._totals[name[0]])
        ]
        return found(self.tag, [self._finding(moment, *name) for name in floods])

    def _finding(self, moment: Moment, opcode: int, number: int) -> Finding:
        count, total = self._errors[opcode, number], int(self._totals[opcode])
        operation, error = self._shared.name(opcode), errno.errorcode.get(number, f"error {number}")
        last = self._last[opcode, number]
        known = moment.thread(last.tid or 0, fd=last.fd, file=self._files[opcode, number])
        return Finding(
            self.tag,
            Severity.WARNING,
            Confidence.HIGH,
            f"{operation} fails with {error}",
            Subject(last.tgid, last.tid, known.thread, last.fd, known.file, last.ring),
            (
                Evidence(
                    f"{count:,} of {total:,} {operation} ({count / total:.0%}) failed with {error}",
                    {
                        "operation": operation,
                        "error": error,
                        "errors": count,
                        "completions": total,
                        "share": count / total,
                    },
                ),
            ),
            "Operations that fail do no work, and a program that repeats them at once is busy with nothing.",
            _ADVICE.get(number, "Look at the arguments: uringtrace log -Z shows the operations that fail."),
            self._windows[opcode, number],
        )


_ADVICE = {
    errno.EINVAL: "The kernel does not take these arguments or flags: probe for the operation "
    "(io_uring_get_probe) and compare the flags with the running kernel.",
    errno.EBADF: "The descriptor is closed, or is no registered file: do not submit after closing.",
    errno.EFAULT: "The memory is not mapped: keep buffers until the operation has completed.",
    errno.EMFILE: "The limit of descriptors is reached: raise RLIMIT_NOFILE, or close earlier.",
    errno.ECONNREFUSED: "Nobody listens there: wait longer before each further attempt.",
    errno.EPIPE: "The peer has gone: end the connection at the first EPIPE.",
    errno.ECONNRESET: "The peer has gone: end the connection at the first ECONNRESET.",
}
