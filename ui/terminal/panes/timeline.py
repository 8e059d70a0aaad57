"""Timeline: what ran when, in lanes of threads, rings or connections.

A cursor, moved by keys or a click, names what is under it. The stretch of time is the
application's (`ViewState.timeline`); the pane only says that it should be another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.lane_list import Lane, lanes_of, open_calls, threads_of
from uringtrace.ui.terminal.lanes import Painted, Window, covering, paint, wake_line
from uringtrace.ui.terminal.messages import RowChosen, TimelineMoved
from uringtrace.ui.terminal.pane import PaneWidget
from uringtrace.ui.terminal.panes.operation_detail import OperationScreen
from uringtrace.ui.terminal.spans import SpanMemory, Spans, remembered_since, with_open
from uringtrace.ui.terminal.state import Timeline, ViewState
from uringtrace.ui.terminal.time_axis import since_start
from uringtrace.ui.terminal.timeline_view import (
    STYLES,
    Frame,
    Scene,
    forgotten_words,
    heading,
    line_of,
)
from uringtrace.ui.terminal.under_cursor import words_for
from uringtrace.ui.text.operation_line import LineFormatter

_STEP, _PAGE = 0.1, 1.0
_WHEEL = 0.8


class TimelinePane(PaneWidget):
    """One widget, which draws itself."""

    pane = "timeline"

    def compose(self) -> ComposeResult:
        yield TimelineLanes()

    def show(self, picture: Picture, view: ViewState) -> None:
        self.query_one(TimelineLanes).show(picture, view)

    def detail(self, key: object) -> Screen[None] | None:
        return OperationScreen(key) if isinstance(key, int) else None


class TimelineLanes(Widget, can_focus=True):
    """Draws lanes; turns keys and the mouse into `TimelineMoved`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", f"pan(-{_STEP})", show=False),
        Binding("right", f"pan({_STEP})", show=False),
        Binding("shift+left,pageup", f"pan(-{_PAGE})", show=False),
        Binding("shift+right,pagedown", f"pan({_PAGE})", show=False),
        Binding("up,k", "lane(-1)", show=False),
        Binding("down,j", "lane(1)", show=False),
        Binding("less_than_sign,ctrl+left", "cursor(-1)", show=False),
        Binding("greater_than_sign,ctrl+right", "cursor(1)", show=False),
        Binding("n", "operation(1)", show=False),
        Binding("p", "operation(-1)", show=False),
        Binding("home", "oldest", show=False),
        Binding("end,G", "newest", show=False),
        Binding("enter", "choose", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"timeline--{name}" for name in (*STYLES.values(), "heading", "chosen", "quiet") if name
    }
    DEFAULT_CSS = """
    TimelineLanes { height: 1fr; }
    TimelineLanes > .timeline--heading { text-style: bold; background: $panel; color: $text; }
    TimelineLanes > .timeline--chosen { text-style: bold; color: $accent; }
    TimelineLanes > .timeline--quiet { color: $text-muted; }
    TimelineLanes > .timeline--bar { color: $primary; }
    TimelineLanes > .timeline--dense { color: $text; }
    TimelineLanes > .timeline--alarm { color: $error; text-style: bold; }
    TimelineLanes > .timeline--wake { color: $accent; }
    TimelineLanes > .timeline--unknown { color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._memory = SpanMemory()
        self._formatter: LineFormatter | None = None
        self._picture: Picture | None = None
        self._view = ViewState()
        self._spans: Spans | None = None
        self._scene: Scene | None = None
        self._key: int | None = None
        """Of the chosen lane, which stays when others come and go."""
        self._first = 0
        self._painted: tuple[tuple[object, ...], Painted] | None = None
        self._dragged: tuple[int, Timeline] | None = None
        self._has_moved = False

    def show(self, picture: Picture, view: ViewState) -> None:
        """Bring it in line with the picture."""
        if self._formatter is None or self._picture is None or self._picture.context is not picture.context:
            self._formatter = LineFormatter(picture.context, picture.recent.files)
        if view.timeline.lanes != self._view.timeline.lanes:
            self._key = None
        elif view.timeline.lane != self._view.timeline.lane and self._scene is not None:
            self._key = _key_at(self._scene.lanes, view.timeline.lane)
        self._picture, self._view = picture, view
        self._compose_scene()
        self.refresh()

    def on_resize(self) -> None:
        self._compose_scene()
        self.refresh()

    def _compose_scene(self) -> None:
        picture, view, formatter = self._picture, self._view, self._formatter
        if picture is None or formatter is None or not self.size.width:
            return
        timeline = view.timeline
        start_ns, end_ns = timeline.edges(picture.at_ns)
        remembered_ns = remembered_since(picture.recent, picture.context.started_ns)
        frame = Frame(self.size.width, self.size.height, start_ns < remembered_ns)
        window = Window(start_ns, end_ns, frame.cells)
        spans = self._memory.of(picture.recent, timeline.lanes, view.condition)
        if view.condition is None:
            spans = with_open(spans, open_calls(picture, timeline.lanes), picture.at_ns)
        self._spans = spans
        lanes = lanes_of(picture, timeline.lanes, spans, window)
        chosen = self._place(lanes)
        self._first = _scrolled(self._first, chosen, frame.lanes, len(lanes))
        shown = np.array([lane.key for lane in lanes[self._first : self._first + frame.lanes]], np.int64)
        painted = self._paint(spans, shown, window, remembered_ns, picture)
        cell = cell_of(timeline.cursor, frame.cells)
        where, under, wakes = "", "", " " * frame.cells
        if lanes:
            lane = lanes[chosen]
            wakes = wake_line(spans, lane.key, window, remembered_ns)
            first_ns = window.first_ns(cell)
            where = f"{since_start(first_ns - picture.context.started_ns, _decimals(window))}  {lane.words}"
            if first_ns < remembered_ns:
                under = "Not in memory." if picture.recent.dropped else "Before the capture began."
            else:
                found = covering(spans, lane.key, window, cell)
                under = words_for(found, picture, formatter, threads_of(picture))
        self._scene = Scene(
            frame=frame,
            window=window,
            timeline=timeline,
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

    def _place(self, lanes: Sequence[Lane]) -> int:
        """Index of the chosen lane; where it has gone the one that took its place."""
        for index, lane in enumerate(lanes):
            if lane.key == self._key:
                return index
        place = min(self._view.timeline.lane, max(len(lanes) - 1, 0))
        self._key = _key_at(lanes, place)
        return place

    def _paint(
        self, spans: Spans, lanes: NDArray[np.int64], window: Window, remembered_ns: int, picture: Picture
    ) -> Painted:
        """Drawn again only when something other than the cursor has changed."""
        key = (picture, window, tuple(lanes.tolist()), self._view.timeline.lanes, self._view.condition)
        if self._painted is None or not _same(self._painted[0], key):
            names = picture.context.operation_names
            self._painted = key, paint(spans, lanes, window, remembered_ns, names)
        return self._painted[1]

    def render_line(self, y: int) -> Strip:
        if self._scene is None:
            return Strip.blank(self.size.width, self.rich_style)
        segments = line_of(self._scene, y, self._styles())
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def _styles(self) -> dict[str, Style]:
        names = (*STYLES.values(), "heading", "chosen", "quiet")
        return {
            name: self.get_component_rich_style(f"timeline--{name}") if name else self.rich_style
            for name in names
        }

    def _move(self, timeline: Timeline) -> None:
        """No further back than the beginning of the capture."""
        picture = self._picture
        if picture is not None and timeline.end_ns is not None:
            earliest = min(picture.context.started_ns + timeline.span_ns // 10, picture.at_ns)
            timeline = replace(timeline, end_ns=max(timeline.end_ns, earliest))
        self.post_message(TimelineMoved(timeline))

    def action_pan(self, share: float) -> None:
        if self._picture is not None:
            self._move(self._view.timeline.panned(share, self._picture.at_ns))

    def action_lane(self, step: int) -> None:
        if self._scene is not None and self._scene.lanes:
            lane = min(max(self._scene.chosen + step, 0), len(self._scene.lanes) - 1)
            self._choose(lane, self._view.timeline)

    def _choose(self, lane: int, timeline: Timeline) -> None:
        if self._scene is not None:
            self._key = _key_at(self._scene.lanes, lane)
        self._move(replace(timeline, lane=lane))

    def action_cursor(self, step: int) -> None:
        if self._scene is not None:
            cells = self._scene.frame.cells
            cell = min(max(self._scene.cell + step, 0), cells - 1)
            self._move(replace(self._view.timeline, cursor=cursor_at(cell, cells)))

    def action_operation(self, direction: int) -> None:
        """To the beginning of the next operation in the lane, or of the one before."""
        scene, spans, picture = self._scene, self._spans, self._picture
        if scene is None or spans is None or picture is None or self._key is None:
            return
        began = spans.began[spans.of_lane(self._key)]
        window = scene.window
        if direction > 0:
            later = began[began >= window.first_ns(scene.cell + 1)]
            moment = int(later.min()) if later.size else None
        else:
            earlier = began[began < window.first_ns(scene.cell)]
            moment = int(earlier.max()) if earlier.size else None
        if moment is None:
            return
        timeline = self._view.timeline
        if not window.start_ns <= moment <= window.end_ns:
            end_ns = min(moment + timeline.span_ns // 2, picture.at_ns)
            timeline = replace(timeline, end_ns=end_ns)
            window = Window(end_ns - timeline.span_ns, end_ns, window.width)
        elif timeline.end_ns is None:
            timeline = replace(timeline, end_ns=window.end_ns)
        cell = int(window.cells(np.array([moment]))[0])
        self._move(replace(timeline, cursor=cursor_at(cell, window.width)))

    def action_oldest(self) -> None:
        picture = self._picture
        if picture is not None:
            span_ns = self._view.timeline.span_ns
            end_ns = remembered_since(picture.recent, picture.context.started_ns) + span_ns
            end = None if end_ns >= picture.at_ns else end_ns
            self._move(replace(self._view.timeline, end_ns=end, cursor=0.0))

    def action_newest(self) -> None:
        self._move(replace(self._view.timeline, end_ns=None, cursor=1.0))

    def action_choose(self) -> None:
        """Open the detail of the operation under the cursor, of several the longest."""
        if self._scene is None or self._spans is None or self._key is None:
            return
        found = covering(self._spans, self._key, self._scene.window, self._scene.cell)
        if len(found):
            longest = int(np.argmax(found.ended - found.began))
            self.post_message(RowChosen("timeline", int(found.opcode[longest])))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if self._scene is not None and event.button == 1:
            self._dragged, self._has_moved = (event.x, self._view.timeline), False
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._dragged is None or self._scene is None or self._picture is None:
            return
        x, timeline = self._dragged
        if event.x != x or self._has_moved:
            self._has_moved = True
            self._move(timeline.panned((x - event.x) / self._scene.frame.cells, self._picture.at_ns))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        dragged, self._dragged = self._dragged, None
        scene = self._scene
        if dragged is None or scene is None or self._has_moved:
            return
        timeline = self._view.timeline
        cell = scene.frame.cell_at(event.x)
        if cell is not None:
            timeline = replace(timeline, cursor=cursor_at(cell, scene.frame.cells))
        lane = scene.frame.lane_at(event.y, scene.first, scene.chosen)
        if lane is not None and lane < len(scene.lanes):
            self._choose(lane, timeline)
        else:
            self._move(timeline)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 1)

    def _wheel(self, event: events.MouseEvent, direction: int) -> None:
        """Zoom around the mouse; with shift, move."""
        event.stop()
        if self._scene is None or self._picture is None:
            return
        if event.shift:
            self.action_pan(direction * _STEP)
            return
        timeline = self._view.timeline
        cell = self._scene.frame.cell_at(event.x)
        if cell is not None:
            timeline = replace(timeline, cursor=cursor_at(cell, self._scene.frame.cells))
        self._move(timeline.zoomed(_WHEEL**-direction, self._picture.at_ns))


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
    """Whether the pictures are one, and the rest is equal."""
    return one[0] is other[0] and one[1:] == other[1:]


def _decimals(window: Window) -> int:
    """A power of ten, of nanoseconds, that tells cells apart."""
    step = 1
    while step * 10 <= (window.end_ns - window.start_ns) // window.width:
        step *= 10
    return step
