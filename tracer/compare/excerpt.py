"""Some seconds of both sides in time order: each call once, with what each side has of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.compare.account import OUTSIDE, Comparison
from uringtrace.tracer.compare.matching import NONE
from uringtrace.tracer.compare.reasons import OnlyOurs, OnlyTheirs
from uringtrace.tracer.compare.sides import Log, Observed
from uringtrace.tracer.record import FIRST_CALL
from uringtrace.tracer.records import Records
from uringtrace.tracer.strace import Call, Record
from uringtrace.tracer.strace.batches import UNKNOWN_NS


@dataclass(frozen=True, slots=True)
class Entry:
    """One call or operation; at least one side has it."""

    at_ns: int
    """CLOCK_MONOTONIC: when a call began; when an operation of io_uring, which may have many, completed."""
    tid: int
    line: int | None
    """Where strace has it: the number of its first line."""
    row: int | None
    """Where the capture has it: the row of `Observed.rows`."""
    call: int | None
    """Where strace has it: the row of `Log.rows`."""
    only_ours: OnlyOurs
    only_theirs: OnlyTheirs


def entries(log: Log, ours: Observed, comparison: Comparison, most: int) -> tuple[Entry, ...]:
    """The first `most` within the window, in time order. A row without any time stands nowhere."""
    rows = ours.rows
    asked = (rows["opcode"] < FIRST_CALL) | (rows["submitted_ns"] == 0)
    moments = np.where(asked, rows["completed_ns"], rows["submitted_ns"])
    lone = _lone(comparison)
    inside = np.flatnonzero(~np.isin(comparison.ours_why, OUTSIDE))
    line_of_row = np.full(rows.size, NONE)
    paired = np.flatnonzero(comparison.partner != NONE)
    line_of_row[comparison.partner[paired]] = paired
    at_ns = np.concatenate([moments[inside], comparison.begin_ns[lone]])
    order = np.argsort(at_ns, kind="stable")[:most]
    found = []
    for place in order.tolist():
        if place < inside.size:
            row: int | None = int(inside[place])
            number = int(line_of_row[row])
        else:
            row, number = None, int(lone[place - inside.size])
        found.append(
            Entry(
                int(at_ns[place]),
                int(rows["tid"][row]) if row is not None else int(comparison.tid[number]),
                int(log.rows["line"][number]) if number != NONE else None,
                row,
                number if number != NONE else None,
                OnlyOurs.MATCHED if row is None else OnlyOurs(int(comparison.ours_why[row])),
                OnlyTheirs.MATCHED if number == NONE else OnlyTheirs(int(comparison.theirs_why[number])),
            )
        )
    return tuple(found)


def entry_count(comparison: Comparison) -> int:
    """How many there are, however many are asked for."""
    return comparison.operations.happened + _lone(comparison).size


def _lone(comparison: Comparison) -> NDArray[np.intp]:
    """Rows of the log without partner that have a place in time."""
    return np.flatnonzero(
        (comparison.partner == NONE)
        & (comparison.begin_ns != UNKNOWN_NS)
        & ~np.isin(comparison.theirs_why, (OnlyTheirs.BEFORE, OnlyTheirs.AFTER))
        & comparison.alignment.by_time
    )


def texts_of_lines(records: Iterable[Record], wanted: Iterable[int]) -> Mapping[int, str]:
    """What strace wrote of the calls that begin in these lines, without thread and time.

    Ends as soon as all are found.
    """
    missing = set(wanted)
    found: dict[int, str] = {}
    for record in records:
        if not missing:
            break
        if isinstance(record, Call) and record.lines[0] in missing:
            found[record.lines[0]] = record.text
            missing.discard(record.lines[0])
    return found


_Key = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Placed:
    """Some records, and which of them are wanted rows of `Observed.rows`."""

    records: Records
    chosen: NDArray[np.bool_]
    """Shape (n,)."""
    places: tuple[int, ...]
    """Where they are in the records, ascending."""
    numbers: tuple[int, ...]
    """Which rows they are."""


def placed(records: Iterable[Records], ours: Observed, wanted: Iterable[int]) -> Iterator[Placed]:
    """All records up to the last of these rows of `Observed.rows`, in parts."""
    numbers = np.array(sorted(wanted), np.intp)
    keys: dict[_Key, list[int]] = {}
    for number, key in zip(numbers.tolist(), _keys(ours.rows[numbers]), strict=True):
        keys.setdefault(key, []).append(number)
    moments = ours.rows["completed_ns"][numbers].astype(np.uint64)
    missing = numbers.size
    for part in records:
        if not missing:
            return
        near = np.flatnonzero(np.isin(part.operations["completed_ns"], moments))
        found = [
            (place, keys[key].pop(0))
            for place, key in zip(near.tolist(), _keys(part.operations[near]), strict=True)
            if keys.get(key)
        ]
        missing -= len(found)
        chosen = np.zeros(part.operations.size, bool)
        chosen[[place for place, _ in found]] = True
        yield Placed(part, chosen, tuple(place for place, _ in found), tuple(number for _, number in found))


def _keys(rows: NDArray[np.void]) -> list[_Key]:
    columns = (rows[name].tolist() for name in ("completed_ns", "submitted_ns", "tid", "opcode"))
    return list(zip(*columns, strict=True))
