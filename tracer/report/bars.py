"""Single operations: one scan of the recording for all that a report shows one by one.

The same rows make the bars of the timeline and the tables of slowest and unfinished
operations, so that these cannot disagree.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.record import Kind, Wake
from uringtrace.tracer.recording.columns import PATHS
from uringtrace.tracer.report.lane_list import LaneTables, place_array
from uringtrace.tracer.report.lanes_model import RING, THREAD, Bars, Lane, Window
from uringtrace.tracer.report.model import Operation
from uringtrace.tracer.report.rows import CODE, Rows, by_code
from uringtrace.tracer.report.selection import (
    MOST_UNFINISHED,
    SLOWEST,
    SLOWEST_TOTAL,
    Slow,
)
from uringtrace.tracer.source import File

DEEPEST = 12
"""Rows of a lane: what goes on at once beyond that is drawn over others."""
_TEXT_MOST = 160
"""Characters of a file's name that are kept."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The bars, and what goes with them."""

    bars: Bars
    lanes: tuple[Lane, ...]
    """With their depths."""
    windows: tuple[Window, ...]
    """With their rows counted."""
    files: tuple[str, ...]


def place_of(kinds: Sequence[str], column: str) -> str:
    """SQL: the place of a name in `kinds`, or -1."""
    cases = " ".join(f"WHEN '{name}' THEN {place}" for place, name in enumerate(kinds))
    return f"CAST(CASE {column} {cases} ELSE -1 END AS TINYINT)"


_READ = (
    "completed_ns, submitted_ns, latency_ns, interface, operation, kind, path, result, error, pathname, "
    "tgid, tid, fd, file, result_file, ring, user_data, woken_ns, wake, waker"
)


def create_chosen(rows: Rows, windows: Sequence[Window], slow: Sequence[Slow]) -> None:
    """Create the temporary table `chosen`: rows in windows, the slowest and the oldest unfinished.

    Its columns are `_READ`, those of `operations` that are shown, and `began_ns` and `over_ns` (the
    stretch, since the start), `code`, `slowest`, and `age_ns` of the unfinished.
    """
    cases = " ".join(f"WHEN {each.code} THEN {each.latency_ns}" for each in slow) or "WHEN -1 THEN 0"
    inside = _inside(windows)
    least = min((each.latency_ns for each in slow), default=0)
    unfinished = f"kind = '{Kind.UNFINISHED.name}'"
    rows.run(f"""
        CREATE OR REPLACE TEMP TABLE chosen AS
        WITH timed AS (
          SELECT {_READ}, {CODE} AS code, {rows.since_start(rows.began)} AS began_ns,
                 {rows.since_start(rows.ended)} AS over_ns
          FROM operations
        ), near AS (
          SELECT *, COALESCE(latency_ns >= {least} AND latency_ns >= CASE code {cases} END, false) AS slow,
                 {unfinished} AS unfinished, {inside} AS inside
          FROM timed WHERE inside OR unfinished OR slow
        )
        SELECT * EXCLUDE (slow, unfinished, inside),
               CASE WHEN unfinished THEN over_ns - began_ns END AS age_ns,
               slow AND row_number() OVER (PARTITION BY slow, code ORDER BY latency_ns DESC, completed_ns)
                 <= {SLOWEST} AS slow_one,
               unfinished AND row_number() OVER (PARTITION BY unfinished ORDER BY began_ns, tid, ring)
                 <= {MOST_UNFINISHED} AS open_one,
               inside
        FROM near""")
    rows.run(f"""
        CREATE OR REPLACE TEMP TABLE chosen AS
        SELECT * EXCLUDE (slow_one, inside), slow_one AND
               row_number() OVER (PARTITION BY slow_one ORDER BY latency_ns DESC, completed_ns)
                 <= {SLOWEST_TOTAL} AS slowest
        FROM chosen WHERE inside OR slow_one OR open_one""")


def _inside(windows: Sequence[Window]) -> str:
    """SQL: whether a row's stretch, `began_ns` to `over_ns`, is in a window even in part.

    Of windows in the order of time only the first that ends after a row's beginning needs a look,
    and that is found by halving.
    """
    if not windows:
        return "false"
    middle = len(windows) // 2
    if not middle:
        return f"(began_ns <= {windows[0].ended_ns} AND over_ns >= {windows[0].began_ns})"
    before, after = _inside(windows[:middle]), _inside(windows[middle:])
    return f"CASE WHEN began_ns <= {windows[middle - 1].ended_ns} THEN {before} ELSE {after} END"


