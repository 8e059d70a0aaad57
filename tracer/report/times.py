"""What happened when: throughput, what was in flight, and latencies, in steps of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.report.model import Latencies, Operation, Times
from uringtrace.tracer.report.rows import BUCKET, CODE, LAST, RESULT, Rows, by_code, moved
from uringtrace.tracer.source import Context
from uringtrace.tracer.summary import SYSCALL

STEPS = 480
"""Of throughput and of what is in flight."""
LATENCY_STEPS = 240
"""Of the heat map."""


def times_of(rows: Rows, context: Context, operations: tuple[Operation, ...]) -> Times:
    """Counts per operation and step; a step is at least one nanosecond long."""
    step_ns, steps = rows.steps(STEPS)
    step = rows.step("completed_ns", step_ns, steps)
    columns = rows.arrays(f"""
        SELECT {CODE} AS code, {step} AS step, count(*) FILTER ({RESULT}) AS n,
               count(*) FILTER ({RESULT} AND result < 0) AS errors,
               CAST(COALESCE(sum({moved(context)}) FILTER ({RESULT}), 0) AS BIGINT) AS moved,
               count(*) FILTER ({LAST}) AS ended,
               CAST(COALESCE(sum({_rest(rows, "completed_ns", step_ns, steps)}) FILTER ({LAST}), 0)
                    AS BIGINT) AS rest
        FROM operations GROUP BY ALL""")
    place = by_code(columns["code"], _codes(operations))
    found = {name: np.zeros((len(operations), steps), np.int64) for name in _COUNTED}
    for name, array in found.items():
        array[place, columns["step"]] = columns[name]
    calls = np.array([operation.interface == SYSCALL for operation in operations], bool)
    ended, rest = (_by_interface(found[name], calls) for name in ("ended", "rest"))
    return Times(
        rows.first_ns,
        step_ns,
        steps,
        found["n"],
        found["errors"],
        found["moved"],
        _in_flight(rows, step_ns, ended, rest),
    )


_COUNTED = ("n", "errors", "moved", "ended", "rest")


def _by_interface(counts: NDArray[np.int64], calls: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sums of `counts`, shape (operations, steps), over the operations of each interface: (2, steps)."""
    return np.array([counts[~calls].sum(axis=0), counts[calls].sum(axis=0)])


def _rest(rows: Rows, moment: str, step_ns: int, steps: int) -> str:
    """SQL: how much of the step that a moment is in comes after it."""
    return f"(({rows.step(moment, step_ns, steps)} + 1) * {step_ns} - ({moment} - {rows.observed_ns}))"


def _in_flight(
    rows: Rows, step_ns: int, ended: NDArray[np.int64], rest_after: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How many operations of each interface went on, on average over each step, shape (2, steps).

    What began in a step went on for the rest of it, and in every later one until it ended.
    `ended` and `rest_after`, of the same shape: how many ended in each step, and the sum of what came
    after their ends in it.
    """
    steps = ended.shape[1]
    submitted = f"COALESCE(submitted_ns, {rows.observed_ns})"
    columns = rows.arrays(f"""
        SELECT interface = '{SYSCALL}' AS call, {rows.step(submitted, step_ns, steps)} AS step, count(*) AS n,
               CAST(sum({_rest(rows, submitted, step_ns, steps)}) AS BIGINT) AS rest
        FROM operations WHERE {LAST} GROUP BY ALL""")
    began = np.zeros((2, steps), np.int64)
    rest = np.zeros((2, steps), np.int64)
    call = columns["call"].astype(np.intp)
    began[call, columns["step"]] = columns["n"]
    rest[call, columns["step"]] = columns["rest"]
    open_before = np.cumsum(began - ended, axis=1) - (began - ended)
    width = np.full(steps, step_ns)
    width[-1] = max(1, rows.ended_ns - rows.first_ns - (steps - 1) * step_ns)
    busy: NDArray[np.float64] = (open_before * step_ns + rest - rest_after) / width
    return busy


def latencies_of(rows: Rows, operations: tuple[Operation, ...]) -> Latencies:
    """Every latency, counted by operation, step and bucket."""
    step_ns, steps = rows.steps(LATENCY_STEPS)
    columns = rows.arrays(f"""
        SELECT {CODE} AS code, {rows.step("completed_ns", step_ns, steps)} AS step,
               {BUCKET} AS bucket, count(*) AS n
        FROM operations WHERE latency_ns IS NOT NULL GROUP BY ALL""")
    place = by_code(columns["code"], _codes(operations))
    order = np.lexsort((columns["bucket"], columns["step"], place))
    return Latencies(
        rows.first_ns,
        step_ns,
        steps,
        place[order],
        columns["step"][order].astype(np.int32),
        columns["bucket"][order].astype(np.int16),
        columns["n"][order].astype(np.int64),
    )


def _codes(operations: tuple[Operation, ...]) -> NDArray[np.int64]:
    return np.array([operation.code for operation in operations], np.int64)
