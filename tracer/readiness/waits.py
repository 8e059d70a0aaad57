"""What epoll_wait, poll and select reported as ready, from the memory they returned.

One row per descriptor and call. epoll reports `data`, not a descriptor: which one that is
`resolve` finds out. io_uring's EPOLL_WAIT points to memory that nobody reads here; it
yields nothing. The kernel side captures a limited number of items per call: what is missing
for that reason is counted by `missing_readiness`, never guessed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.readiness.calls import ReadinessCalls, Role, running_calls
from uringtrace.tracer.readiness.memory_items import chosen_pieces, items_of, piece_bytes, piece_numbers
from uringtrace.tracer.record import Batch, Kind
from uringtrace.tracer.records import ENTERED, MEMORY_BYTES, READINESS, Records

POLLIN, POLLPRI, POLLOUT = 1, 2, 4
_SETS = (1, 2, 3)
"""Arguments of select that are fd_sets: to read, to write, exceptional (select(2))."""
_SET_MASKS = {1: POLLIN, 2: POLLOUT, 3: POLLPRI}
_POLLFD = np.dtype([("fd", "<i4"), ("events", "<u2"), ("revents", "<u2")])
_BITS = MEMORY_BYTES * 8

NOT_KNOWN = -1


class LocatedReadiness(NamedTuple):
    """Readiness and, of the same length, the index of the call in its `Records`."""

    readiness: NDArray[np.void]
    row: NDArray[np.int64]


def readiness_of(records: Records, calls: ReadinessCalls | None = None) -> NDArray[np.void]:
    """What was ready, dtype `READINESS`, in the order of the calls and as each reported it.

    `fd` and `file` of epoll's are -1 and 0; of poll's and select's only `file` is not known.
    `calls` are those of the capture's machine; None: of the running one.
    """
    return located_readiness(records, calls or running_calls()).readiness


NOTHING_LOCATED = LocatedReadiness(np.zeros(0, READINESS), np.zeros(0, np.int64))


def located_readiness(records: Records, calls: ReadinessCalls) -> LocatedReadiness:
    """`readiness_of` with the row of each."""
    operations = records.operations
    roles = calls.of(operations)
    ready = _returned(operations) & (operations["result"] > 0)
    parts = [
        _epoll(records, ready & (roles == Role.EPOLL_WAIT), calls),
        _poll(records, ready & (roles == Role.POLL)),
        _select(records, ready & (roles == Role.SELECT)),
    ]
    parts = [part for part in parts if part.row.size]
    if not parts:
        return NOTHING_LOCATED
    if len(parts) == 1:
        return parts[0]
    row = np.concatenate([part.row for part in parts])
    order = np.argsort(row, kind="stable")
    return LocatedReadiness(np.concatenate([part.readiness for part in parts])[order], row[order])


def scanned(records: Records, calls: ReadinessCalls | None = None) -> NDArray[np.int64]:
    """How many descriptors each call had the kernel look at, shape (n,).

    For poll its nfds, for select the descriptors in any of the sets when it began, for
    epoll_wait 0, for every other operation and where it is not known NOT_KNOWN.
    """
    operations = records.operations
    roles = (calls or running_calls()).of(operations)
    known = operations["has_arguments"]
    looked = np.full(operations.size, NOT_KNOWN, np.int64)
    looked[known & (roles == Role.EPOLL_WAIT)] = 0
    polls = known & (roles == Role.POLL)
    looked[polls] = operations["arg1"][polls] & 0xFFFFFFFF
    selects = known & (roles == Role.SELECT)
    if selects.any():
        _count_asked(records, selects, looked)
    return looked


def missing_readiness(records: Records, calls: ReadinessCalls | None = None) -> int:
    """How many ready descriptors the calls reported that are not in `readiness_of`.

    select counts a descriptor once for each set that it is in, and so does this.
    """
    calls = calls or running_calls()
    operations = records.operations
    roles = calls.of(operations)
    waits = (roles == Role.EPOLL_WAIT) | (roles == Role.POLL) | (roles == Role.SELECT)
    waits &= _returned(operations) & (operations["result"] > 0)
    reported = np.where(waits, operations["result"], 0)
    found = located_readiness(records, calls)
    each = np.ones(found.row.size, np.int64)
    of_select = roles[found.row] == Role.SELECT
    mask = found.readiness["mask"][of_select]
    each[of_select] = sum((mask & bit != 0).astype(np.int64) for bit in _SET_MASKS.values())
    counted = np.bincount(found.row, weights=each, minlength=operations.size).astype(np.int64)
    return int(np.maximum(reported - counted, 0).sum())


def _returned(operations: Batch) -> NDArray[np.bool_]:
    returned: NDArray[np.bool_] = operations["kind"] == Kind.COMPLETION
    return returned


def _epoll(records: Records, waits: NDArray[np.bool_], calls: ReadinessCalls) -> LocatedReadiness:
    items = items_of(chosen_pieces(records.memory, waits, 1), calls.epoll_event)
    within = items.position < records.operations["result"][items.row]
    row, event = items.row[within], items.item[within]
    readiness = _begun(records.operations, row)
    readiness["epoll_fd"] = records.operations["fd"][row]
    readiness["epoll_file"] = records.operations["file"][row]
    readiness["data"] = event["data"]
    readiness["mask"] = event["events"]
    return LocatedReadiness(readiness, row)


def _poll(records: Records, waits: NDArray[np.bool_]) -> LocatedReadiness:
    items = items_of(chosen_pieces(records.memory, waits, 0), _POLLFD)
    nfds = records.operations["arg1"][items.row] & 0xFFFFFFFF
    within = (items.position < nfds) & (items.item["revents"] != 0)
    row, polled = items.row[within], items.item[within]
    readiness = _begun(records.operations, row)
    readiness["mask"] = polled["revents"]
    readiness["fd"] = polled["fd"]
    return LocatedReadiness(readiness, row)


def _select(records: Records, waits: NDArray[np.bool_]) -> LocatedReadiness:
    rows, fds, masks = [], [], []
    for argument, mask in _SET_MASKS.items():
        row, fd = _members(records, waits, argument)
        rows.append(row)
        fds.append(fd)
        masks.append(np.full(row.size, mask, np.uint32))
    row, fd = np.concatenate(rows), np.concatenate(fds)
    order = np.lexsort((fd, row))
    row, fd, bits = row[order], fd[order], np.concatenate(masks)[order]
    first = _first_of_pair(row, fd)
    readiness = _begun(records.operations, row[first])
    if first.size:
        readiness["mask"] = np.bitwise_or.reduceat(bits, first)
    readiness["fd"] = fd[first]
    return LocatedReadiness(readiness, row[first])


def _begun(operations: Batch, row: NDArray[np.int64]) -> NDArray[np.void]:
    """Readiness with what the call itself says; no descriptor yet."""
    readiness = np.zeros(row.size, READINESS)
    for name in ("completed_ns", "submitted_ns", "tgid", "tid", "opcode"):
        readiness[name] = operations[name][row]
    readiness["epoll_fd"] = -1
    readiness["fd"] = -1
    return readiness


def _members(
    records: Records, calls: NDArray[np.bool_], argument: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The descriptors below nfds in the fd_sets of one argument: rows and descriptors."""
    pieces = chosen_pieces(records.memory, calls, argument)
    bits = np.unpackbits(piece_bytes(pieces), axis=1, bitorder="little")
    piece, bit = np.nonzero(bits & (np.arange(_BITS) < (pieces["length"] * 8)[:, None]))
    row = pieces["row"].astype(np.int64)[piece]
    fd = piece_numbers(pieces["row"])[piece] * _BITS + bit
    below = fd < (records.operations["arg0"][row] & 0xFFFFFFFF).astype(np.int64)
    return row[below], fd[below]


