"""Sums up what each thread did, over records however these were batched.

Nothing depends on the order of rows: each adds to the sums of its thread. Only calls that
a thread was still in at the end are kept as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.rows import take_rows
from uringtrace.tracer.connections.traffic import NOT_YET
from uringtrace.tracer.record import CQE_F_MORE, OPCODES, Batch, Kind, Wake, is_call
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, File, Thread
from uringtrace.tracer.threads.thread import CurrentCall, Partner, ThreadActivity, Wait

_SUMS = np.dtype(
    [
        ("tgid", "<u4"),
        ("system_calls", "<i8"),
        ("operations", "<i8"),
        ("errors", "<i8"),
        ("slept_calls", "<i8"),
        ("slept_ns", "<i8"),
        ("running_ns", "<i8"),
        ("wakes", "<i8", (len(Wake),)),
    ]
)


class ThreadTracker:
    """Threads of one capture."""

    def __init__(self, context: Context) -> None:
        self._names = context.operation_names
        self._started_ns = np.uint64(context.started_ns)
        self._slots: dict[int, int] = {}
        self._sums = np.zeros(64, _SUMS)
        self._waits: dict[tuple[int, int], list[int]] = {}
        """Thread and opcode to how often it slept there, and how long."""
        self._woken_by: dict[tuple[int, int], int] = {}
        self._woke: dict[tuple[int, int], int] = {}
        self._current: dict[int, Batch] = {}
        self._files: Mapping[int, File] = {}

    def add(self, records: Records, files: Mapping[int, File]) -> None:
        """Take one drain; `files` are those of the source."""
        self._files = files
        batch = records.operations
        known = batch["tid"] != 0
        # Rows are wide: at full speed a copy of them all costs more than all sums.
        if not known.all():
            batch = take_rows(batch, known)
        if not len(batch):
            return
        slot = self._slots_of(batch)
        call = is_call(batch)
        if call.any():
            self._add_calls(take_rows(batch, call), slot[call])
        ended = _ends_operation(batch)
        self._add("operations", slot[~call & ended])
        counted = (batch["kind"] == Kind.COMPLETION) & (batch["result"] < 0)
        failed = np.flatnonzero(counted)
        self._add("errors", slot[failed[~np.isin(-batch["result"][failed], NOT_YET)]])

    def threads(self, threads: Mapping[int, Thread]) -> tuple[ThreadActivity, ...]:
        """All threads that did anything, by process and thread; `threads` are those of the source."""
        waits: dict[int, list[Wait]] = {}
        for (tid, opcode), (count, total_ns) in self._waits.items():
            waits.setdefault(tid, []).append(Wait(self._name(opcode), count, total_ns))
        woken_by, woke = _partners(self._woken_by), _partners(self._woke)
        found = (
            self._thread(tid, slot, threads.get(tid), waits, woken_by, woke)
            for tid, slot in self._slots.items()
        )
        return tuple(sorted(found, key=lambda thread: (thread.tgid, thread.tid)))

    def _thread(
        self,
        tid: int,
        slot: int,
        known: Thread | None,
        waits: Mapping[int, list[Wait]],
        woken_by: Mapping[int, tuple[Partner, ...]],
        woke: Mapping[int, tuple[Partner, ...]],
    ) -> ThreadActivity:
        sums = self._sums[slot]
        longest = sorted(waits.get(tid, ()), key=lambda wait: (-wait.total_ns, wait.call))
        return ThreadActivity(
            tid=tid,
            tgid=int(sums["tgid"]),
            name=known.name if known else None,
            system_calls=int(sums["system_calls"]),
            operations=int(sums["operations"]),
            errors=int(sums["errors"]),
            slept_calls=int(sums["slept_calls"]),
            slept_ns=int(sums["slept_ns"]),
            running_ns=int(sums["running_ns"]),
            waits=tuple(longest),
            woken_by_timer=int(sums["wakes"][Wake.TIMER]),
            woken_by_network=int(sums["wakes"][Wake.NETWORK]),
            woken_by_thread=int(sums["wakes"][Wake.THREAD]),
            woken_by_interrupt=int(sums["wakes"][Wake.INTERRUPT]),
            woken_by=woken_by.get(tid, ()),
            woke=woke.get(tid, ()),
            current=self._current_call(tid),
        )

    def _current_call(self, tid: int) -> CurrentCall | None:
        row = self._current.get(tid)
        if row is None:
            return None
        file = self._files.get(int(row["file"][0]))
        submitted_ns, end_ns = int(row["submitted_ns"][0]), int(row["completed_ns"][0])
        since_ns = submitted_ns if submitted_ns > self._started_ns else None
        return CurrentCall(
            self._name(int(row["opcode"][0])),
            file.description if file else None,
            since_ns,
            max(0, end_ns - (since_ns or int(self._started_ns))),
        )

    def _add_calls(self, batch: Batch, slot: NDArray[np.intp]) -> None:
        kind = batch["kind"]
        unfinished = kind == Kind.UNFINISHED
        for index in np.flatnonzero(unfinished).tolist():
            self._current[int(batch["tid"][index])] = batch[index : index + 1]
        returned = kind == Kind.COMPLETION
        self._add("system_calls", slot[~unfinished])
        slept = batch["slept"] & (returned | unfinished)
        # What already ran when the capture began counts from there on.
        took = batch["completed_ns"] - np.maximum(batch["submitted_ns"], self._started_ns)
        took = np.where(batch["completed_ns"] > self._started_ns, took, 0).astype(np.int64)
        self._add("slept_calls", slot[slept])
        np.add.at(self._sums["slept_ns"], slot[slept], took[slept])
        awake = returned & ~slept
        np.add.at(self._sums["running_ns"], slot[awake], took[awake])
        known = slept & (batch["wake"] < len(Wake))
        np.add.at(self._sums["wakes"], (slot[known], batch["wake"][known].astype(np.intp)), 1)

        for (tid, opcode), count, total in _grouped(batch["tid"], batch["opcode"], slept, took):
            entry = self._waits.setdefault((tid, opcode), [0, 0])
            entry[0] += count
            entry[1] += total
        of_thread = slept & (batch["wake"] == Wake.THREAD) & (batch["waker"] != 0)
        for pair, count, _ in _grouped(batch["tid"], batch["waker"], of_thread):
            self._woken_by[pair] = self._woken_by.get(pair, 0) + count
        woke = batch["woke"] != 0
        for pair, _, total in _grouped(batch["tid"], batch["woke"], woke, batch["woke_count"]):
            self._woke[pair] = self._woke.get(pair, 0) + total

    def _slots_of(self, batch: Batch) -> NDArray[np.intp]:
        """The slot of each row's thread, shape (n,); `tgid` is noted on the way."""
        tid, tgid = batch["tid"], batch["tgid"]
        if (tid == tid[0]).all():
            alone = self._slot(int(tid[0]))
            self._sums["tgid"][alone] = tgid[-1]
            return np.full(len(batch), alone)
        tids, local = np.unique(tid, return_inverse=True)
        slot = np.array([self._slot(tid) for tid in tids.tolist()])[local]
        self._sums["tgid"][slot] = tgid
        return slot

    def _add(self, name: str, slots: NDArray[np.intp]) -> None:
        self._sums[name] += np.bincount(slots, minlength=len(self._sums))

    def _slot(self, tid: int) -> int:
        slot = self._slots.setdefault(tid, len(self._slots))
        if slot >= len(self._sums):
            self._sums = np.concatenate([self._sums, np.zeros_like(self._sums)])
        return slot

    def _name(self, opcode: int) -> str:
        return self._names.get(opcode, "another call" if opcode == OPCODES - 1 else f"call {opcode}")


