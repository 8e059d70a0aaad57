"""The SQL that every part of a report is built of: what a row is, when it began, which step it is in.

`CODE`, `BEGAN`, … are expressions over the view `operations`. The meanings are those of
`statistics.accumulate` and `record.duration_ns`; tests compare the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from uringtrace.errors import RecordingError
from uringtrace.tracer.record import (
    CQE_F_MORE,
    CQE_F_NOTIF,
    FIRST_CALL,
    OPCODES,
    UNKNOWN_OPCODE,
    Kind,
)
from uringtrace.tracer.recording.interruption import interruptible
from uringtrace.tracer.recording.parts import first_line
from uringtrace.tracer.source import Context
from uringtrace.tracer.statistics import BUCKETS, SUBBUCKET_BITS, SUBBUCKETS, operation_traits

CODE = f"CAST(COALESCE(number + {FIRST_CALL}, opcode, {UNKNOWN_OPCODE}) AS USMALLINT)"
"""As `record.OPERATION`'s opcode."""

NOTIFICATION = f"(COALESCE(cqe_flags, 0) & {CQE_F_NOTIF} <> 0)"
RESULT = f"(kind = '{Kind.COMPLETION.name}' AND NOT {NOTIFICATION})"
"""Rows that `OperationSummary.count` counts: results the program saw."""
LAST = (
    f"(kind = '{Kind.UNFINISHED.name}' "
    f"OR kind = '{Kind.COMPLETION.name}' AND COALESCE(cqe_flags, 0) & {CQE_F_MORE} = 0)"
)
"""One row for each operation that was seen to end, or not to have ended."""

_EXPONENT = "CAST(floor(log2(latency_ns)) AS INTEGER)"
BUCKET = (
    f"CAST(LEAST(CASE WHEN latency_ns < {SUBBUCKETS} THEN latency_ns "
    f"ELSE ({_EXPONENT} - {SUBBUCKET_BITS - 1}) * {SUBBUCKETS} "
    f"+ ((latency_ns >> ({_EXPONENT} - {SUBBUCKET_BITS})) & {SUBBUCKETS - 1}) END, "
    f"{BUCKETS - 1}) AS SMALLINT)"
)
"""`statistics.bucket` of `latency_ns`."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The views of one recording, and the capture's beginning and length."""

    connection: duckdb.DuckDBPyConnection
    started_ns: int
    """CLOCK_MONOTONIC."""
    first_ns: int
    """When the first operation was seen, since then: 0, or before it by as long as the probes were
    attached already."""
    ended_ns: int
    """Length of the capture; no row ends later."""

    @property
    def observed_ns(self) -> int:
        """CLOCK_MONOTONIC of the beginning of the first step."""
        return self.started_ns + self.first_ns

    def steps(self, most: int) -> tuple[int, int]:
        """Length of a step and number of steps, at most `most`; the last may be cut short."""
        length = self.ended_ns - self.first_ns
        step_ns = max(1, -(-length // most))
        return step_ns, max(1, -(-length // step_ns))

    def arrays(self, sql: str) -> dict[str, NDArray[Any]]:
        """The answer as columns, without NULLs in numeric ones. Raises RecordingError."""
        try:
            columns: Mapping[str, NDArray[Any]] = interruptible(
                self.connection, lambda: self.connection.execute(sql).fetchnumpy()
            )
        except duckdb.Error as error:
            raise _unreadable(error) from None
        # A column that could hold NULL comes masked.
        return {
            name: column.data if isinstance(column, np.ma.MaskedArray) else column
            for name, column in columns.items()
        }

    def tuples(self, sql: str) -> list[tuple[Any, ...]]:
        """The answer as Python values. Raises RecordingError."""
        try:
            return interruptible(self.connection, lambda: self.connection.execute(sql).fetchall())
        except duckdb.Error as error:
            raise _unreadable(error) from None

    def run(self, sql: str) -> None:
        """A statement without an answer."""
        interruptible(self.connection, lambda: self.connection.execute(sql))

    def since_start(self, moment: str) -> str:
        """SQL: nanoseconds from the beginning of the capture to a moment."""
        return f"({moment} - {self.started_ns})"

    def step(self, moment: str, step_ns: int, steps: int) -> str:
        """SQL: the number of the step that a moment is in, 0 to `steps` - 1."""
        number = f"({moment} - {self.observed_ns}) // {step_ns}"
        return f"CAST(LEAST(GREATEST({number}, 0), {steps - 1}) AS BIGINT)"

    @property
    def began(self) -> str:
        """SQL: when the stretch that a row stands for began, as the bars have it.

        An operation with many completions is one stretch for each. What began before the capture
        is shown from the capture's beginning; what was not seen to be submitted is a moment.
        """
        return (
            f"CASE WHEN kind = '{Kind.COMPLETION.name}' "
            f"THEN COALESCE(previous_ns, submitted_ns, {self.observed_ns}) "
            f"WHEN kind = '{Kind.UNFINISHED.name}' THEN COALESCE(submitted_ns, {self.observed_ns}) "
            f"WHEN kind = '{Kind.SILENT.name}' THEN COALESCE(submitted_ns, completed_ns) "
            "ELSE completed_ns END"
        )

    @property
    def ended(self) -> str:
        """SQL: when that stretch ended. When a silent operation ended cannot be observed."""
        silent = f"kind = '{Kind.SILENT.name}'"
        return f"CASE WHEN {silent} THEN COALESCE(submitted_ns, completed_ns) ELSE completed_ns END"


def moved(context: Context) -> str:
    """SQL: the bytes that a row moved, NULL for operations whose results are no bytes.

    Those may be addresses, of which a sum would be too large for any number.
    """
    moves = np.flatnonzero(operation_traits(context.operation_names).moves_bytes).tolist()
    listed = ", ".join(map(str, moves)) or "-1"
    return f"CASE WHEN {CODE} IN ({listed}) THEN GREATEST(result, 0) END"


def by_code(codes: NDArray[np.integer[Any]], known: NDArray[np.integer[Any]]) -> NDArray[np.int16]:
    """The place of each code in `known` (distinct), same shape; -1 where it is not there."""
    place = np.full(OPCODES, -1, np.int16)
    place[known] = np.arange(len(known))
    found: NDArray[np.int16] = place[codes]
    return found


def _unreadable(error: duckdb.Error) -> RecordingError:
    return RecordingError(
        f"the recording cannot be read: {first_line(error)}",
        "`uringtrace stat RECORDING` says which of its parts are damaged",
    )
