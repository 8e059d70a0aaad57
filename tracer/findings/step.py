"""One drain as the rules see it: in the order of time, its columns ready to be used.

Rows of a batch are wide, so that a column read in place costs a miss of the cache for each
row. `column` copies it once for all rules. Invariant: rows are in the order of completion.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.rows import take_rows
from uringtrace.tracer.record import FIRST_CALL, OPCODES, Batch, Kind
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import File, FilesAndFacts

_OPCODES = ("opcode", "waker_opcode")


class Step:
    """One drain."""

    def __init__(self, records: Records, facts: FilesAndFacts) -> None:
        self.records = records.sorted_by_completion()
        self.facts = facts
        self.operations: Batch = self.records.operations
        self._columns: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self.operations)

    @property
    def files(self) -> Mapping[int, File]:
        return self.facts.files

    def column(self, name: str) -> NDArray[Any]:
        """A field of all rows, contiguous, shape (n,); not to be written to."""
        found = self._columns.get(name)
        if found is None:
            found = np.ascontiguousarray(self.operations[name])
            if name in _OPCODES:
                # A damaged recording may have any: the last stands for those that are not known.
                found = np.minimum(found, np.uint16(OPCODES - 1))
            self._columns[name] = found
        return found

    def rows(self, mask: NDArray[np.bool_]) -> Batch:
        """The rows for which `mask` holds, whole."""
        return take_rows(self.operations, mask)

    @cached_property
    def completed(self) -> NDArray[np.bool_]:
        """Completions of operations and system calls that returned."""
        mask: NDArray[np.bool_] = self.column("kind") == Kind.COMPLETION
        return mask

    @cached_property
    def call(self) -> NDArray[np.bool_]:
        """Rows that are system calls."""
        mask: NDArray[np.bool_] = self.column("opcode") >= FIRST_CALL
        return mask

    @cached_property
    def has_calls(self) -> bool:
        return bool(self.call.any())

    @cached_property
    def has_operations(self) -> bool:
        """Any row is io_uring's."""
        return not bool(self.call.all())

    @cached_property
    def operation_completed(self) -> NDArray[np.bool_]:
        """Completions of io_uring operations."""
        mask: NDArray[np.bool_] = self.completed & ~self.call
        return mask

    @cached_property
    def returned(self) -> NDArray[np.bool_]:
        """System calls that returned."""
        mask: NDArray[np.bool_] = self.completed & self.call
        return mask
