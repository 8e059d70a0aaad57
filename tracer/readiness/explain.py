"""Everything about waits for the rows that someone looks at.

`Explainer` is given all records and works on whole batches; objects are made by
`Explained.wait` for single rows. Invariant: filtering what is shown changes no answer, since
every record is taken in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.readiness.calls import Role, calls_of
from uringtrace.tracer.readiness.causes import CauseKind, Causes
from uringtrace.tracer.readiness.descriptors import Descriptors
from uringtrace.tracer.readiness.resolve import ReadinessResolver
from uringtrace.tracer.readiness.waits import NOT_KNOWN, LocatedReadiness, scanned
from uringtrace.tracer.readiness.wakers import Explanation, Reason, Woke, explanation, reasons, woke
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, File, Interest


@dataclass(frozen=True, slots=True)
class Cause:
    """What made a descriptor ready, as far as it was seen."""

    kind: CauseKind
    tid: int | None
    opcode: int | None
    before_ns: int
    """How long before the wait returned."""


@dataclass(frozen=True, slots=True)
class Ready:
    """One descriptor that a wait reported."""

    fd: int | None
    file: int | None
    data: int | None
    """What epoll reported; None for poll and select."""
    mask: int
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class Wait:
    """One operation: what it reported and what ended it."""

    ready: tuple[Ready, ...]
    reported: int
    """How many descriptors the call said are ready: more than in `ready` where those were not read."""
    scanned: int | None
    """How many descriptors poll or select looked at."""
    ended_by: Explanation | None
    woke: Woke | None


@dataclass(frozen=True, slots=True)
class Explained:
    """The answers for one `Records`; `row` arguments are indices of its operations."""

    records: Records
    located: LocatedReadiness
    """Readiness with its row, ascending, and descriptors where they are known."""
    causes: NDArray[np.void]
    """Of each readiness, dtype `causes.CAUSE`."""
    scanned: NDArray[np.int64]
    reasons: NDArray[np.object_]
    roles: NDArray[np.uint8]

    def wait(self, row: int, limit: int | None = None) -> Wait:
        """What is known of one row, with at most `limit` descriptors."""
        operation = self.records.operations[row]
        low, high = np.searchsorted(self.located.row, [row, row + 1])
        last = high if limit is None else min(high, low + limit)
        reason = self.reasons[row]
        looked = int(self.scanned[row])
        many = int(self.roles[row]) in (Role.POLL, Role.SELECT)
        return Wait(
            ready=tuple(self._ready(index) for index in range(low, last)),
            reported=max(int(operation["result"]), high - low) if high > low else 0,
            scanned=looked if many and looked != NOT_KNOWN else None,
            ended_by=None if reason is None else explanation(operation, reason),
            woke=woke(operation),
        )

    def told(self) -> NDArray[np.bool_]:
        """Rows of which there is something to say: what was ready, or what cut the wait short."""
        chosen: NDArray[np.bool_] = (self.reasons == Reason.SIGNAL) | (self.reasons == Reason.TIMEOUT)
        chosen[self.located.row] = True
        return chosen

    def piece(self, records: Records, begin: int, end: int) -> Explained:
        """The answers for rows `begin` to `end` - 1, which `records` are."""
        low, high = np.searchsorted(self.located.row, [begin, end])
        located = LocatedReadiness(self.located.readiness[low:high], self.located.row[low:high] - begin)
        return Explained(
            records,
            located,
            self.causes[low:high],
            self.scanned[begin:end],
            self.reasons[begin:end],
            self.roles[begin:end],
        )

    def followed_by(self, other: Explained, records: Records) -> Explained:
        """The answers for the rows of both, one after the other, which `records` are."""
        row = np.concatenate([self.located.row, other.located.row + len(self.roles)])
        located = LocatedReadiness(np.concatenate([self.located.readiness, other.located.readiness]), row)
        return Explained(
            records,
            located,
            np.concatenate([self.causes, other.causes]),
            np.concatenate([self.scanned, other.scanned]),
            np.concatenate([self.reasons, other.reasons]),
            np.concatenate([self.roles, other.roles]),
        )

    def _ready(self, index: int) -> Ready:
        readiness, cause = self.located.readiness[index], self.causes[index]
        fd = int(readiness["fd"])
        by_epoll = int(self.roles[self.located.row[index]]) == Role.EPOLL_WAIT
        return Ready(
            fd=fd if fd >= 0 else None,
            file=int(readiness["file"]) or None,
            data=int(readiness["data"]) if by_epoll else None,
            mask=int(readiness["mask"]),
            cause=_cause(cause) if int(cause["kind"]) else None,
        )


def _cause(cause: np.void) -> Cause:
    return Cause(
        CauseKind(int(cause["kind"])),
        int(cause["tid"]) or None,
        int(cause["opcode"]) if int(cause["tid"]) else None,
        int(cause["before_ns"]),
    )


class Explainer:
    """Follows a capture: interest lists, descriptors, writes and arrivals."""

    def __init__(self, context: Context, interests: Iterable[Interest] = ()) -> None:
        self._calls = calls_of(context)
        self._resolver = ReadinessResolver(interests, self._calls)
        self._descriptors = Descriptors(context.operation_names, self._calls)
        self._causes = Causes(context.operation_names, self._calls)

    def forget(self, files: Iterable[int]) -> None:
        """Of the files with these numbers nothing comes any more."""
        self._causes.forget(files)

    def add(self, records: Records, files: Mapping[int, File]) -> Explained:
        """Take in the next records, in the order of time; `files` are those known by now."""
        operations = records.operations
        located = self._resolver.locate(records)
        self._descriptors.add(operations)
        readiness = located.readiness
        unnamed = np.flatnonzero((readiness["epoll_fd"] == -1) & (readiness["file"] == 0))
        if unnamed.size:
            asked = readiness[unnamed]
            named = self._descriptors.files(asked["tgid"], asked["fd"], asked["completed_ns"])
            readiness["file"][unnamed] = named
        self._causes.add(records, files)
        return Explained(
            records,
            located,
            self._causes.of(located, operations, files),
            scanned(records, self._calls),
            reasons(operations, self._calls),
            self._calls.of(operations),
        )
