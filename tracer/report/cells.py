"""The whole capture at a coarse level: how many operations ended in each lane and step of time."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import numpy as np

from uringtrace.tracer.report.lane_list import LaneTables
from uringtrace.tracer.report.lanes_model import RING, THREAD, Cells
from uringtrace.tracer.report.model import Operation
from uringtrace.tracer.report.rows import CODE, Rows

STEPS = 1024


def cells_of(rows: Rows, tables: LaneTables, operations: tuple[Operation, ...]) -> Cells:
    """Each row counts in the step in which it ended, in one lane of each group at most."""
    step_ns, steps = rows.steps(STEPS)
    _number_table(rows.connection, "lane_of_thread", tables.by_thread.items())
    _number_table(rows.connection, "lane_of_ring", tables.by_ring.items())
    _number_table(rows.connection, "lane_of_file", tables.by_file.items())
    _number_table(
        rows.connection, "family_of_code", ((operation.code, operation.family) for operation in operations)
    )
    columns = rows.arrays(f"""
        WITH placed AS (
          SELECT {rows.step(rows.ended, step_ns, steps)} AS step, family.value AS family,
                 CASE WHEN tid IS NOT NULL THEN COALESCE(thread.value, {tables.others[THREAD]}) END AS t,
                 CASE WHEN ring IS NOT NULL THEN COALESCE(ring_lane.value, {tables.others[RING]}) END AS r,
                 COALESCE(own.value, brought.value) AS c
          FROM (SELECT *, {CODE} AS code FROM operations) AS operations
          JOIN family_of_code AS family ON family.key = code
          LEFT JOIN lane_of_thread AS thread ON thread.key = tid
          LEFT JOIN lane_of_ring AS ring_lane ON ring_lane.key = ring
          LEFT JOIN lane_of_file AS own ON own.key = file
          LEFT JOIN lane_of_file AS brought ON brought.key = result_file
        )
        SELECT COALESCE(t, r, c) AS lane, step, family, count(*) AS n
        FROM placed
        GROUP BY GROUPING SETS ((t, step, family), (r, step, family), (c, step, family))
        HAVING COALESCE(t, r, c, -1) >= 0""")
    lane, step, family = (columns[name].astype(np.int64) for name in ("lane", "step", "family"))
    count = columns["n"].astype(np.int64)
    # The last of each cell, in this order, is the family with most operations.
    order = np.lexsort((-family, count, step, lane))
    lane, step, family, count = lane[order], step[order], family[order], count[order]
    place = lane * steps + step
    first = np.flatnonzero(np.diff(place, prepend=-1))
    last = np.append(first[1:], len(place)) - 1 if len(place) else first
    return Cells(
        first_ns=rows.first_ns,
        step_ns=step_ns,
        steps=steps,
        lane=lane[first].astype(np.uint16),
        step=step[first].astype(np.uint16),
        count=np.add.reduceat(count, first).astype(np.uint32) if len(first) else np.zeros(0, np.uint32),
        family=family[last].astype(np.uint8),
        of_family=count[last].astype(np.uint32),
    )


def _number_table(connection: duckdb.DuckDBPyConnection, name: str, pairs: Iterable[tuple[int, int]]) -> None:
    """A temporary table of two integers."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} (key INTEGER, value SMALLINT)")
    listed = list(pairs)
    if listed:
        keys = [key for key, _ in listed]
        values = [value for _, value in listed]
        connection.execute(f"INSERT INTO {name} SELECT unnest(?), unnest(?)", [keys, values])
