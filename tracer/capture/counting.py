"""Counting mode: totals kept in the kernel."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.program import Interface, Mode
from uringtrace.tracer.capture.shared import IDLE_PAUSE, RING_BYTES, Capture
from uringtrace.tracer.record import FIRST_CALL, UNKNOWN_OPCODE
from uringtrace.tracer.statistics import BUCKETS, CALL_COUNTS, COUNTERS, Counters, empty_counters
from uringtrace.tracer.target import Target


class CountingCapture(Capture):
    """Totals kept in the kernel; implements `CountingSource`."""

    def __init__(self, target: Target, interface: Interface, mode: Mode = Mode.COUNT) -> None:
        super().__init__(target, mode, RING_BYTES, interface)

    def _open(self, pids: tuple[int, ...]) -> None:
        super()._open(pids)
        if self._mode is Mode.COUNT:
            self._totals = self._program.shared("totals", COUNTERS)
            if self._program.has_map("call_counts"):
                self._call_counts = self._program.shared("call_counts", CALL_COUNTS)
                self._call_histograms = self._program.shared("call_histograms", COUNTERS["histogram"].base)
                self._call_rows = self._program.shared("call_rows", np.dtype("<u8"))

    def wait(self, seconds: float) -> bool:
        """Wait until the target has ended, `stop` was called, or the time is over."""
        deadline = time.monotonic() + seconds
        while not self._over():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            time.sleep(min(remaining, IDLE_PAUSE))
        self._finish()
        return True

    def counters(self) -> Counters:
        """Totals per opcode since the start, shape (OPCODES,)."""
        result = empty_counters()
        operations = self._sums(self._totals)
        rows = len(operations) - 1
        result[:rows] = operations[:rows]
        result[UNKNOWN_OPCODE] = operations[rows]
        if self._program.has_map("call_counts"):
            self._add_calls(result[FIRST_CALL:])
        return result

    def _add_calls(self, rows: Counters) -> None:
        """Fill in the rows of system calls, by number; those without a histogram have none."""
        counts = self._sums(self._call_counts)
        for name in CALL_COUNTS.names or ():
            rows[name] = counts[name]
        histograms = self._call_histograms.reshape(self._program.cpus, -1, BUCKETS).sum(axis=0)
        numbers = np.flatnonzero((self._call_rows > 0) & (self._call_rows <= len(histograms)))
        rows["histogram"][numbers] = histograms[self._call_rows[numbers] - 1]

    def _sums(self, totals: NDArray[Any]) -> NDArray[Any]:
        """Rows of one processor after another, added up; shape (rows,)."""
        cpus = self._program.cpus
        words = totals.view("<u8").reshape(cpus, -1, totals.itemsize // 8)
        rows: NDArray[Any] = words.sum(axis=0, dtype=np.uint64).reshape(-1).view(totals.dtype)
        rows["max_ns"] = totals["max_ns"].reshape(cpus, -1).max(axis=0)
        return rows
