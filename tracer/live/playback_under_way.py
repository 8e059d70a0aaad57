"""What was under way at a moment of a recording: it began before and was recorded as ended later.

Parquet keeps the times of each group of rows, so only few groups are read for it.
"""

from __future__ import annotations

import duckdb
import numpy as np

from uringtrace.tracer.live.under_way import UnderWay, distinct
from uringtrace.tracer.record import FIRST_CALL, OPERATION, Batch, Kind
from uringtrace.tracer.recording import Recording
from uringtrace.tracer.recording.columns import batch_from_arrays, select_to_batch, stored_columns
from uringtrace.tracer.recording.layout import part_path
from uringtrace.tracer.recording.parts import column_names, connect, quoted


class UnderWayThen:
    """Answers for one recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._select = ""

    def at(self, moment_ns: int) -> UnderWay | None:
        """None where the recording cannot tell: it was not finished, or a part of it is damaged."""
        recording = self._recording
        if recording.segments or recording.losses.total_lost:
            return None
        try:
            rows = self._rows(moment_ns)
        except (duckdb.Error, ValueError):
            return None
        return UnderWay(distinct(_began(rows, recording.context.started_ns)), moment_ns, True)

    def _rows(self, moment_ns: int) -> Batch:
        if self._connection is None:
            paths = [part_path(self._recording.path, number) for number in self._recording.parts]
            if not paths:
                return np.zeros(0, OPERATION)
            self._connection = connect()
            source = f"read_parquet([{', '.join(quoted(str(path)) for path in paths)}])"
            stored = stored_columns(column_names(self._connection, source))
            self._select = f"SELECT {select_to_batch()} FROM (SELECT {stored} FROM {source})"
        # What never ended has the recording's end for a time.
        later = f"completed_ns > {moment_ns} OR completed_ns = {moment_ns} AND kind = 'UNFINISHED'"
        begun = f"submitted_ns IS NULL OR submitted_ns <= {moment_ns}"
        found = self._connection.execute(f"{self._select} WHERE ({later}) AND ({begun})")
        return batch_from_arrays(found.fetchnumpy())


def _began(rows: Batch, started_ns: int) -> Batch:
    """Without those that stand for no operation, or of which the beginning is not known.

    A call without a beginning has run since before the recording began.
    """
    operation = (rows["kind"] == Kind.COMPLETION) | (rows["kind"] == Kind.UNFINISHED)
    began = (rows["submitted_ns"] != 0) | (rows["opcode"] >= FIRST_CALL)
    chosen: Batch = rows[operation & began]
    return chosen
