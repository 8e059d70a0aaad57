"""`broken-link`: chains of linked operations that broke, and what was cancelled with them.

An operation that fails, or moves less than was asked, ends its chain: what follows completes
with ECANCELED, unless it is hard-linked (io_uring_enter(2), IOSQE_IO_LINK). A LINK_TIMEOUT that is
cancelled because its operation was in time is no broken link.
"""

from __future__ import annotations

import errno
from collections import Counter, OrderedDict
from typing import ClassVar, TypeVar

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
from uringtrace.tracer.findings.step import Step

FEWEST = 20
SHARE = 0.10
_MOST_OPEN = 4096
_Value = TypeVar("_Value")


class BrokenLinks:
    tag: ClassVar[str] = "broken-link"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._timeout = shared.opcode("LINK_TIMEOUT")
        self._chains = 0
        self._broken_by: OrderedDict[tuple[int, int], tuple[int, int]] = OrderedDict()
        """Chains whose breaking operation was seen last: opcode and result."""
        self._cancelled: Counter[tuple[int, int, int]] = Counter()
        """By the opcode and result that broke, and the opcode that was cancelled."""
        self._broken: Counter[tuple[int, int]] = Counter()
        """Chains, by the opcode and result that broke; 0, 0: not seen."""
        self._counted: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._subject = Subject()
        self._window: Window | None = None

    def observe(self, step: Step) -> None:
        if not step.has_operations:
            return
        linked = step.operation_completed & (step.column("chain") > 0)
        if not linked.any():
            return
        rows = step.rows(linked)
        self._chains += int((rows["chain_position"] == 0).sum())
        interesting = (rows["result"] < 0) & (rows["opcode"] != self._timeout)
        interesting |= (rows["opcode"] == self._timeout) & (rows["result"] == -errno.ETIME)
        for row in rows[interesting]:
            self._take(row)

    def _take(self, row: np.void) -> None:
        chain, result = (int(row["ring"]), int(row["chain"])), int(row["result"])
        if result != -errno.ECANCELED:
            _bounded(self._broken_by, chain, (int(row["opcode"]), result))
            return
        if not row["chain_position"]:
            return
        by = self._broken_by.get(chain, (0, 0))
        self._cancelled[*by, int(row["opcode"])] += 1
        if chain not in self._counted:
            _bounded(self._counted, chain, None)
            self._broken[by] += 1
        ns = int(row["completed_ns"])
        self._window = Window(self._window.start_ns if self._window else ns, ns)
        self._subject = Subject(tgid=int(row["tgid"]), tid=int(row["tid"]), ring=chain[0])

    def judge(self, moment: Moment) -> Verdict:
        if not self._chains:
            return not_applicable(self.tag, "linked operations")
        return found(self.tag, [self._finding(by) for by in self._broken])

    def _finding(self, by: tuple[int, int]) -> Finding:
        broken = self._broken[by]
        cancelled = {key[2]: count for key, count in self._cancelled.items() if key[:2] == by}
        often = broken >= FEWEST and broken >= SHARE * self._chains
        if by == (0, 0):
            cause, operation, error = (
                "by an operation that moved less than was asked, or was not seen",
                None,
                None,
            )
        else:
            operation = self._shared.name(by[0])
            error = errno.errorcode.get(-by[1], f"error {-by[1]}")
            cause = f"by {operation} with {error}"
        lost = ", ".join(f"{count:,} {self._shared.name(opcode)}" for opcode, count in cancelled.items())
        return Finding(
            self.tag,
            Severity.WARNING if often else Severity.INFO,
            Confidence.HIGH if operation else Confidence.MEDIUM,
            f"chains are broken {cause}",
            self._subject,
            (
                Evidence(
                    f"{broken:,} of {self._chains:,} chains broke",
                    {"broken": broken, "chains": self._chains, "operation": operation, "error": error},
                ),
                Evidence(f"cancelled with them: {lost}", {"cancelled": sum(cancelled.values())}),
            ),
            "What was cancelled has not happened: a file stays open, an answer is not sent.",
            "Handle ECANCELED of every linked operation; where the rest is to run in any case use "
            "IOSQE_IO_HARDLINK.",
            self._window,
        )


def _bounded(table: OrderedDict[tuple[int, int], _Value], key: tuple[int, int], value: _Value) -> None:
    table[key] = value
    if len(table) > _MOST_OPEN:
        table.popitem(last=False)
