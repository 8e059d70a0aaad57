"""What is in flight, as spans that reach to the present moment.

It is read from the probes' table at a moment near that of the picture. What is known by a row in
memory to have ended since is left out; of an operation with many completions only the stretch
since the last one is still open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.connections import Connection
from uringtrace.tracer.filter import Condition
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.record import CQE_F_MORE, FIRST_CALL, SQE_FIXED_FILE, Batch, Kind
from uringtrace.tracer.records import Records, empty_records, only_operations
from uringtrace.ui.terminal.spans import NO_PART, RAN, WAITED, Spans, joined, lane_keys, spans_of


@dataclass(frozen=True, slots=True)
class GoingOn:
    """What is in flight; its operations are UNFINISHED rows."""

    records: Records
    began: NDArray[np.int64]
    """Of the stretch that is open, shape (operations,): no earlier than the capture."""


def going_on(picture: Picture, condition: Condition | None) -> GoingOn:
    """All for which the condition holds as far as it is known yet. None is when the picture has ended."""
    under_way = picture.under_way
    if under_way is None or picture.ended:
        return GoingOn(empty_records(), np.zeros(0, np.int64))
    rows = under_way.at(picture.at_ns)
    ended, last_ns = _since(rows, picture.recent.parts, under_way.at_ns)
    over = {each.activity.tid for each in picture.threads if each.state == "ended"}
    chosen = ~ended & ~((rows["opcode"] >= FIRST_CALL) & np.isin(rows["tid"], list(over)))
    if condition is not None and len(rows):
        chosen &= condition.holds(only_operations(rows), picture.recent.files)
    rows, last_ns = rows[chosen], last_ns[chosen]
    began = np.maximum(np.maximum(rows["submitted_ns"].astype(np.int64), last_ns), picture.context.started_ns)
    return GoingOn(only_operations(rows), np.minimum(began, picture.at_ns))


def with_open(spans: Spans, going: GoingOn, picture: Picture, lanes: str) -> Spans:
    """With what is in flight in these lanes, until the moment of the picture."""
    rows = going.records.operations
    key = lane_keys(going.records, picture.recent.files, lanes)
    if lanes == "connections":
        key = _by_descriptor(rows, key, picture)
    added = spans_of(going.records, key)
    if not len(added):
        return spans
    calls = added.opcode >= FIRST_CALL
    running = [each.activity.tid for each in picture.threads if each.state == "running"]
    runs = np.isin(rows["tid"][added.row], running)
    numbers = {known: number for number, known in enumerate(spans.keys.tolist())}
    lane = [numbers.setdefault(known, len(numbers)) for known in added.keys.tolist()]
    added = replace(
        added,
        began=going.began[added.row],
        lane=np.array(lane, np.int32)[added.lane],
        part=np.full(len(added), NO_PART, np.int32),
        how=np.where(calls, np.where(runs, RAN, WAITED), added.how).astype(np.uint8),
    )
    return joined([spans, added], np.array(list(numbers), np.int64))


def _since(
    rows: Batch, parts: Sequence[Records], read_ns: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Of each: whether memory knows its end, and when its last completion was (0: none), shape (n,).

    What began before the capture has no beginning to be recognised by. Such an end counts only
    after `read_ns`, when these rows were read: before, it was that of another one.
    """
    ended, last_ns = np.zeros(len(rows), bool), np.zeros(len(rows), np.int64)
    if not len(rows):
        return ended, last_ns
    begun = np.unique(rows["submitted_ns"])
    found = [rows[:0]]
    for part in parts:
        batch = part.operations
        submitted = batch["submitted_ns"]
        place = np.minimum(np.searchsorted(begun, submitted), len(begun) - 1)
        match = (begun[place] == submitted) & (batch["kind"] == Kind.COMPLETION)
        found.append(batch[match])
    later = np.concatenate(found)
    group = _groups(np.concatenate([rows, later]))
    own, of_later = group[: len(rows)], group[len(rows) :]
    more = (later["cqe_flags"] & CQE_F_MORE != 0) & (later["ring"] != 0)
    completed = later["completed_ns"].astype(np.int64)
    final_ns, latest_ns = np.zeros(len(group), np.int64), np.zeros(len(group), np.int64)
    np.maximum.at(final_ns, of_later[~more], completed[~more])
    np.maximum.at(latest_ns, of_later[more], completed[more])
    ended = final_ns[own] > np.where(rows["submitted_ns"] != 0, 0, read_ns - 1)
    return ended, np.where(latest_ns > final_ns, latest_ns, 0)[own]


def _groups(rows: Batch) -> NDArray[np.intp]:
    """The same number for rows of the same operation, below the number of rows; shape (n,)."""
    who = np.where(rows["ring"] != 0, rows["user_data"], rows["tid"])
    columns = (who, rows["ring"], rows["submitted_ns"])
    order = np.lexsort(columns)
    differs = np.zeros(len(rows), bool)
    for column in columns:
        ordered = column[order]
        differs[1:] |= ordered[1:] != ordered[:-1]
    group = np.zeros(len(rows), np.intp)
    group[order] = np.cumsum(differs)
    return group


def _by_descriptor(rows: Batch, key: NDArray[np.int64], picture: Picture) -> NDArray[np.int64]:
    """With the connections of those whose file the probes have not told yet, but its descriptor.

    It is the connection that has this descriptor alone and had it when the operation began. An
    index of registered files tells that only where the process has one ring.
    """
    rings = Counter(ring.summary.tgid for ring in picture.rings)
    known: dict[tuple[int, int, bool], list[Connection]] = {}
    for each in picture.connections:
        if each.is_open and each.processes == 1 and each.tgid is not None and each.fd is not None:
            known.setdefault((each.tgid, each.fd, each.direct), []).append(each)
    places = np.flatnonzero((key == 0) & (rows["file"] == 0) & (rows["ring"] != 0) & (rows["fd"] >= 0))
    chosen = rows[places]
    direct = chosen["sqe_flags"] & SQE_FIXED_FILE != 0
    columns = (places, chosen["tgid"], chosen["fd"], direct, chosen["submitted_ns"])
    found = key.copy()
    for place, tgid, fd, by_index, began in zip(*(column.tolist() for column in columns), strict=True):
        having = known.get((tgid, fd, by_index), ())
        if len(having) == 1 and (having[0].began_ns or 0) <= began and (not by_index or rings[tgid] == 1):
            found[place] = having[0].inode
    return found
