"""What the timeline shows of a picture: lanes, cells, and words for what is under the cursor. No widget.

The chosen lane is remembered by what it is the lane of, so that it stays chosen when others
come and go.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from textual.geometry import Size

from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.lane_list import Lane, lanes_of
from uringtrace.ui.terminal.lanes import Painted, Window, covering, paint, wake_line
from uringtrace.ui.terminal.open_spans import going_on, with_open
from uringtrace.ui.terminal.spans import SpanMemory, Spans, remembered_since
from uringtrace.ui.terminal.state import ViewState
from uringtrace.ui.terminal.time_axis import since_start
from uringtrace.ui.terminal.timeline_view import Frame, Scene, forgotten_words, heading
from uringtrace.ui.terminal.under_cursor import words_for
from uringtrace.ui.text.operation_line import LineFormatter


class TimelineScenes:
    """Makes one scene after the other; what did not change is not worked out again."""

    def __init__(self) -> None:
        self._memory = SpanMemory()
        self._formatter: LineFormatter | None = None
        self._picture: Picture | None = None
        self._lanes = ""
        self._place = 0
        self._key: int | None = None
        self._first = 0
        self._painted: tuple[tuple[object, ...], Painted] | None = None

    def choose(self, scene: Scene, place: int) -> None:
        """The lane at this place of the scene is the chosen one."""
        self._key = _key_at(scene.lanes, place)
        self._place = place

    def scene(self, picture: Picture, view: ViewState, size: Size) -> Scene:
        """Of this picture, as wide and high as `size`."""
        timeline = view.timeline
        if self._formatter is None or self._picture is None or self._picture.context is not picture.context:
            self._formatter = LineFormatter(picture.context, picture.recent.files)
        self._picture = picture
        if timeline.lanes != self._lanes or timeline.lane != self._place:
            self._lanes, self._place, self._key = timeline.lanes, timeline.lane, None
        start_ns, end_ns = timeline.edges(picture.at_ns)
        remembered_ns = remembered_since(picture.recent, picture.context.started_ns)
        frame = Frame(size.width, size.height, start_ns < remembered_ns)
        window = Window(start_ns, end_ns, frame.cells)
        spans = self._memory.of(picture.recent, timeline.lanes, view.condition)
        going = going_on(picture, view.condition)
        spans = with_open(spans, going, picture, timeline.lanes)
        lanes = lanes_of(picture, timeline.lanes, spans, window)
        chosen = self._chosen(lanes)
        self._first = _scrolled(self._first, chosen, frame.lanes, len(lanes))
        painted = self._paint(
            spans, lanes[self._first : self._first + frame.lanes], window, remembered_ns, view
        )
        cell = cell_of(timeline.cursor, frame.cells)
        where, under, wakes = "", "", " " * frame.cells
        if lanes:
            lane = lanes[chosen]
            wakes = wake_line(spans, lane.key, window, remembered_ns)
            first_ns = window.first_ns(cell)
            moment = since_start(first_ns - picture.context.started_ns, _cell_step(window))
            where = f"{moment}  {lane.words}"
            if first_ns < remembered_ns:
                under = "Not in memory." if picture.recent.dropped else "Before the capture began."
            else:
                found = covering(spans, lane.key, window, cell)
                under = words_for(found, picture, going.records, self._formatter)
        return Scene(
            frame=frame,
            window=window,
            timeline=timeline,
            spans=spans,
            lanes=lanes,
            first=self._first,
            chosen=chosen,
            cell=cell,
            painted=painted,
            wakes=wakes,
            heading=heading(timeline, window, picture, len(lanes), paused=view.paused),
            forgotten=forgotten_words(picture, window, remembered_ns),
            where=where,
            under=under,
            started_ns=picture.context.started_ns,
        )

    def _chosen(self, lanes: Sequence[Lane]) -> int:
        """Where the chosen lane is now; where it has gone the one that took its place."""
        for index, lane in enumerate(lanes):
            if lane.key == self._key:
                return index
        place = min(self._place, max(len(lanes) - 1, 0))
        self._key = _key_at(lanes, place)
        return place

    def _paint(
        self, spans: Spans, lanes: Sequence[Lane], window: Window, remembered_ns: int, view: ViewState
    ) -> Painted:
        """Drawn again only when something other than the cursor has changed."""
        keys: NDArray[np.int64] = np.array([lane.key for lane in lanes], np.int64)
        key = (self._picture, view.condition, window, tuple(keys.tolist()), view.timeline.lanes)
        if self._painted is None or not _same(self._painted[0], key):
            names = self._picture.context.operation_names if self._picture else {}
            self._painted = key, paint(spans, keys, window, remembered_ns, names)
        return self._painted[1]


def cell_of(cursor: float, cells: int) -> int:
    """The cell of a cursor, 0 to 1."""
    return min(int(cursor * cells), cells - 1)


def cursor_at(cell: int, cells: int) -> float:
    """The cursor in the middle of a cell; in the last one at its right edge, where new things appear."""
    return 1.0 if cell == cells - 1 else (cell + 0.5) / cells


def _key_at(lanes: Sequence[Lane], place: int) -> int | None:
    return lanes[place].key if 0 <= place < len(lanes) else None


def _scrolled(first: int, chosen: int, fitting: int, count: int) -> int:
    """The uppermost lane, moved no further than the chosen one needs."""
    first = min(max(first, chosen - fitting + 1), chosen)
    return min(first, max(count - fitting, 0))


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Whether picture and condition are the very same, and the rest is equal."""
    return one[0] is other[0] and one[1] is other[1] and one[2:] == other[2:]


def _cell_step(window: Window) -> int:
    """A power of ten, of nanoseconds, that tells cells apart."""
    step = 1
    while step * 10 <= (window.end_ns - window.start_ns) // window.width:
        step *= 10
    return step