def _ends_operation(batch: Batch) -> NDArray[np.bool_]:
    """Rows that stand for one submitted operation each: its last completion, or none of any."""
    kind, flags = batch["kind"], batch["cqe_flags"]
    last = (kind == Kind.COMPLETION) & (flags & CQE_F_MORE == 0)
    mask: NDArray[np.bool_] = last | (kind == Kind.SILENT) | (kind == Kind.UNFINISHED)
    return mask


def _grouped(
    first: NDArray[np.uint32],
    second: NDArray[np.uint32],
    mask: NDArray[np.bool_],
    values: NDArray[np.generic] | None = None,
) -> list[tuple[tuple[int, int], int, int]]:
    """Each pair of `first` and `second` where `mask` holds, its count and the sum of `values`."""
    chosen = np.flatnonzero(mask)
    if not len(chosen):
        return []
    joined = first[chosen].astype(np.uint64) << np.uint64(32) | second[chosen].astype(np.uint64)
    pairs, place, counts = np.unique(joined, return_inverse=True, return_counts=True)
    sums = np.zeros(len(pairs), np.int64)
    if values is not None:
        np.add.at(sums, place, values[chosen].astype(np.int64))
    return [
        ((pair >> 32, pair & 0xFFFF_FFFF), count, total)
        for pair, count, total in zip(pairs.tolist(), counts.tolist(), sums.tolist(), strict=True)
    ]


def _partners(counts: Mapping[tuple[int, int], int]) -> dict[int, tuple[Partner, ...]]:
    """Thread → its partners, most often first."""
    found: dict[int, list[Partner]] = {}
    for (tid, other), count in counts.items():
        found.setdefault(tid, []).append(Partner(other, count))
    return {
        tid: tuple(sorted(partners, key=lambda partner: (-partner.count, partner.tid)))
        for tid, partners in found.items()
    }
