"""What epoll instances wait for: changes to interest lists, and the lists themselves.

An entry is kept by its epoll instance (the file, so that a dup of the descriptor is the
same) and the descriptor that was given. The kernel drops an entry without a call when the
last reference to its file goes. Where a close is not known to be that (`last_references`),
an entry counts as valid until it is deleted or modified, or the same descriptor is added
again. Invariant: `InterestList` keeps changes sorted by (epoll_file, fd, ns).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.rows import take_rows
from uringtrace.tracer.readiness.calls import ReadinessCalls, Role, running_calls
from uringtrace.tracer.readiness.last_references import LastReferences
from uringtrace.tracer.readiness.latest import as_of
from uringtrace.tracer.readiness.memory_items import chosen_pieces, items_of
from uringtrace.tracer.readiness.seeds import Seeds
from uringtrace.tracer.record import Batch, Kind
from uringtrace.tracer.records import ENTERED, Records
from uringtrace.tracer.source import Interest

EPOLLEXCLUSIVE, EPOLLWAKEUP, EPOLLONESHOT, EPOLLET = 1 << 28, 1 << 29, 1 << 30, 1 << 31

INTEREST = np.dtype(
    [
        ("ns", "<u8"),  # when epoll_ctl returned; 0: before the capture began
        ("tgid", "<u4"),
        ("tid", "<u4"),  # 0: before the capture began
        ("epoll_fd", "<i4"),
        ("epoll_file", "<u4"),  # key into the capture's files; 0: not known
        ("operation", "u1"),  # Change
        ("fd", "<i4"),
        ("file", "<u4"),  # 0: not known
        ("events", "<u4"),  # EPOLL* bits as given; before the capture: as the kernel prints them
        ("data", "<u8"),
        ("submitted_ns", "<u8"),  # when epoll_ctl was called; 0: before the capture began
        ("has_event", "?"),  # `events` and `data` are known; of DEL they are never given
    ]
)
"""One row per successful change of an interest list."""


class Change(IntEnum):
    """EPOLL_CTL_* (include/uapi/linux/eventpoll.h)."""

    ADD = 1
    DEL = 2
    MOD = 3


OVERLAP_NS = 1_000_000_000
"""How long a change is kept that another one replaced: a wait may have collected its events before."""

_ENTRIES_KEPT = 1 << 20


def changes_of(records: Records, calls: ReadinessCalls | None = None) -> NDArray[np.void]:
    """Successful changes to interest lists, dtype `INTEREST`, in the order of the operations.

    `calls` are those of the capture's machine; None: of the running one.
    """
    calls = calls or running_calls()
    operations = records.operations
    roles, kind = calls.of(operations), operations["kind"]
    good = operations["has_arguments"] & (operations["result"] == 0)
    # io_uring posts no CQE for a success that the application did not want to hear of.
    ring = good & (roles == Role.RING_EPOLL_CTL) & ((kind == Kind.COMPLETION) | (kind == Kind.SILENT))
    call = good & (roles == Role.EPOLL_CTL) & (kind == Kind.COMPLETION)
    rows = np.flatnonzero(ring | call)
    changes = np.zeros(rows.size, INTEREST)
    if not rows.size:
        return changes
    chosen, of_ring = take_rows(operations, rows), ring[rows]
    changes["ns"] = chosen["completed_ns"]
    changes["submitted_ns"] = chosen["submitted_ns"]
    for name in ("tgid", "tid"):
        changes[name] = chosen[name]
    changes["epoll_fd"] = chosen["fd"]
    changes["epoll_file"] = chosen["file"]
    changes["file"] = np.where(of_ring, 0, chosen["second_file"])
    changes["operation"] = np.where(of_ring, chosen["len"], chosen["arg1"] & 0xFF)
    fd = np.where(of_ring, chosen["off"], chosen["arg2"]) & np.uint64(0xFFFFFFFF)
    changes["fd"] = fd.astype(np.uint32).view(np.int32)
    events = items_of(chosen_pieces(records.memory, call, 3, 3 | ENTERED), calls.epoll_event)
    position = np.searchsorted(rows, events.row)
    changes["events"][position] = events.item["events"]
    changes["data"][position] = events.item["data"]
    changes["has_event"][position] = True
    deleted = changes["operation"] == Change.DEL
    for name in ("events", "data", "has_event"):
        changes[name][deleted] = 0
    return changes


class InterestList:
    """The interest lists of all epoll instances, kept current by the records they are given."""

    def __init__(self, interests: Iterable[Interest] = (), calls: ReadinessCalls | None = None) -> None:
        self._calls = calls or running_calls()
        self._seeds = Seeds(interests)
        self._changes = np.zeros(0, INTEREST)
        self._references = LastReferences()
        self._newest_ns = 0

    def add(self, records: Records) -> NDArray[np.void]:
        """Take in the changes of `records`.

        Returns all changes, dtype `INTEREST`, that are in effect or were in the last
        OVERLAP_NS before `records` or since, sorted by (epoll_file, fd, ns).
        """
        operations = records.operations
        if not operations.size:
            return self._changes
        new = changes_of(records, self._calls)
        new = new[new["epoll_file"] != 0]
        bound = self._bound(operations)
        history = self._changes
        if new.size or bound.size:
            history = np.concatenate([history, bound, new])
            # Stable, and what was bound comes first: it is older than any change that was seen.
            history = _sorted(history)
        ended = self._released(records, history)
        if ended.size:
            history = _sorted(np.concatenate([history, ended]))
        self._seeds.name_files(history)
        self._newest_ns = max(self._newest_ns, int(operations["completed_ns"].max()))
        self._changes = self._kept(history)
        return history

    def unchanged(self, operations: Batch, roles: NDArray[np.uint8]) -> bool:
        """Whether these operations change nothing, and may be left out of `add`; `roles` are theirs.

        Then time goes on as `add` would have it.
        """
        if roles.any() or operations["result_file"].any() or not self._seeds.done:
            return False
        if operations.size:
            self._newest_ns = max(self._newest_ns, int(operations["completed_ns"].max()))
            self._changes = self._kept(self._changes)
        return True

    def entries(self, epoll_file: int) -> NDArray[np.void]:
        """The list of one instance now, dtype `INTEREST`, by descriptor: the change that made each entry."""
        low, high = np.searchsorted(self._changes["epoll_file"], [epoll_file, epoll_file + 1])
        return _newest(self._changes[low:high])

    @property
    def instances(self) -> tuple[int, ...]:
        """The files of the epoll instances that have entries, ascending."""
        return tuple(np.unique(_newest(self._changes)["epoll_file"]).tolist())

    def _bound(self, operations: Batch) -> NDArray[np.void]:
        """Entries from before the capture whose instance these operations tell the file of."""
        binding = self._seeds.bind(operations, self._calls.of(operations))
        changes = np.zeros(binding.epoll_file.size, INTEREST)
        changes["epoll_file"] = binding.epoll_file
        for name in ("tgid", "epoll_fd", "fd", "events", "data"):
            changes[name] = binding.seed[name]
        changes["operation"] = Change.ADD
        changes["has_event"] = True
        # Two descriptors of one instance list the same entries.
        known = _entry_keys(self._changes)
        own = _entry_keys(changes)
        _, first = np.unique(own, return_index=True)
        first = first[~np.isin(own[first], known)]
        return changes[np.sort(first)]

    def _released(self, records: Records, history: NDArray[np.void]) -> NDArray[np.void]:
        """Deletions of the entries whose files `records` close for the last time."""
        operations = records.operations
        rows = self._references.add(records, self._calls.of(operations))
        named: NDArray[np.void] = history[
            np.isin(history["file"], operations["file"][rows]) & (history["file"] != 0)
        ]
        if not rows.size or not named.size:
            return named[:0]
        closes = np.sort(_pairs(operations["file"][rows], operations["fd"][rows]))
        order = np.argsort(_pairs(operations["file"][rows], operations["fd"][rows]), kind="stable")
        own = _pairs(named["file"], named["fd"])
        place = np.minimum(np.searchsorted(closes, own), closes.size - 1)
        closed = closes[place] == own
        close = operations[rows[order[place[closed]]]]
        entries = named[closed]
        # The descriptor is free before the close returns: what another thread has added since stays.
        index = as_of(_entry_keys(history), history["ns"], _entry_keys(entries), close["completed_ns"])
        current = (index >= 0) & (history["file"][index] == entries["file"])
        current &= history["operation"][index] != Change.DEL
        return _deletions(entries[current], close[current])

    def _kept(self, history: NDArray[np.void]) -> NDArray[np.void]:
        """Without what was replaced, or deleted, so long ago that no wait can have seen it."""
        if not history.size:
            return history
        keys = _entry_keys(history)
        replaced = np.concatenate([keys[1:] == keys[:-1], [False]])
        since = np.concatenate([history["ns"][1:], history["ns"][:1]])
        horizon = max(self._newest_ns - OVERLAP_NS, 0)
        gone = replaced & (since < horizon)
        # A deletion says that an entry from before the capture is no longer there.
        if not self._seeds.pending:
            gone |= ~replaced & (history["operation"] == Change.DEL) & (history["ns"] < horizon)
        kept = history[~gone] if gone.any() else history
        if kept.size > _ENTRIES_KEPT:
            kept = _without_oldest(kept)
        return kept


def _deletions(entries: NDArray[np.void], operations: Batch) -> NDArray[np.void]:
    """Deletions of `entries`, each by the operation of the same index; one per entry and operation."""
    deletions = np.zeros(entries.size, INTEREST)
    for name in ("epoll_file", "epoll_fd", "fd"):
        deletions[name] = entries[name]
    for name in ("tgid", "tid", "submitted_ns"):
        deletions[name] = operations[name]
    deletions["ns"] = operations["completed_ns"]
    deletions["operation"] = Change.DEL
    return np.unique(deletions)


def _pairs(high: NDArray[np.uint32], low: NDArray[np.int32]) -> NDArray[np.uint64]:
    pairs: NDArray[np.uint64] = (high.astype(np.uint64) << np.uint64(32)) | low.astype(np.int32).view(
        np.uint32
    )
    return pairs


def _sorted(changes: NDArray[np.void]) -> NDArray[np.void]:
    return changes[np.lexsort((changes["ns"], changes["fd"], changes["epoll_file"]))]


def _entry_keys(changes: NDArray[np.void]) -> NDArray[np.uint64]:
    """(epoll_file, fd) as one number each."""
    return _pairs(changes["epoll_file"], changes["fd"])


def _newest(changes: NDArray[np.void]) -> NDArray[np.void]:
    """The entries that sorted changes leave."""
    keys = _entry_keys(changes)
    last = np.concatenate([keys[1:] != keys[:-1], [True]])[: keys.size]
    newest: NDArray[np.void] = changes[last & (changes["operation"] != Change.DEL)]
    return newest


def _without_oldest(changes: NDArray[np.void]) -> NDArray[np.void]:
    """Drop whole instances, the longest unchanged first: a part of a list would mislead."""
    files, instance = np.unique(changes["epoll_file"], return_inverse=True)
    last = np.zeros(files.size, np.uint64)
    np.maximum.at(last, instance, changes["ns"])
    order = np.argsort(last, kind="stable")
    sizes = np.bincount(instance)[order]
    dropped = np.cumsum(sizes) - sizes < changes.size - _ENTRIES_KEPT
    return changes[~np.isin(instance, order[dropped])]
