"""Operations that have begun and not ended at one moment.

A running capture reads them from the probes' table, a recording knows which of its rows
began before the moment and ended after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.record import FIRST_CALL, OPCODES, Batch, Kind

_OF_THE_END = ("result", "cqe_flags", "result_file", "woken_ns", "wake", "wakes", "waker", "waker_argument")
"""What a row of a recording knows of how its operation went on."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """All of them, at the moment `at_ns`."""

    rows: Batch
    """Of a running capture they are UNFINISHED; a recording's are as they were completed later."""
    at_ns: int
    all_calls: bool
    """Also calls that began before the capture did are among them."""

    def per_operation(self) -> NDArray[np.int64]:
        """How many of each, shape (OPCODES,); zero-copy sends that wait for their notification included."""
        return np.bincount(self._open()["opcode"], minlength=OPCODES)

    def per_ring(self) -> dict[int, int]:
        """How many on each ring, by its number."""
        rings = self._open()["ring"]
        numbers, counts = np.unique(rings[rings != 0], return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def calls(self) -> dict[int, np.void]:
        """The call that each thread is in, by thread id."""
        rows = self.rows[self.rows["opcode"] >= FIRST_CALL]
        return dict(zip(rows["tid"].tolist(), rows, strict=True))

    def at(self, at_ns: int) -> Batch:
        """As they stood then, UNFINISHED; without those that began later. Nothing in them is of later."""
        rows = self._open()
        rows = rows[rows["submitted_ns"] <= np.uint64(at_ns)].copy()
        rows["kind"], rows["completed_ns"] = Kind.UNFINISHED, at_ns
        for name in _OF_THE_END:
            rows[name] = 0
        return rows

    def _open(self) -> Batch:
        # A SILENT operation may have ended long ago.
        rows: Batch = self.rows[self.rows["kind"] != Kind.SILENT]
        return rows


def distinct(rows: Batch) -> Batch:
    """One row for each operation: those of a multishot operation have one beginning."""
    identity = np.zeros(len(rows), [("ring", "<u4"), ("tid", "<u4"), ("submitted_ns", "<u8")])
    ring = rows["ring"] != 0
    identity["ring"] = rows["ring"]
    identity["tid"] = np.where(ring, 0, rows["tid"])
    identity["submitted_ns"] = rows["submitted_ns"]
    chosen: Batch = rows[np.unique(identity, return_index=True)[1]]
    return chosen
