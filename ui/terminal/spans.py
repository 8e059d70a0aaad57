"""Of each kept row the few numbers that a timeline needs: when it began and ended, and whose it is.

Kept for each part of the memory, which never changes, so that a picture costs only what is new
in it. An operation with many completions is one stretch for each: from the completion before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.filter import Condition
from uringtrace.tracer.filter.evaluation import MAX_ERRNO
from uringtrace.tracer.live.recent import Recent
from uringtrace.tracer.record import CQE_F_NOTIF, FIRST_CALL, Batch, Kind, Path
from uringtrace.tracer.records import Records, empty_records
from uringtrace.tracer.source import File

RAN, WAITED, WORKER = 0, 1, 2
"""How it was carried out: at once; it waited (a call slept, a poll was armed); by an io-wq worker."""
NO_PART = -1
"""`Spans.part` of what goes on: `row` is an index into the operations of `open_spans.GoingOn`."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Columns of shape (n,), but for `keys`."""

    began: NDArray[np.int64]
    ended: NDArray[np.int64]
    woken: NDArray[np.int64]
    """0: it did not sleep, or was not seen to be woken."""
    lane: NDArray[np.int32]
    """Index into `keys`."""
    part: NDArray[np.int32]
    row: NDArray[np.int32]
    """Index into the operations of that part."""
    opcode: NDArray[np.uint16]
    wake: NDArray[np.uint8]
    how: NDArray[np.uint8]
    failed: NDArray[np.bool_]
    open: NDArray[np.bool_]
    """Had not ended."""
    keys: NDArray[np.int64]
    """Shape (lanes,): thread, ring or inode of the socket."""

    def __len__(self) -> int:
        return len(self.began)

    def take(self, chosen: NDArray[np.intp]) -> Spans:
        """Those with these indices, in their order."""
        columns = {name: getattr(self, name)[chosen] for name in _COLUMNS}
        return Spans(**columns, keys=self.keys)

    def of_lane(self, key: int) -> NDArray[np.intp]:
        """Indices of those in the lane with this key."""
        found = np.flatnonzero(self.keys == key)
        return np.flatnonzero(self.lane == found[0]) if found.size else np.zeros(0, np.intp)


_COLUMNS = tuple(field.name for field in fields(Spans) if field.name != "keys")


@dataclass(frozen=True, slots=True)
class _Kept:
    part: Records
    """Held on to, since its `id` is the key."""
    spans: Spans


class SpanMemory:
    """The spans of one memory; remembers those of parts that it has seen."""

    def __init__(self) -> None:
        self._kept: dict[int, _Kept] = {}
        self._numbers: dict[int, int] = {}
        self._for: tuple[str, Condition | None] | None = None

    def of(self, recent: Recent, lanes: str, condition: Condition | None) -> Spans:
        """All rows for which the condition holds, in their order."""
        if self._for != (lanes, condition):
            self._kept, self._numbers, self._for = {}, {}, (lanes, condition)
        before, self._kept = self._kept, {}
        for part in recent.parts:
            kept = before.get(id(part))
            self._kept[id(part)] = kept or _Kept(part, self._made(part, recent.files, lanes, condition))
        return self._together()

    def _made(
        self, part: Records, files: Mapping[int, File], lanes: str, condition: Condition | None
    ) -> Spans:
        spans = spans_of(part, lane_keys(part, files, lanes))
        if condition is not None:
            spans = spans.take(np.flatnonzero(condition.holds(part, files)[spans.row]))
        numbers = [self._numbers.setdefault(key, len(self._numbers)) for key in spans.keys.tolist()]
        return replace(spans, lane=np.array(numbers, np.int32)[spans.lane])

    def _together(self) -> Spans:
        keys = np.array(list(self._numbers), np.int64)
        all_spans = [each.spans for each in self._kept.values()] or [
            spans_of(empty_records(), np.zeros(0, np.int64))
        ]
        lengths = [len(each) for each in all_spans]
        part = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        return replace(joined(all_spans, keys), part=part)