def bars_of(
    rows: Rows,
    windows: tuple[Window, ...],
    tables: LaneTables,
    operations: tuple[Operation, ...],
    files: Mapping[int, File],
) -> Shown:
    """The rows of `chosen` as bars."""
    columns = rows.arrays(f"""
        SELECT began_ns, over_ns, code, {place_of([""] + [kind.name for kind in Kind], "kind")} AS kind,
               {place_of(PATHS, "path")} AS path, COALESCE(tid, 0) AS tid, COALESCE(ring, 0) AS ring,
               COALESCE(file, 0) AS file, COALESCE(result_file, 0) AS result_file,
               COALESCE(result, 0) AS result, result IS NOT NULL AS has_result, COALESCE(fd, -1) AS fd,
               COALESCE({rows.since_start("woken_ns")}, -1) AS woken_ns,
               {place_of([wake.name.lower() for wake in Wake], "wake")} AS wake,
               COALESCE(waker, -1) AS waker,
               submitted_ns IS NULL AND kind IN ('COMPLETION', 'UNFINISHED') AS begun_before,
               slowest OR open_one AS slowest
        FROM chosen ORDER BY began_ns, over_ns, code, tid""")
    began, ended = columns["began_ns"].astype(np.int64), columns["over_ns"].astype(np.int64)
    lane = _lanes(columns, tables)
    slot = np.zeros(lane.shape, np.uint8)
    lanes = list(tables.lanes)
    for group in range(lane.shape[1]):
        for number in np.unique(lane[:, group][lane[:, group] >= 0]).tolist():
            chosen = np.flatnonzero(lane[:, group] == number)
            slots, depth = packed(began[chosen], ended[chosen])
            slot[chosen, group] = slots
            lanes[number] = replace(lanes[number], depth=depth)
    file, names = _files(columns["file"], files)
    bars = Bars(
        began_ns=began,
        ended_ns=ended,
        operation=by_code(columns["code"], np.array([each.code for each in operations], np.int64)),
        kind=columns["kind"].astype(np.uint8),
        path=columns["path"].astype(np.int8),
        lane=lane,
        slot=slot,
        result=columns["result"].astype(np.int64),
        has_result=columns["has_result"].astype(bool),
        tid=np.where(columns["tid"] == 0, -1, columns["tid"]).astype(np.int64),
        fd=columns["fd"].astype(np.int64),
        file=file,
        woken_ns=columns["woken_ns"].astype(np.int64),
        wake=np.maximum(columns["wake"], 0).astype(np.uint8),
        waker=columns["waker"].astype(np.int64),
        begun_before=columns["begun_before"].astype(bool),
        slowest=columns["slowest"].astype(bool),
    )
    counted = tuple(
        replace(window, rows=int(((ended >= window.began_ns) & (began <= window.ended_ns)).sum()))
        for window in windows
    )
    return Shown(bars, tuple(lanes), counted, names)


def _lanes(columns: Mapping[str, NDArray[Any]], tables: LaneTables) -> NDArray[np.int16]:
    """The lane of each row in each of the groups, shape (n, 3)."""
    lane = np.full((len(columns["tid"]), 3), -1, np.int16)
    for group, name, places in (
        (0, "tid", {**tables.by_thread, 0: -1}),
        (1, "ring", {**tables.by_ring, 0: -1}),
    ):
        others = tables.others[(THREAD, RING)[group]]
        lane[:, group] = _looked_up(columns[name], places, others)
    own = _looked_up(columns["file"], {**tables.by_file, 0: -1}, -1)
    brought = _looked_up(columns["result_file"], {**tables.by_file, 0: -1}, -1)
    lane[:, 2] = np.where(own >= 0, own, brought)
    return lane


def _looked_up(keys: NDArray[Any], places: Mapping[int, int], absent: int) -> NDArray[np.int16]:
    array = place_array(places, absent)
    inside = keys < len(array)
    return np.where(inside, array[np.where(inside, keys, 0)], np.int16(absent))


def packed(began: NDArray[np.int64], ended: NDArray[np.int64]) -> tuple[NDArray[np.uint8], int]:
    """A row for each stretch, so that those at once are in different ones, and how many rows.

    `began` ascends. A stretch takes the lowest row that is free; beyond DEEPEST they share.
    """
    rows = np.zeros(len(began), np.uint8)
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    used = 0
    for index, (begin, end) in enumerate(zip(began.tolist(), ended.tolist(), strict=True)):
        while busy and busy[0][0] <= begin:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            row = heapq.heappop(free)
        else:
            row, used = used, used + 1
        heapq.heappush(busy, (end, row))
        rows[index] = row % DEEPEST
    return rows, min(max(used, 1), DEEPEST)


def _files(numbers: NDArray[Any], files: Mapping[int, File]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """The place of each row's file in a list of descriptions, -1 where it is not known; and the list."""
    distinct, place = np.unique(numbers, return_inverse=True)
    names: dict[str, int] = {}
    places = np.full(len(distinct), -1, np.int32)
    for index, number in enumerate(distinct.tolist()):
        file = files.get(number)
        if number and file is not None:
            places[index] = names.setdefault(shortened(file.description), len(names))
    return places[place.reshape(numbers.shape)].astype(np.int32), tuple(names)


def shortened(text: str) -> str:
    """At most `_TEXT_MOST` characters of a text that a program chose."""
    return text if len(text) <= _TEXT_MOST else text[: _TEXT_MOST - 1] + "…"
