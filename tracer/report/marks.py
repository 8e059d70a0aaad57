"""Readiness within the windows: which descriptor a wait reported, when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from uringtrace.tracer.report.bars import shortened
from uringtrace.tracer.report.lane_list import LaneTables
from uringtrace.tracer.report.lanes_model import THREAD, Marks, Window
from uringtrace.tracer.report.rows import Rows
from uringtrace.tracer.source import File

MOST_MARKS = 10_000


def marks_of(
    rows: Rows,
    windows: Sequence[Window],
    tables: LaneTables,
    files: Mapping[int, File],
    names: tuple[str, ...],
) -> tuple[Marks, int, tuple[str, ...], tuple[str, ...]]:
    """The marks, how many were left out, the list of files (which begins with `names`) and of events."""
    moment = rows.since_start("completed_ns")
    inside = " OR ".join(f"{moment} BETWEEN {each.began_ns} AND {each.ended_ns}" for each in windows)
    found = rows.tuples(
        f"SELECT {moment}, tid, COALESCE(fd, -1), events, file FROM readiness "
        f"WHERE {inside or 'false'} ORDER BY completed_ns, tid, fd LIMIT {MOST_MARKS}"
    )
    ((total,),) = rows.tuples(f"SELECT count(*) FROM readiness WHERE {inside or 'false'}")
    places = {name: place for place, name in enumerate(names)}
    events: dict[str, int] = {}
    values = []
    for ns, tid, fd, event, number in found:
        file = files.get(number or 0)
        place = -1 if file is None else places.setdefault(shortened(file.description), len(places))
        lane = tables.by_thread.get(tid, tables.others[THREAD])
        values.append((ns, lane, fd, events.setdefault(event, len(events)), place))
    columns = np.array(values, np.int64).reshape(-1, 5)
    marks = Marks(
        ns=columns[:, 0].copy(),
        lane=columns[:, 1].astype(np.int16),
        fd=columns[:, 2].copy(),
        events=columns[:, 3].astype(np.int16),
        file=columns[:, 4].astype(np.int32),
    )
    return marks, total - len(found), tuple(places), tuple(events)