def joined(all_spans: Sequence[Spans], keys: NDArray[np.int64]) -> Spans:
    """One after the other; `lane` of each is an index into these `keys` already."""
    columns = {name: np.concatenate([getattr(each, name) for each in all_spans]) for name in _COLUMNS}
    return Spans(**columns, keys=keys)


def spans_of(part: Records, key: NDArray[np.int64]) -> Spans:
    """The spans of all rows that are in a lane, `key` being those of `lane_keys`; `part` is 0 in each."""
    rows = np.flatnonzero(key != 0)
    batch = part.operations
    if len(rows) < len(batch):
        batch, key = batch[rows], key[rows]
    kind, path, result, opcode = (batch[name].copy() for name in ("kind", "path", "result", "opcode"))
    ended = batch["completed_ns"].astype(np.int64)
    submitted = batch["submitted_ns"].astype(np.int64)
    began = _beginnings(submitted, ended, kind, batch)
    # When a silent operation ended cannot be observed: it is the moment of its beginning alone.
    silent = kind == Kind.SILENT
    if silent.any():
        ended[silent] = began[silent]
    waited = np.where(opcode >= FIRST_CALL, batch["slept"], path & Path.POLL != 0)
    how = waited.astype(np.uint8)  # RAN or WAITED
    how[path & Path.IO_WQ != 0] = WORKER
    failed = (result < 0) & (result >= -MAX_ERRNO) & (kind == Kind.COMPLETION)
    failed &= batch["cqe_flags"] & CQE_F_NOTIF == 0
    keys = np.unique(key)
    return Spans(
        began=began,
        ended=ended,
        woken=batch["woken_ns"].astype(np.int64),
        lane=np.searchsorted(keys, key).astype(np.int32),
        part=np.zeros(len(rows), np.int32),
        row=rows.astype(np.int32),
        opcode=opcode,
        wake=batch["wake"].copy(),
        how=how,
        failed=failed,
        open=kind == Kind.UNFINISHED,
        keys=keys,
    )


def _beginnings(
    submitted: NDArray[np.int64], ended: NDArray[np.int64], kind: NDArray[np.uint8], batch: Batch
) -> NDArray[np.int64]:
    """As `record.duration_ns` has it; of what was not seen to begin its end, all of shape (n,)."""
    began = np.where(submitted != 0, submitted, ended)
    sequence = batch["sequence"]
    repeated = np.flatnonzero((sequence > 1) & (kind == Kind.COMPLETION) & (submitted != 0))
    previous = batch["previous_ns"][repeated].astype(np.int64)
    began[repeated] = np.where(previous != 0, previous, began[repeated])
    return began


def lane_keys(part: Records, files: Mapping[int, File], lanes: str) -> NDArray[np.int64]:
    """The lane of each row, shape (n,); 0: none."""
    batch = part.operations
    if lanes == "threads":
        return batch["tid"].astype(np.int64)
    if lanes == "rings":
        return batch["ring"].astype(np.int64)
    own = sockets_of(batch["file"], files)
    # An accept is on the listening socket, which is no connection: it belongs to the one it brought.
    return np.where(own != 0, own, sockets_of(batch["result_file"], files))


def sockets_of(numbers: NDArray[np.uint32], files: Mapping[int, File]) -> NDArray[np.int64]:
    """For each file its inode where it is a socket that can be a connection, else 0; same shape."""
    distinct, place = np.unique(numbers, return_inverse=True)
    inodes = np.zeros(len(distinct), np.int64)
    for index, number in enumerate(distinct.tolist()):
        file = files.get(number)
        if file is not None and file.socket is not None and not file.socket.listening:
            inodes[index] = file.inode
    return inodes[place.reshape(numbers.shape)]


def remembered_since(recent: Recent, started_ns: int) -> int:
    """From this moment on all that ended is kept; before, rows had to go or there was no capture."""
    if not recent.dropped or not recent.parts:
        return started_ns
    return max(started_ns, int(recent.parts[0].operations["completed_ns"].min()))
