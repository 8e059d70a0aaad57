"""What the pairs come to: how much of what happened strace's log accounts for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.compare.clock import Alignment
from uringtrace.tracer.compare.matching import NONE, match
from uringtrace.tracer.compare.reasons import (
    OnlyOurs,
    OnlyTheirs,
    why_only_ours,
    why_only_theirs,
    window_of,
)
from uringtrace.tracer.compare.sides import Log, Observed, with_opcodes
from uringtrace.tracer.record import FIRST_CALL, Kind
from uringtrace.tracer.source import File
from uringtrace.tracer.strace.batches import Mark

OUTSIDE = (OnlyOurs.BEFORE, OnlyOurs.AFTER)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of what happened, and what of it strace's log accounts for."""

    happened: int
    seen: int

    @property
    def coverage(self) -> float | None:
        """0 to 1; None where nothing happened."""
        return self.seen / self.happened if self.happened else None


@dataclass(frozen=True, slots=True)
class NameCount:
    """One call or operation; both sides, within the window."""

    name: str
    happened: int
    """Rows of the capture."""
    strace: int
    """Lines of the log."""
    both: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it. `operations`, `calls`, `bytes` and `connections` are of the window alone."""

    window_ns: tuple[int, int]
    """While strace was there: CLOCK_MONOTONIC."""
    alignment: Alignment
    both: int
    """Pairs."""
    different_results: int
    """Pairs whose results are known on both sides and are not the same."""
    strace_calls: int
    """Calls in the log."""
    operations: Part
    """Of both interfaces: completions and calls."""
    calls: Part
    """System calls alone."""
    bytes: Part
    """That operations moved."""
    connections: Part
    """Sockets with addresses that operations were about."""
    only_ours: Mapping[OnlyOurs, int]
    """Rows of the capture without a line, by reason; without those that are 0."""
    only_theirs: Mapping[OnlyTheirs, int]
    names: tuple[NameCount, ...]
    """Most first."""
    unparsed_lines: int
    partner: NDArray[np.int64]
    """For each row of the log the row of the capture, or -1."""
    begin_ns: NDArray[np.int64]
    """When each row of the log began, CLOCK_MONOTONIC; UNKNOWN_NS where not known."""
    tid: NDArray[np.int64]
    """The thread of each row of the log; 0 where it could not be told."""
    ours_why: NDArray[np.uint8]
    """OnlyOurs of each row of the capture."""
    theirs_why: NDArray[np.uint8]
    """OnlyTheirs of each row of the log."""


def compare(log: Log, ours: Observed, window: tuple[int, int] | None = None) -> Comparison:
    """Set a log beside a capture. `window` is when strace was there, where that is known.

    Else it is from the first to the last line of the log.
    """
    theirs = with_opcodes(log, ours.operation_names)
    matching = match(theirs, log, ours)
    printed = window_of(matching, ours)
    if window is None:
        window = printed
    elif theirs.size:
        # strace may have printed a few lines before it was known to be there.
        window = min(window[0], printed[0]), max(window[1], printed[1])
    ours_why = why_only_ours(theirs, ours, matching, window)
    theirs_why = why_only_theirs(theirs, log, ours, matching)
    rows = ours.rows
    inside = ~np.isin(ours_why, OUTSIDE)
    seen = ours_why == OnlyOurs.MATCHED
    calls = inside & (rows["opcode"] >= FIRST_CALL)
    paired = np.flatnonzero(matching.partner != NONE)
    result_known = theirs["marks"][paired] & Mark.HAS_RESULT != 0
    # A call that did not return has no result on either side; 0 stands in the row of the capture.
    result_known &= rows["kind"][matching.partner[paired]] == Kind.COMPLETION
    differ = theirs["result"][paired] != rows["result"][matching.partner[paired]]
    return Comparison(
        window_ns=window,
        alignment=matching.alignment,
        both=paired.size,
        different_results=int(np.count_nonzero(differ & result_known)),
        strace_calls=theirs.size,
        operations=Part(int(np.count_nonzero(inside)), int(np.count_nonzero(seen))),
        calls=Part(int(np.count_nonzero(calls)), int(np.count_nonzero(seen))),
        bytes=Part(int(rows["bytes"][inside].sum()), int(rows["bytes"][seen].sum())),
        connections=_connections(rows, ours.files, inside, seen),
        only_ours={why: n for why in OnlyOurs if why and (n := _count(ours_why, why))},
        only_theirs={why: n for why in OnlyTheirs if why and (n := _count(theirs_why, why))},
        names=_names(theirs, log, ours, inside, paired),
        unparsed_lines=log.unparsed_lines,
        partner=matching.partner,
        begin_ns=matching.begin_ns,
        tid=matching.tid,
        ours_why=ours_why,
        theirs_why=theirs_why,
    )


def _count(reasons: NDArray[np.uint8], why: int) -> int:
    return int(np.count_nonzero(reasons == why))


def _connections(
    rows: NDArray[np.void],
    files: Mapping[int, File],
    inside: NDArray[np.bool_],
    seen: NDArray[np.bool_],
) -> Part:
    """Sockets that have a remote address; several numbers with one inode are one socket."""
    inode = {
        number: file.inode for number, file in files.items() if file.socket is not None and file.socket.remote
    }

    def sockets(mask: NDArray[np.bool_]) -> set[int]:
        numbers = np.unique(
            np.concatenate([rows[name][mask] for name in ("file", "second_file", "result_file")])
        )
        return {inode[number] for number in numbers.tolist() if number in inode}

    return Part(len(sockets(inside)), len(sockets(seen)))


def _names(
    theirs: NDArray[np.void],
    log: Log,
    ours: Observed,
    inside: NDArray[np.bool_],
    paired: NDArray[np.intp],
) -> tuple[NameCount, ...]:
    happened = _by_value(ours.rows["opcode"][inside])
    named = {ours.operation_names.get(code, f"OP_{code}"): count for code, count in happened.items()}
    lines = {log.names[name]: count for name, count in _by_value(theirs["name"]).items()}
    both = {log.names[name]: count for name, count in _by_value(theirs["name"][paired]).items()}
    found = (
        NameCount(name, named.get(name, 0), lines.get(name, 0), both.get(name, 0))
        for name in dict.fromkeys((*named, *lines))
    )
    return tuple(sorted(found, key=lambda each: (-max(each.happened, each.strace), each.name)))


def _by_value(values: NDArray[np.int64]) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))