def _count_asked(records: Records, selects: NDArray[np.bool_], looked: NDArray[np.int64]) -> None:
    """Fill `looked` for selects: distinct descriptors in the sets as they were at the call."""
    memory, size = records.memory, selects.size
    entered = np.zeros((size, len(_SETS)), np.bool_)
    complete = selects.copy()
    rows, fds = [], []
    for column, argument in enumerate(_SETS):
        pieces = chosen_pieces(memory, selects, argument | ENTERED)
        entered[pieces["row"], column] = True
        # A set that only its state on return is known of did not differ when the call began.
        alone = selects & ~entered[:, column]
        for code, wanted in ((argument | ENTERED, selects), (argument, alone)):
            pieces = chosen_pieces(memory, wanted, code)
            read = np.bincount(pieces["row"], weights=pieces["length"], minlength=size)
            total = np.zeros(size, np.int64)
            total[pieces["row"]] = pieces["total"]
            complete &= read >= total
            row, fd = _members(records, wanted, code)
            rows.append(row)
            fds.append(fd)
        given = records.operations[f"arg{argument}"] != 0
        seen = np.zeros(size, np.bool_)
        seen[chosen_pieces(memory, selects, argument | ENTERED, argument)["row"]] = True
        complete &= ~given | seen | (records.operations["arg0"] & 0xFFFFFFFF == 0)
    row, fd = np.concatenate(rows), np.concatenate(fds)
    order = np.lexsort((fd, row))
    distinct = row[order][_first_of_pair(row[order], fd[order])]
    counts = np.bincount(distinct, minlength=size)
    looked[complete] = counts[complete]


def _first_of_pair(row: NDArray[np.int64], fd: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where a new (row, fd) begins in arrays sorted by both."""
    if not row.size:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate([[True], (row[1:] != row[:-1]) | (fd[1:] != fd[:-1])]))
