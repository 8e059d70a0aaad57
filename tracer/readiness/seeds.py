"""Interest lists from before the capture, tied to the files that operations name.

/proc tells them by process and descriptor only. The first operation of that process on
that descriptor names the file, provided that the descriptor was not given away before:
a call that returns it, execve or close_range end what /proc said. Invariant: a descriptor
is bound once, or never.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.readiness.calls import Role
from uringtrace.tracer.record import SQE_FIXED_FILE, Batch, is_call
from uringtrace.tracer.source import Interest

SEED = np.dtype(
    [
        ("tgid", "<u4"),
        ("epoll_fd", "<i4"),
        ("fd", "<i4"),
        ("events", "<u4"),
        ("data", "<u8"),
    ]
)


class Binding(NamedTuple):
    """Seeds, dtype `SEED`, and of the same length the file of the epoll instance of each."""

    seed: NDArray[np.void]
    epoll_file: NDArray[np.uint32]


class Seeds:
    """What is still to be tied to files; empty soon in a capture that sees its target work."""

    def __init__(self, interests: Iterable[Interest]) -> None:
        rows = [(each.tgid, each.epoll_fd, each.fd, each.events, each.data) for each in interests]
        self._seeds = np.array(rows, SEED)
        self._waiting = np.unique(_keys(self._seeds["tgid"], self._seeds["epoll_fd"]))
        self._unnamed = np.unique(_keys(self._seeds["tgid"], self._seeds["fd"]))
        self._named = np.zeros(0, np.uint64)
        self._names = np.zeros(0, np.uint32)

    @property
    def pending(self) -> bool:
        """Whether an epoll instance of before the capture was not seen yet."""
        return bool(self._waiting.size)

    @property
    def done(self) -> bool:
        """Nothing is left to be tied to a file."""
        return not self._waiting.size and not self._unnamed.size

    def bind(self, operations: Batch, roles: NDArray[np.uint8]) -> Binding:
        """The seeds whose instance is named by `operations` (with their `Role`s) for the first time."""
        asked = np.union1d(self._waiting, self._unnamed)
        if not asked.size:
            return self._of(np.zeros(0, np.uint64), np.zeros(0, np.uint32))
        keys, files = _first_uses(operations, asked)
        over = _ended(operations, roles, asked)
        # Whether the use or the end came first is not asked: both in one batch are rare.
        files = np.where(np.isin(keys, over), np.uint32(0), files)
        instances = np.isin(keys, self._waiting)
        binding = self._of(keys[instances], files[instances])
        named = np.isin(keys, self._unnamed) & (files != 0)
        if named.any():
            self._named = np.concatenate([self._named, keys[named]])
            self._names = np.concatenate([self._names, files[named]])
            order = np.argsort(self._named)
            self._named, self._names = self._named[order], self._names[order]
        gone = np.concatenate([keys, over])
        self._waiting = self._waiting[~np.isin(self._waiting, gone)]
        self._unnamed = self._unnamed[~np.isin(self._unnamed, gone)]
        return binding

    def name_files(self, changes: NDArray[np.void]) -> None:
        """Fill in `file` in those of `changes` (dtype `INTEREST`) that came from seeds, where it is known."""
        if not self._named.size:
            return
        rows = np.flatnonzero((changes["tid"] == 0) & (changes["ns"] == 0) & (changes["file"] == 0))
        if not rows.size:
            return
        keys = _keys(changes["tgid"][rows], changes["fd"][rows])
        index = np.minimum(np.searchsorted(self._named, keys), self._named.size - 1)
        found = self._named[index] == keys
        changes["file"][rows[found]] = self._names[index[found]]

    def _of(self, keys: NDArray[np.uint64], files: NDArray[np.uint32]) -> Binding:
        """The seeds of these instances; a file of 0 stands for none."""
        keys, files = keys[files != 0], files[files != 0]
        own = _keys(self._seeds["tgid"], self._seeds["epoll_fd"])
        chosen = np.isin(own, keys)
        order = np.argsort(keys)
        position = order[np.searchsorted(keys, own[chosen], sorter=order)]
        return Binding(self._seeds[chosen], files[position])


def _keys(tgid: NDArray[np.uint32], fd: NDArray[np.int32]) -> NDArray[np.uint64]:
    """(process, descriptor) as one number each."""
    keys: NDArray[np.uint64] = (tgid.astype(np.uint64) << np.uint64(32)) | fd.astype(np.int32).view(np.uint32)
    return keys


def _first_uses(
    operations: Batch, asked: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Those of `asked` that operations name, and the file of each; 0 where a call returned it first."""
    uses = (operations["file"] != 0) & (operations["fd"] >= 0)
    uses &= operations["sqe_flags"] & SQE_FIXED_FILE == 0
    results = (operations["result_file"] != 0) & (operations["result"] >= 0)
    results &= operations["result"] < 2**31
    keys = np.concatenate(
        [
            _keys(operations["tgid"][uses], operations["fd"][uses]),
            _keys(operations["tgid"][results], operations["result"][results].astype(np.int32)),
        ]
    )
    files = np.concatenate([operations["file"][uses], np.zeros(np.count_nonzero(results), np.uint32)])
    order = np.concatenate([np.flatnonzero(uses), np.flatnonzero(results)])
    relevant = np.isin(keys, asked)
    keys, files, order = keys[relevant], files[relevant], order[relevant]
    sequence = np.argsort(order, kind="stable")
    keys, first = np.unique(keys[sequence], return_index=True)
    return keys, files[sequence][first]


def _ended(operations: Batch, roles: NDArray[np.uint8], asked: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Those of `asked` that an execve or close_range in `operations` may have ended."""
    enders = is_call(operations) & (operations["result"] == 0)
    enders &= (roles == Role.EXEC) | (roles == Role.CLOSE_RANGE)
    processes = np.unique(operations["tgid"][enders]).astype(np.uint64)
    return asked[np.isin(asked >> np.uint64(32), processes)]
