"""The timeline as lines of segments: a heading, the axis, lanes with their titles, what is under the cursor.

Pure but for the theme's styles, which the widget hands in. Invariant: all that concerns places
on the screen is in `Frame`, so that keys, mouse and drawing agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style

from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.fitting import Loses, fit
from uringtrace.ui.terminal.lane_list import Lane
from uringtrace.ui.terminal.lanes import (
    ALARM,
    BAR,
    DENSE,
    FAILED,
    FILLS,
    FORGOTTEN,
    HEIGHTS,
    PLAIN,
    UNKNOWN,
    WAKE,
    WOKEN,
    Painted,
    Window,
    covering,
)
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.terminal.spans import RAN, WAITED, WORKER, Spans
from uringtrace.ui.terminal.state import Timeline
from uringtrace.ui.terminal.time_axis import axis, since_start
from uringtrace.ui.text import numbers
from uringtrace.ui.text.summary_table import counted

STYLES = {PLAIN: "", BAR: "bar", DENSE: "dense", ALARM: "alarm", WAKE: "wake", UNKNOWN: "unknown"}
_CURSOR, _CHOSEN = "▼", "▶"
_LOW, _TINY = 16, 8


@dataclass(frozen=True, slots=True)
class Frame:
    """How the space is shared."""

    width: int
    height: int
    forgotten: bool
    """Whether a line says what is not in memory."""

    @property
    def gutter(self) -> int:
        """Columns for titles, with the blank that follows."""
        return min(max(self.width // 5, 10), 30)

    @property
    def cells(self) -> int:
        return max(self.width - self.gutter, 1)

    @property
    def top(self) -> int:
        """Lines above the lanes: a heading, a legend, what is not in memory, and always the axis."""
        return 1 if self.tiny else 2 + (not self.low) + self.forgotten

    @property
    def below(self) -> int:
        """Lines below the lanes: where the cursor is, and what is under it."""
        return 1 if self.tiny else 2 if self.low else 4

    @property
    def low(self) -> bool:
        return self.height < _LOW

    @property
    def tiny(self) -> bool:
        return self.height < _TINY

    @property
    def lines(self) -> int:
        """Lines for lanes, one of which is for the wake-ups of the chosen one."""
        return max(self.height - self.top - self.below, 1)

    @property
    def lanes(self) -> int:
        """Lanes that fit."""
        return max(self.lines - 1, 1)

    def cell_at(self, x: int) -> int | None:
        """The cell at this column; None in the titles."""
        return min(x - self.gutter, self.cells - 1) if x >= self.gutter else None

    def lane_at(self, y: int, first: int, chosen: int) -> int | None:
        """Index of the lane at this line, where `first` is the uppermost; None beside the lanes."""
        line = y - self.top
        if not 0 <= line < self.lines:
            return None
        return first + line - (1 if first + line > chosen else 0)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is drawn."""

    frame: Frame
    window: Window
    timeline: Timeline
    spans: Spans
    lanes: Sequence[Lane]
    first: int
    """Index of the uppermost lane that is shown."""
    chosen: int
    cell: int
    """The cursor's."""
    painted: Painted
    """Of the lanes that are shown."""
    wakes: str
    heading: str
    forgotten: str
    where: str
    under: str
    started_ns: int

    def next_beginning(self, from_ns: int) -> int | None:
        """When the lane's first operation from `from_ns` on began; None: there is none."""
        began = self._beginnings()
        later = began[began >= from_ns]
        return int(later.min()) if later.size else None

    def last_beginning(self, before_ns: int) -> int | None:
        """When the lane's last operation before `before_ns` began; None: there is none."""
        began = self._beginnings()
        earlier = began[began < before_ns]
        return int(earlier.max()) if earlier.size else None

    def _beginnings(self) -> NDArray[np.int64]:
        return self.spans.began[self.spans.of_lane(self.lanes[self.chosen].key)]

    def longest_under_cursor(self) -> int | None:
        """The opcode of the longest operation there; None where there is none."""
        if not self.lanes:
            return None
        found = covering(self.spans, self.lanes[self.chosen].key, self.window, self.cell)
        return int(found.opcode[np.argmax(found.ended - found.began)]) if len(found) else None


def heading(timeline: Timeline, window: Window, picture: Picture, lanes: int, *, paused: bool) -> str:
    """What is shown, how long, and whether it moves."""
    span_ns = window.end_ns - window.start_ns
    moves = "stands still" if paused else "follows" if timeline.end_ns is None else "stays (f follows)"
    if picture.ended and timeline.end_ns is None:
        moves = "at the end"
    return (
        f"{counted(lanes, timeline.lanes.removesuffix('s'))}  {numbers.duration(span_ns)} wide, "
        f"a cell {numbers.duration(span_ns / window.width)}  {moves}"
    )


