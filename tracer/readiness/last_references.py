"""Closes that release a file, and so take it off every interest list (epoll(7), question 6).

A close does so only where nobody else holds the file. That is certain enough for a file that
the process was seen to create and that was not copied since: by dup, by a fork, to another
process, into io_uring's registered files. A call on it that another thread is still in may
hold it a little longer. Invariant: of a file whose creation was not seen nothing is said.
"""

from __future__ import annotations

import fcntl

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.readiness.calls import Role
from uringtrace.tracer.readiness.memory_items import chosen_pieces, items_of
from uringtrace.tracer.record import Batch, Kind
from uringtrace.tracer.records import CONTROL, Records

_CLONE_FILES = 0x400
_COPY = (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC)
_FLAGS = np.dtype([("flags", "<u8")])
_FILES_KEPT = 1 << 18


class LastReferences:
    """Which files have one descriptor only, followed batch after batch."""

    def __init__(self) -> None:
        self._single = np.zeros(0, np.uint64)

    def add(self, records: Records, roles: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The rows of `records` that are closes of such a file; `roles` are those of its operations."""
        operations = records.operations
        good = (operations["kind"] == Kind.COMPLETION) & (operations["result"] >= 0)
        named = good & (operations["result_file"] != 0)
        creates = roles == Role.CREATE
        # io_uring may put the file into a slot of its registered files: no descriptor then.
        created = named & creates & (operations["file_index"] == 0)
        single = np.concatenate([self._single, _keys(operations, "result_file", created)])
        shared = np.unique(operations["tgid"][good & _sharing(records, roles)])
        copies = good & (roles == Role.FCNTL) & np.isin(operations["arg1"] & 0xFFFFFFFF, _COPY)
        copied = np.union1d(operations["result_file"][named & ~creates], operations["file"][copies])
        lost = np.isin(single >> np.uint64(32), shared) | np.isin(single & np.uint64(0xFFFFFFFF), copied)
        single = single[~lost]
        closes = good & (roles == Role.CLOSE) & (operations["file"] != 0) & (operations["file_index"] == 0)
        closed = _keys(operations, "file", closes)
        released = np.flatnonzero(closes)[np.isin(closed, single)]
        self._single = np.unique(single[~np.isin(single, closed)])[-_FILES_KEPT:]
        return released


def _sharing(records: Records, roles: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Calls after which another may hold what the process has open, shape (n,)."""
    operations, memory = records.operations, records.memory
    shares: NDArray[np.bool_] = roles == Role.SHARE
    shares |= (roles == Role.CLONE) & (operations["arg0"] & np.uint64(_CLONE_FILES) == 0)
    clone3 = roles == Role.CLONE3
    if clone3.any():
        # Its flags are the first of struct clone_args (clone(2)).
        first = items_of(chosen_pieces(memory, clone3, 0), _FLAGS)
        threads = (first.position == 0) & (first.item["flags"] & np.uint64(_CLONE_FILES) != 0)
        clone3[first.row[threads]] = False
        shares |= clone3
    sends = roles == Role.SENDMSG
    if sends.any():
        shares[chosen_pieces(memory, sends, CONTROL)["row"]] = True
    return shares


def _keys(operations: Batch, field: str, rows: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """(process, file) of the chosen rows as one number each."""
    process = operations["tgid"][rows].astype(np.uint64) << np.uint64(32)
    keys: NDArray[np.uint64] = process | operations[field][rows]
    return keys
