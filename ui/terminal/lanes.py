"""The cells of the timeline: one line of characters for each lane, from the spans of its operations.

Pure numpy. A cell in which one operation was under way shows that operation as part of a bar,
named where there is room; a cell with several shows how many as a height. An operation that
reaches beyond an edge is cut there, never left out. Before the oldest kept moment every cell is
`FORGOTTEN`: nothing is known of it, which is not the same as nothing having happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.record import Wake
from uringtrace.ui.terminal.letters import letter_of
from uringtrace.ui.terminal.spans import RAN, WAITED, WORKER, Spans

HEIGHTS = "▁▂▃▄▅▆▇█"
FILLS = {RAN: "─", WAITED: "╌", WORKER: "═"}
END, FAILED, GOES_ON, CUT, FORGOTTEN, WOKEN = "┤", "×", "›", "‹", "░", "^"
WAKE_SIGNS = {Wake.TIMER: "t", Wake.NETWORK: "n", Wake.THREAD: "^", Wake.INTERRUPT: "i"}
SEVERAL_WAKES = "+"
NAME_WIDTH = 16

PLAIN, BAR, DENSE, ALARM, WAKE, UNKNOWN = range(6)
"""How a cell is marked, beside its character."""


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch from `start_ns` to `end_ns`, both included, in `width` cells."""

    start_ns: int
    end_ns: int
    width: int

    def cells(self, moments_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """The cell of each moment, same shape; what is outside is in the outermost."""
        span = self.end_ns - self.start_ns
        inside = np.clip(moments_ns - self.start_ns, 0, span)
        # A time of an hour and a terminal of 1000 columns are far from 2**63.
        return np.minimum(inside * self.width // span, self.width - 1)

    def first_ns(self, cell: int) -> int:
        """The first moment in the cell."""
        return self.start_ns - (-(cell * (self.end_ns - self.start_ns)) // self.width)

    def overlapping(self, spans: Spans) -> NDArray[np.bool_]:
        """Which of them were under way at any moment of it, shape (n,)."""
        return (spans.began <= self.end_ns) & (spans.ended >= self.start_ns)


@dataclass(frozen=True, slots=True)
class Painted:
    """Arrays of shape (lanes, width)."""

    signs: NDArray[np.str_]
    """One character each."""
    marks: NDArray[np.uint8]
    """`PLAIN` to `UNKNOWN`."""
    counts: NDArray[np.int64]
    """Operations that were under way in the cell."""
    most_per_height: tuple[int, ...]
    """The greatest count that each but the last of `HEIGHTS` stands for."""


def paint(
    spans: Spans,
    lanes: NDArray[np.int64],
    window: Window,
    remembered_ns: int,
    operation_names: Mapping[int, str],
) -> Painted:
    """The cells of these lanes, in their order, which is that of the result.

    What ended before `remembered_ns` is not known.
    """
    chosen, place = _in_lanes(spans, lanes, window)
    first, last = window.cells(spans.began[chosen]), window.cells(spans.ended[chosen])
    counts, only = _coverage(place, first, last, len(lanes), window.width)
    signs = np.full(counts.shape, " ")
    marks = np.zeros(counts.shape, np.uint8)
    steps = height_steps(int(counts.max(initial=0)))
    dense = counts > 1
    heights = np.array(list(HEIGHTS))
    signs[dense] = heights[np.searchsorted(np.array(steps), counts[dense])]
    marks[dense] = DENSE
    _draw_failures(marks, spans.failed[chosen], place, last, dense)
    forgotten = _forgotten_cells(window, remembered_ns)
    single = counts == 1
    single[:, :forgotten] = False
    bars = _Bars(spans, chosen, only, single, last, forgotten)
    _draw_bars(signs, marks, bars, window, operation_names)
    signs[:, :forgotten] = FORGOTTEN
    marks[:, :forgotten] = UNKNOWN
    counts[:, :forgotten] = 0
    return Painted(signs, marks, counts, steps)


def _in_lanes(
    spans: Spans, lanes: NDArray[np.int64], window: Window
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the spans that are in the window and in one of the lanes, and the index of that lane."""
    places = {key: place for place, key in enumerate(lanes.tolist())}
    place_of = np.array([places.get(key, -1) for key in spans.keys.tolist()], np.intp)
    if not place_of.size:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    place = place_of[spans.lane]
    chosen = np.flatnonzero(window.overlapping(spans) & (place >= 0))
    return chosen, place[chosen]


def _coverage(
    place: NDArray[np.intp], first: NDArray[np.int64], last: NDArray[np.int64], lanes: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many spans cover each cell, and the sum of their indices: where it is one, that one's.

    Both of shape (lanes, width).
    """
    across = width + 1
    begin, beyond = place * across + first, place * across + last + 1
    size = lanes * across
    index = np.arange(len(place), dtype=np.float64)
    # Sums of indices stay below 2**53, where floats are exact, for up to 10**8 spans.
    number = np.bincount(begin, minlength=size) - np.bincount(beyond, minlength=size)
    total = np.bincount(begin, index, size) - np.bincount(beyond, index, size)
    shape = (lanes, across)
    counts = np.cumsum(number.reshape(shape), axis=1)[:, :-1]
    only = np.cumsum(total.reshape(shape), axis=1)[:, :-1]
    return counts, only.astype(np.int64)


def height_steps(most: int) -> tuple[int, ...]:
    """The greatest count for each height but the last, so that `most` is among the last ones.

    Powers of 2, or of the next greater power of 2 that reaches: small changes keep the scale.
    """
    factor = 2
    while factor ** len(HEIGHTS) < most:
        factor *= 2
    return tuple(factor**power for power in range(1, len(HEIGHTS)))


class _Bars(NamedTuple):
    """What is needed to draw the cells that belong to one operation alone."""

    spans: Spans
    chosen: NDArray[np.intp]
    """Indices of the spans that are drawn."""
    only: NDArray[np.int64]
    """Shape (lanes, width): where `single`, which of `chosen` it is."""
    single: NDArray[np.bool_]
    last: NDArray[np.int64]
    """For each of `chosen` its last cell."""
    edge: int
    """The first cell in which anything is known."""


def _draw_bars(
    signs: NDArray[np.str_],
    marks: NDArray[np.uint8],
    bars: _Bars,
    window: Window,
    operation_names: Mapping[int, str],
) -> None:
    """Runs of cells of one operation: a label, a line that says how, and how it ended."""
    at = np.flatnonzero(bars.single)
    if not at.size:
        return
    owner, column = bars.only.ravel()[at], at % window.width
    starts = np.ones(at.size, bool)
    starts[1:] = (owner[1:] != owner[:-1]) | (at[1:] != at[:-1] + 1) | (column[1:] == 0)
    run_starts = np.flatnonzero(starts)
    run = np.cumsum(starts) - 1
    length = np.diff(np.append(run_starts, at.size))[run]
    within = np.arange(at.size) - run_starts[run]
    span = bars.spans.take(bars.chosen[owner])

    drawn = np.array([FILLS[how] for how in sorted(FILLS)])[span.how]
    mark = np.full(at.size, BAR, np.uint8)
    woken = (window.cells(span.woken) == column) & _inside(span.woken, window)
    drawn[woken], mark[woken] = WOKEN, WAKE

    # A bar that began before what is known says so in its first cell, and is named from the second.
    edge_ns = window.first_ns(bars.edge)
    cut = (span.began < edge_ns) & (column - within == bars.edge) & (length > 1)
    _write_labels(drawn, within - cut, length - cut, span.opcode, operation_names)
    drawn[cut & (within == 0)] = CUT

    at_end = bars.last[owner] == column
    beyond = span.open | (span.ended > window.end_ns)
    end = at_end & (within - cut > 0)
    drawn[end] = np.where(beyond, GOES_ON, END)[end]
    failed = at_end & span.failed & ~beyond
    drawn[failed] = FAILED
    mark[failed] = ALARM
    signs.ravel()[at] = drawn
    marks.ravel()[at] = mark


def _write_labels(
    drawn: NDArray[np.str_],
    place: NDArray[np.intp],
    length: NDArray[np.intp],
    opcode: NDArray[np.uint16],
    operation_names: Mapping[int, str],
) -> None:
    """Names into runs of at least two cells more, one letter into others; `place` is that in the run."""
    codes, which = np.unique(opcode, return_inverse=True)
    names = [operation_names.get(code, "?")[:NAME_WIDTH] for code in codes.tolist()]
    size = np.array([len(name) for name in names])[which]
    letters = np.array([letter_of(name) for name in names])[which]
    text = np.array([list(name.ljust(NAME_WIDTH)) for name in names])
    named = size + 2 <= length
    inside = named & (place >= 0) & (place < size)
    drawn[inside] = text[which[inside], place[inside]]
    lettered = ~named & (place == 0)
    drawn[lettered] = letters[lettered]


def _inside(moments_ns: NDArray[np.int64], window: Window) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = (moments_ns >= window.start_ns) & (moments_ns <= window.end_ns)
    return mask


def _draw_failures(
    marks: NDArray[np.uint8],
    failed: NDArray[np.bool_],
    place: NDArray[np.intp],
    last: NDArray[np.int64],
    dense: NDArray[np.bool_],
) -> None:
    """Cells with several operations are marked where one of them failed."""
    lane, cell = place[failed], last[failed]
    chosen = dense[lane, cell]
    marks[lane[chosen], cell[chosen]] = ALARM


def _forgotten_cells(window: Window, remembered_ns: int) -> int:
    """How many cells, from the left, hold a moment before `remembered_ns`."""
    if remembered_ns <= window.start_ns:
        return 0
    if remembered_ns > window.end_ns:
        return window.width
    return int(window.cells(np.array([remembered_ns - 1]))[0]) + 1


def wake_line(spans: Spans, key: int, window: Window, remembered_ns: int) -> str:
    """Who ended the sleep of this lane's calls, and which operations failed: `window.width` characters."""
    spans = spans.take(spans.of_lane(key))
    woken = _inside(spans.woken, window)
    cells, wakes = window.cells(spans.woken[woken]), spans.wake[woken]
    line = np.full(window.width, " ")
    for wake, sign in WAKE_SIGNS.items():
        of_kind = np.zeros(window.width, bool)
        of_kind[cells[wakes == wake]] = True
        line = np.where(of_kind, np.where(line == " ", sign, SEVERAL_WAKES), line)
    failed = spans.failed & _inside(spans.ended, window)
    line[window.cells(spans.ended[failed])] = FAILED
    line[: _forgotten_cells(window, remembered_ns)] = FORGOTTEN
    return "".join(line.tolist())


def covering(spans: Spans, key: int, window: Window, cell: int) -> Spans:
    """The spans of the lane that cover the cell, in their order."""
    chosen = spans.take(spans.of_lane(key))
    covers = (window.cells(chosen.began) <= cell) & (window.cells(chosen.ended) >= cell)
    return chosen.take(np.flatnonzero(window.overlapping(chosen) & covers))
