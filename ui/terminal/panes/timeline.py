"""Timeline: what ran when, in lanes of threads, rings or connections.

A cursor, moved by keys or a click, names what is under it. The stretch of time is the
application's (`ViewState.timeline`); the pane only says that it should be another.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.lanes import Window
from uringtrace.ui.terminal.messages import RowChosen, TimelineMoved
from uringtrace.ui.terminal.pane import PaneWidget
from uringtrace.ui.terminal.panes.operation_detail import OperationScreen
from uringtrace.ui.terminal.spans import remembered_since
from uringtrace.ui.terminal.state import Timeline, ViewState
from uringtrace.ui.terminal.timeline_scene import TimelineScenes, cell_of, cursor_at
from uringtrace.ui.terminal.timeline_view import STYLES, Scene, line_of

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
        self._scenes = TimelineScenes()
        self._picture: Picture | None = None
        self._view = ViewState()
        self._scene: Scene | None = None
        self._styles: dict[str, Style] = {}
        self._chosen = 0
        self._dragged: tuple[int, Timeline] | None = None
        """Where the button went down, and what was shown then."""
        self._has_moved = False

    def show(self, picture: Picture, view: ViewState) -> None:
        """Bring it in line with the picture."""
        self._picture, self._view = picture, view
        self._make_scene()

    def on_resize(self) -> None:
        self._make_scene()

    def _make_scene(self) -> None:
        if self._picture is not None and self.size.width and self.size.height:
            self._scene = self._scenes.scene(self._picture, self._view, self.size)
            self._chosen = self._scene.chosen
            self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        # Looking styles up takes longer than drawing: once for all lines.
        self._styles = self._looked_up()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        styles = self._styles or self._looked_up()
        if self._scene is None:
            return Strip.blank(self.size.width, styles[""])
        return Strip(line_of(self._scene, y, styles)).adjust_cell_length(self.size.width, styles[""])

    def _looked_up(self) -> dict[str, Style]:
        names = (*STYLES.values(), "heading", "chosen", "quiet")
        return {
            name: self.get_component_rich_style(f"timeline--{name}") if name else self.rich_style
            for name in names
        }

    def _move(self, timeline: Timeline) -> None:
        """Ask for this one, but no further back than the beginning of the capture.

        It counts at once: the next key may come before the answer.
        """
        picture = self._picture
        if picture is not None and timeline.end_ns is not None:
            earliest = min(picture.context.started_ns + timeline.span_ns // 10, picture.at_ns)
            timeline = replace(timeline, end_ns=max(timeline.end_ns, earliest))
        self._view = replace(self._view, timeline=timeline)
        self.post_message(TimelineMoved(timeline))

    def action_pan(self, share: float) -> None:
        if self._picture is not None:
            self._move(self._view.timeline.panned(share, self._picture.at_ns))

    def action_lane(self, step: int) -> None:
        if self._scene is not None and self._scene.lanes:
            lane = min(max(self._chosen + step, 0), len(self._scene.lanes) - 1)
            self._choose(lane, self._view.timeline)

    def _choose(self, lane: int, timeline: Timeline) -> None:
        if self._scene is not None:
            self._scenes.choose(self._scene, lane)
            self._chosen = lane
        self._move(replace(timeline, lane=lane))

    def action_cursor(self, step: int) -> None:
        if self._scene is not None:
            cells = self._scene.frame.cells
            cell = min(max(cell_of(self._view.timeline.cursor, cells) + step, 0), cells - 1)
            self._move(replace(self._view.timeline, cursor=cursor_at(cell, cells)))

    def action_operation(self, direction: int) -> None:
        """To the beginning of the next operation in the lane, or of the one before."""
        scene, picture = self._scene, self._picture
        if scene is None or picture is None or not scene.lanes:
            return
        timeline = self._view.timeline
        window = Window(*timeline.edges(picture.at_ns), scene.frame.cells)
        cell = cell_of(timeline.cursor, window.width)
        if direction > 0:
            moment = scene.next_beginning(window.first_ns(cell + 1))
        else:
            moment = scene.last_beginning(window.first_ns(cell))
        if moment is None:
            return
        if not window.start_ns <= moment <= window.end_ns:
            end_ns = min(moment + timeline.span_ns // 2, picture.at_ns)
            window = Window(end_ns - timeline.span_ns, end_ns, window.width)
        cell = int(window.cells(np.array([moment]))[0])
        self._move(replace(timeline, end_ns=window.end_ns, cursor=cursor_at(cell, window.width)))

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
        longest = self._scene.longest_under_cursor() if self._scene is not None else None
        if longest is not None:
            self.post_message(RowChosen("timeline", longest))

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
