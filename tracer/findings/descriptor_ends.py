"""When descriptors were closed, for rules that ask what became of one.

Kept are the latest closes, as arrays; older ones are forgotten, so that a missing close proves
nothing.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.record import OPCODES

_MOST_KEPT = 1 << 18


class DescriptorEnds:
    """Closes by either interface, but for direct descriptors."""

    def __init__(self, close_call: int, close_operation: int) -> None:
        self._closes = np.zeros(OPCODES + 1, bool)
        self._closes[[close_call, close_operation]] = True
        self._closes[-1] = False
        self._call = close_call
        self._kept: deque[tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint64]]] = deque()
        self._count = 0

    def observe(self, step: Step) -> None:
        closing = step.completed & self._closes[step.column("opcode")]
        if not closing.any():
            return
        rows = step.rows(closing)
        number = np.where(rows["opcode"] == self._call, rows["arg0"] & np.uint64(0xFFFFFFFF), rows["fd"])
        self._kept.append((rows["tgid"], number.astype(np.int64), rows["completed_ns"]))
        self._count += len(rows)
        while self._count > _MOST_KEPT and len(self._kept) > 1:
            self._count -= len(self._kept.popleft()[0])

    def first_after(self, tgid: int, fd: int, ns: int) -> int | None:
        """When this descriptor was closed for the first time after `ns`; None: that was not seen."""
        for tgids, fds, times in self._kept:
            matching = times[(tgids == tgid) & (fds == fd) & (times > np.uint64(ns))]
            if len(matching):
                return int(matching.min())
        return None
