"""Which file a descriptor of poll or select stood for: as of the wait, from other operations.

The kernel side names the file of a call's own descriptors, not of those in an array. An
operation on the same descriptor of the same process does, until a call returns it anew or
closes it. Invariant: what may have been given away since is not named.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.readiness.calls import ReadinessCalls, Role
from uringtrace.tracer.readiness.latest import Latest
from uringtrace.tracer.record import OPCODES, SQE_FIXED_FILE, Batch

_USE = np.dtype([("key", "<u8"), ("ns", "<u8"), ("file", "<u4")])


class Descriptors:
    """What (process, descriptor) last stood for."""

    def __init__(self, operation_names: Mapping[int, str], calls: ReadinessCalls) -> None:
        self._calls = calls
        self._closes = np.zeros(OPCODES, np.bool_)
        for opcode, name in operation_names.items():
            if name in ("close", "CLOSE") and opcode < OPCODES:
                self._closes[opcode] = True
        self._latest = Latest(_USE)

    def add(self, operations: Batch) -> None:
        """Take in what `operations` say of descriptors."""
        closed = self._closes[np.minimum(operations["opcode"], OPCODES - 1)] & (operations["result"] == 0)
        used = (operations["file"] != 0) & (operations["fd"] >= 0) | closed
        used &= operations["sqe_flags"] & SQE_FIXED_FILE == 0
        returned = (operations["result_file"] != 0) & (operations["result"] >= 0)
        returned &= operations["result"] < 2**31
        closed = closed[used]
        # A call was given its descriptor when it began, and closes it at an unknown moment until its end.
        uses = _uses(operations, used, operations["fd"], operations["file"])
        uses["file"][closed] = 0
        new = _uses(operations, returned, operations["result"], operations["result_file"])
        self._latest.add(np.concatenate([uses, new]))
        self._forget_processes(operations)

    def files(
        self, tgid: NDArray[np.uint32], fd: NDArray[np.int32], ns: NDArray[np.uint64]
    ) -> NDArray[np.uint32]:
        """The file of each descriptor at each time of the last batch; 0: not known."""
        files: NDArray[np.uint32] = self._latest.at(_keys(tgid, fd), ns)["file"]
        return files

    def _forget_processes(self, operations: Batch) -> None:
        """Those that gave up unknown descriptors by execve or close_range."""
        roles = self._calls.of(operations)
        ended = ((roles == Role.EXEC) | (roles == Role.CLOSE_RANGE)) & (operations["result"] == 0)
        if ended.any():
            processes = np.unique(operations["tgid"][ended]).astype(np.uint64)
            self._latest.forget(np.isin(self._latest.items["key"] >> np.uint64(32), processes))


def _uses(
    operations: Batch, rows: NDArray[np.bool_], fd: NDArray[np.integer], file: NDArray[np.uint32]
) -> NDArray[np.void]:
    """What the chosen rows say of the descriptors `fd`, each of shape (n,)."""
    chosen = np.flatnonzero(rows)
    uses = np.zeros(chosen.size, _USE)
    uses["key"] = _keys(operations["tgid"][chosen], fd[chosen].astype(np.int32))
    uses["ns"] = operations["completed_ns"][chosen]
    uses["file"] = file[chosen]
    return uses


def _keys(tgid: NDArray[np.uint32], fd: NDArray[np.int32]) -> NDArray[np.uint64]:
    """(process, descriptor) as one number each."""
    keys: NDArray[np.uint64] = (tgid.astype(np.uint64) << np.uint64(32)) | fd.astype(np.int32).view(np.uint32)
    return keys
