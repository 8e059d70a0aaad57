"""The items of a stretch of time, socket by socket, joined with what is remembered of each.

What `requests` needs to know of the past is the last read, the last write and the arrivals
around them. Put in front of a socket's new items they make one line, over which numpy can
look back and forth without knowing where the stretch began.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections.by_slot import groups, order_of

ARRIVED, RECEIVED, SENT = 0, 1, 2
"""Kinds of items: data arrived in the kernel, was read, was written."""

STATE = np.dtype(
    [
        ("arrival_ns", "<i8"),  # the last one; 0: none
        ("between_ns", "<i8"),  # the first one after the last read or write; 0: none
        ("read_ns", "<i8"),  # completion of the last read; 0: none
        ("received_ns", "<i8"),  # when its last byte was received
        ("arrival_known", "?"),  # received_ns is an arrival
        ("left", "?"),  # it may have left data in the socket
        ("sent_ns", "<i8"),  # completion of the last write; 0: none
        ("latest", "u1"),  # the later of the two: RECEIVED, SENT; 0: none
    ]
)
"""What is remembered of one socket."""


@dataclass(frozen=True, slots=True)
class Items:
    """What happened on sockets, in the order of time; all arrays of shape (n,)."""

    slot: NDArray[np.int64]
    ns: NDArray[np.int64]
    kind: NDArray[np.uint8]
    left: NDArray[np.bool_]
    """Of reads: there may be more in the socket."""


@dataclass(frozen=True, slots=True)
class Line:
    """Items socket by socket, each socket's opened by what is remembered of it; shape (n,).

    The remembered items are not `new`. `previous`, `last_read`, `last_write` and
    `last_arrival` are indices into the line, -1 for none: the read or write before an item;
    and the latest of each kind up to and including an item.
    """

    local: NDArray[np.intp]
    ns: NDArray[np.int64]
    kind: NDArray[np.uint8]
    left: NDArray[np.bool_]
    new: NDArray[np.bool_]
    remembered_ns: NDArray[np.int64]
    remembered_known: NDArray[np.bool_]
    previous: NDArray[np.intp]
    last_read: NDArray[np.intp]
    last_write: NDArray[np.intp]
    last_arrival: NDArray[np.intp]

    def reads_received(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """For reads: when the last byte was received, and whether that is an arrival."""
        before = np.where(self.kind == RECEIVED, _shifted(self.last_read, self.local), -1)
        arrival = self.last_arrival
        arrived_ns = self.ns[arrival]
        usable = (arrival >= 0) & (arrived_ns <= self.ns)
        usable &= (before < 0) | (arrived_ns > self.ns[before]) | self.left[before]
        moment = np.where(self.new, np.where(usable, arrived_ns, self.ns), self.remembered_ns)
        return moment, np.where(self.new, usable, self.remembered_known)

    def state(self, received: tuple[NDArray[np.int64], NDArray[np.bool_]], sockets: int) -> NDArray[np.void]:
        """What to remember of each socket, shape (sockets,), dtype STATE."""
        moment, known = received
        end = np.searchsorted(self.local, np.arange(sockets), side="right") - 1
        read, write, arrival = self.last_read[end], self.last_write[end], self.last_arrival[end]
        latest = np.maximum(read, write)
        follows = np.minimum(latest + 1, len(self.ns) - 1)
        state = np.zeros(sockets, STATE)
        state["arrival_ns"] = np.where(arrival >= 0, self.ns[arrival], 0)
        state["between_ns"] = np.where((latest >= 0) & (latest < end), self.ns[follows], 0)
        state["read_ns"] = np.where(read >= 0, self.ns[read], 0)
        state["received_ns"] = np.where(read >= 0, moment[read], 0)
        state["arrival_known"] = (read >= 0) & known[read]
        state["left"] = (read >= 0) & self.left[read]
        state["sent_ns"] = np.where(write >= 0, self.ns[write], 0)
        state["latest"] = np.where(latest >= 0, self.kind[latest], 0)
        return state


def line_of(state: NDArray[np.void], local: NDArray[np.intp], items: Items) -> Line:
    """`state` has one row per socket, `local` the row of each item's socket."""
    sockets = len(state)
    reads_last = state["latest"] == RECEIVED
    arrived, between = state["arrival_ns"], state["between_ns"]
    has_between = between > 0
    # In this order: an arrival that all data came after, the older of the last read and the
    # last write, the newer, and the first and last arrival after these.
    ns = np.stack(
        [
            arrived,
            np.where(reads_last, state["sent_ns"], state["read_ns"]),
            np.where(reads_last, state["read_ns"], state["sent_ns"]),
            between,
            arrived,
        ],
        axis=1,
    )
    kind = np.zeros((sockets, 5), np.uint8)
    kind[:, 1] = np.where(reads_last, SENT, RECEIVED)
    kind[:, 2] = np.where(reads_last, RECEIVED, SENT)
    there = ns > 0
    there[:, 0] &= ~has_between
    there[:, 4] &= has_between & (arrived != between)
    chosen = there.ravel()
    owner = np.repeat(np.arange(sockets), 5)[chosen]
    is_read = (kind == RECEIVED).ravel()[chosen]
    unsorted = np.concatenate([owner, local])
    order = order_of(unsorted)
    count = len(local)

    def joined(remembered: NDArray[np.generic], new: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.concatenate([remembered, new])[order]

    local_sorted = unsorted[order]
    kinds = joined(kind.ravel()[chosen], items.kind).astype(np.uint8)
    begin = groups(local_sorted)
    start = np.repeat(begin, np.diff(begin, append=len(local_sorted)))
    last_read = _latest(kinds == RECEIVED, start)
    last_write = _latest(kinds == SENT, start)
    zeros = np.zeros(count, np.int64)
    return Line(
        local=local_sorted,
        ns=joined(ns.ravel()[chosen], items.ns).astype(np.int64),
        kind=kinds,
        left=joined(is_read & state["left"][owner], items.left).astype(np.bool_),
        new=joined(np.zeros(len(owner), bool), np.ones(count, bool)).astype(np.bool_),
        remembered_ns=joined(state["received_ns"][owner], zeros).astype(np.int64),
        remembered_known=joined(state["arrival_known"][owner], zeros.astype(bool)).astype(np.bool_),
        previous=_shifted(np.maximum(last_read, last_write), local_sorted),
        last_read=last_read,
        last_write=last_write,
        last_arrival=_latest(kinds == ARRIVED, start),
    )


def _latest(mask: NDArray[np.bool_], start: NDArray[np.intp]) -> NDArray[np.intp]:
    """Index of the latest item of the same socket for which `mask` holds, -1 for none."""
    index = np.maximum.accumulate(np.where(mask, np.arange(len(mask)), -1))
    return np.where(index >= start, index, -1)


def _shifted(index: NDArray[np.intp], local: NDArray[np.intp]) -> NDArray[np.intp]:
    """`index` as it was at the item before of the same socket, -1 at a socket's first."""
    shifted = np.full(len(index), -1, np.intp)
    shifted[1:] = np.where(local[1:] == local[:-1], index[:-1], -1)
    return shifted
