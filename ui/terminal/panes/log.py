"""Log: one line for each operation as it ended, as strace writes it.

While it follows, the newest line is the last one; frozen, the line on top stays where it is
however many come and go.
"""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.log_rows import LogLine, LogRows
from uringtrace.ui.terminal.messages import FollowChosen
from uringtrace.ui.terminal.pane import PaneWidget
from uringtrace.ui.terminal.state import ViewState
from uringtrace.ui.text import numbers

_COLUMNS = 10
"""How far one key moves sideways."""
_LOW = 8


class LogPane(PaneWidget):
    """The lines, and below how many there are."""

    pane = "log"
    DEFAULT_CSS = """
    LogPane > Static { height: 1; color: $text-muted; padding: 0 1; }
    LogPane.-low > Static { display: none; }
    """

    def compose(self) -> ComposeResult:
        yield LogLines()
        yield Static(markup=False)

    def on_resize(self) -> None:
        self.set_class(self.size.height < _LOW, "-low")

    def show(self, picture: Picture, view: ViewState) -> None:
        lines = self.query_one(LogLines)
        lines.show(picture, view)
        self.query_one(Static).update(status(picture, view, lines.count))


class LogLines(ScrollView, can_focus=True):
    """Renders the lines that can be seen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "oldest", show=False),
        Binding("end,G", "newest", show=False),
        Binding("left", f"sideways(-{_COLUMNS})", show=False),
        Binding("right", f"sideways({_COLUMNS})", show=False),
        Binding("shift+left", "sideways(-9999)", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--alarm", "log--quiet"}
    DEFAULT_CSS = """
    LogLines { height: 1fr; overflow-y: scroll; scrollbar-size-horizontal: 0; }
    LogLines > .log--alarm { color: $error; text-style: bold; }
    LogLines > .log--quiet { color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows = LogRows()
        self._follow = True
        self._top: int | None = None
        """Number of the row on top, while frozen."""
        self._placing = False
        self._widest = 0
        self._note = ""
        self._plain = self._alarm = Style()

    @property
    def count(self) -> int:
        """How many lines there are."""
        return len(self._rows)

    def shown_lines(self) -> list[str]:
        """The lines that can be seen, in full."""
        return [line.text for line in self._rows.lines(int(self.scroll_y), self.size.height)]

    def show(self, picture: Picture, view: ViewState) -> None:
        """Bring it in line with the picture."""
        if self._follow and not view.follow and self._top is None:
            self._top = self._rows.number_of(int(self.scroll_y))
        self._rows.update(picture, view.condition)
        self._follow = view.follow
        self._note = (
            "No operation has ended yet." if not picture.recent.rows else "The filter hides all of them."
        )
        self._place()
        self.refresh()

    def on_resize(self) -> None:
        self._place()
        self.refresh()

    def _place(self) -> None:
        """Go to the end, or to where the line on top is now."""
        height = self.size.height
        first = int(self.scroll_y)
        seen = self._rows.lines(max(len(self._rows) - height, 0) if self._follow else first, height)
        self._widest = max([self._widest, *(cell_len(line.text) for line in seen)])
        self._placing = True
        self.virtual_size = Size(self._widest, len(self._rows))
        if self._follow or self._top is None:
            self._top = None if self._follow else self._rows.number_of(first)
        target = len(self._rows) if self._follow else self._rows.index_of(self._top or 0)
        self.scroll_to(y=target, animate=False, force=True, immediate=True)
        self._placing = False

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._placing or int(old_value) == int(new_value):
            return
        self._top = self._rows.number_of(int(new_value))
        if self._follow and new_value < self.max_scroll_y:
            self._follow = False
            self.post_message(FollowChosen(follow=False))

    def render_lines(self, crop: Region) -> list[Strip]:
        # Looking a style up takes longer than a line: once for all of them.
        self._plain, self._alarm = self.rich_style, self.get_component_rich_style("log--alarm")
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if not len(self._rows):
            quiet = self.get_component_rich_style("log--quiet")
            text = self._note if y == 1 else ""
            return Strip([Segment(text, quiet)]).adjust_cell_length(width, self.rich_style)
        found = self._rows.lines(int(self.scroll_y) + y, 1)
        if not found:
            return Strip.blank(width, self._plain)
        return self._strip(found[0], width)

    def _strip(self, line: LogLine, width: int) -> Strip:
        left = int(self.scroll_x)
        style = self._alarm if line.failed else self._plain
        strip = Strip([Segment(line.text, style)]).crop(left, left + width)
        return strip.adjust_cell_length(width, self._plain)

    def action_move(self, step: int) -> None:
        self.scroll_to(y=self.scroll_y + step, animate=False)

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(self.size.height - 1, 1))

    def action_oldest(self) -> None:
        self.scroll_to(y=0, animate=False)

    def action_newest(self) -> None:
        """The end, and stay there."""
        self.scroll_to(y=self.max_scroll_y, animate=False)
        self.post_message(FollowChosen(follow=True))

    def action_sideways(self, columns: int) -> None:
        self.scroll_to(x=max(self.scroll_x + columns, 0), animate=False, force=True)


def status(picture: Picture, view: ViewState, shown: int) -> str:
    """How many lines there are, what had to go, and whether the newest is shown."""
    recent = picture.recent
    kept = recent.rows
    parts = ["follows" if view.follow and not view.paused else "frozen (f follows)"]
    if view.paused:
        parts = ["paused"]
    if view.condition is not None:
        parts.append(f"{numbers.count(shown)} of {numbers.count(kept)} lines")
    else:
        parts.append(f"{numbers.count(kept)} lines")
    parts.append(
        f"{numbers.count(recent.dropped)} older ones dropped (keeps {numbers.count(recent.capacity)})"
    )
    return "  ".join(parts)
