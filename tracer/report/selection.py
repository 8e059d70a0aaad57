"""Which operations a report shows one by one: the slowest, the unfinished, and all of a few windows.

The choice is bounded: `MOST_BARS` operations in windows, `SLOWEST` of each operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from uringtrace.tracer.report.lanes_model import Window
from uringtrace.tracer.report.model import FAMILIES, Operation, Times
from uringtrace.tracer.report.rows import CODE, Rows

MOST_BARS = 40_000
"""A recording of so many rows, or fewer, is shown operation by operation from end to end."""
WINDOW_ROWS = 2_000
"""Operations that end in each window of a larger one."""
WINDOWS = 16
SLOWEST = 20
"""Of each operation so many."""
SLOWEST_TOTAL = 600
"""And so many of all together."""
MOST_UNFINISHED = 200

_WAIT = FAMILIES.index("wait")
_SLOW_WINDOWS = 4


@dataclass(frozen=True, slots=True)
class Slow:
    """The slowest operations of one opcode."""

    code: int
    latency_ns: int
    """From here on an operation is among the slowest."""
    ended_ns: int
    """When the slowest of all ended, since the start."""


def slow_of(rows: Rows) -> tuple[Slow, ...]:
    """One for each operation that has a latency."""
    found = rows.tuples(
        f"SELECT {CODE} AS code, list_min(max(latency_ns, {SLOWEST})), "
        f"{rows.since_start('arg_max(completed_ns, latency_ns)')} "
        "FROM operations WHERE latency_ns IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    return tuple(Slow(*values) for values in found)


def windows_of(
    rows: Rows, total: int, times: Times, operations: tuple[Operation, ...], slow: tuple[Slow, ...]
) -> tuple[Window, ...]:
    """Windows to show whole, in order of time; their `rows` are not counted yet.

    `total` is the number of rows of the recording.
    """
    if total <= MOST_BARS:
        return (Window(rows.first_ns, rows.ended_ns, 0, "the whole capture"),)
    chosen: list[Window] = []
    for moment, reason in _candidates(times, operations, slow):
        if len(chosen) == WINDOWS:
            break
        if any(window.began_ns <= moment <= window.ended_ns for window in chosen):
            continue
        window = _around(rows, moment, reason, times)
        if window is not None:
            chosen.append(window)
    return tuple(sorted(chosen, key=lambda window: window.began_ns))


def _candidates(
    times: Times, operations: tuple[Operation, ...], slow: tuple[Slow, ...]
) -> Iterator[tuple[int, str]]:
    """Moments worth looking at, the most telling first."""
    slowest = {each.code: each.ended_ns for each in slow}
    count = times.completions.sum(axis=1)
    telling = [
        place
        for place in np.argsort(-count, kind="stable").tolist()
        if operations[place].family != _WAIT and operations[place].code in slowest
    ]
    for place in telling[:_SLOW_WINDOWS]:
        yield slowest[operations[place].code], f"the slowest {operations[place].name}"
    per_step = times.completions.sum(axis=0)
    yield times.middle_ns(int(per_step.argmax())), "the busiest moment"
    failed = times.errors.sum(axis=0)
    if failed.any():
        yield times.middle_ns(int(failed.argmax())), "most errors"
    yield times.first_ns, "the beginning"
    cumulated = np.cumsum(per_step)
    for part in range(1, 2 * WINDOWS):
        # Evenly over the operations, not over the time: where nothing happens is nothing to see.
        step = int(np.searchsorted(cumulated, cumulated[-1] * part // (2 * WINDOWS)))
        yield times.start_ns(step), f"after {part / (2 * WINDOWS):.0%} of the operations"


def _around(rows: Rows, moment: int, reason: str, times: Times) -> Window | None:
    """The window in which `WINDOW_ROWS` operations end, half of them before `moment`."""
    at, half = rows.started_ns + moment, WINDOW_ROWS // 2
    first, last = (rows.started_ns + each for each in _near(times, moment, half))
    ((low, high),) = rows.tuples(f"""
        SELECT
          (SELECT min(completed_ns) FROM (SELECT completed_ns FROM operations
           WHERE completed_ns BETWEEN {first} AND {at} ORDER BY completed_ns DESC LIMIT {half})),
          (SELECT max(completed_ns) FROM (SELECT completed_ns FROM operations
           WHERE completed_ns BETWEEN {at} AND {last} ORDER BY completed_ns LIMIT {half}))""")
    if low is None and high is None:
        return None
    began = (at if low is None else low) - rows.started_ns
    ended = (at if high is None else high) - rows.started_ns
    return Window(max(rows.first_ns, began), min(rows.ended_ns, ended), 0, reason)


def _near(times: Times, moment: int, count: int) -> tuple[int, int]:
    """Moments so far from `moment` that at least `count` results are between it and each, if there are."""
    per_step = times.completions.sum(axis=0)
    step = min((moment - times.first_ns) // times.step_ns, times.steps - 1)
    before = np.cumsum(per_step[:step][::-1])
    after = np.cumsum(per_step[step + 1 :])
    low = step - 1 - int(np.searchsorted(before, count))
    high = step + 2 + int(np.searchsorted(after, count))
    return times.start_ns(max(0, low)), times.start_ns(high)