def forgotten_words(picture: Picture, window: Window, remembered_ns: int) -> str:
    """What the left edge would hide; empty where all that is shown is in memory."""
    if remembered_ns <= window.start_ns:
        return ""
    since = since_start(remembered_ns - picture.context.started_ns, 1_000_000)
    recent = picture.recent
    if not recent.dropped:
        return f"◂{FORGOTTEN} the capture began here: nothing is known of before"
    return (
        f"◂{FORGOTTEN} not in memory before {since}: {numbers.count(recent.dropped)} rows had to go, "
        f"at most {numbers.count(recent.capacity)} are kept"
    )


def legend(painted: Painted) -> str:
    """Signs of the cells."""
    steps = painted.most_per_height
    return (
        f"{FILLS[RAN]} ran {FILLS[WAITED]} waited {FILLS[WORKER]} io-wq {WOKEN} woken {FAILED} failed  "
        f"operations in a cell: {HEIGHTS[0]} {steps[0]} {HEIGHTS[3]} ≤{steps[3]} "
        f"{HEIGHTS[-1]} >{steps[-1]}  {FORGOTTEN} unknown"
    )


def line_of(scene: Scene, y: int, styles: dict[str, Style]) -> list[Segment]:
    """The segments of one line; `styles` has those of `STYLES`, `heading`, `chosen` and `quiet`."""
    frame = scene.frame
    if y == frame.top - 1:
        return _axis_line(scene, styles)
    if y == 0:
        return [Segment(fit(scene.heading, frame.width), styles["heading"])]
    if y == 1 and not frame.low:
        return [Segment(fit(legend(scene.painted), frame.width), styles["quiet"])]
    if y < frame.top:
        return [Segment(fit(scene.forgotten, frame.width), styles["unknown"])]
    if y < frame.top + frame.lines:
        return _lane_line(scene, y, styles)
    return _words_below(scene, y - frame.top - frame.lines, styles)


def _axis_line(scene: Scene, styles: dict[str, Style]) -> list[Segment]:
    frame = scene.frame
    title = fit("since the start", frame.gutter - 1) + " "
    line = axis(scene.window, scene.started_ns)
    return [
        Segment(title + line[: scene.cell], styles["quiet"]),
        Segment(_CURSOR, styles["chosen"]),
        Segment(line[scene.cell + 1 :], styles["quiet"]),
    ]


def _lane_line(scene: Scene, y: int, styles: dict[str, Style]) -> list[Segment]:
    frame = scene.frame
    index = frame.lane_at(y, scene.first, scene.chosen)
    if index is None or index >= len(scene.lanes):
        nothing = "No lane: nothing is in memory that belongs to one." if not scene.lanes else ""
        text = nothing if y == frame.top + 1 else ""
        return [Segment(fit(text, frame.width), styles["quiet"])]
    is_chosen = index == scene.chosen
    if is_chosen and y - frame.top + scene.first > scene.chosen:
        title = fit("woken, failed", frame.gutter - 1, right=True) + " "
        return [Segment(title, styles["quiet"]), Segment(scene.wakes, styles["wake"])]
    number = scene.lanes[index].number
    space = max(frame.gutter - 2 - len(number), 1)
    title = number + fit(scene.lanes[index].title, space, loses=_loses(scene.timeline))
    mark = _CHOSEN if is_chosen else " "
    row = index - scene.first
    signs = "".join(scene.painted.signs[row].tolist())
    return [
        Segment(f"{mark}{title} ", styles["chosen" if is_chosen else ""]),
        *_cells(signs, scene.painted.marks[row].tolist(), scene.cell if is_chosen else None, styles),
    ]


def _loses(timeline: Timeline) -> Loses:
    return Loses.BEGINNING if timeline.lanes == "connections" else Loses.END


def _cells(signs: str, marks: list[int], cursor: int | None, styles: dict[str, Style]) -> list[Segment]:
    """One segment for each stretch of cells with the same mark; the cursor's is reversed."""
    segments = []
    start = 0
    for cell in range(1, len(signs) + 1):
        here = cursor is not None and cursor in (cell, cell - 1)
        if cell == len(signs) or marks[cell] != marks[start] or here:
            style = styles[STYLES[marks[start]]]
            if start == cursor:
                style += Style(reverse=True)
            segments.append(Segment(signs[start:cell], style))
            start = cell
    return segments


def _words_below(scene: Scene, line: int, styles: dict[str, Style]) -> list[Segment]:
    width = scene.frame.width
    if scene.frame.tiny:
        return [Segment(fit(scene.under, width), styles[""])]
    if line == 0:
        return [Segment(fit(scene.where, width), styles["heading"])]
    lines = wrap(printable(scene.under), max(width, 1)) or [""]
    space = scene.frame.below - 1
    if len(lines) > space:
        lines = [*lines[: space - 1], " ".join(lines[space - 1 :])]
    return [Segment(fit(lines[line - 1] if line <= len(lines) else "", width), styles[""])]
