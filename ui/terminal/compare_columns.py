"""Two columns that can be scrolled: strace on the left, what happened on the right, in time order.

The lines are those of `uringtrace compare`. Invariant: the cursor is on an entry wherever there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from uringtrace.tracer.compare.excerpt import Entry
from uringtrace.ui.terminal.messages import CursorMoved
from uringtrace.ui.text.compare_columns import Layout, Texts, layout_of

PANE = "compare"


class CompareColumns(ScrollView, can_focus=True):
    """Below a heading that stays; tells with `CursorMoved` which entry the cursor is on, by its number."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor(-1)", show=False),
        Binding("down,j", "cursor(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(-1)", show=False),
        Binding("end,G", "edge(1)", show=False),
        Binding("n", "gap(1)", show=False),
        Binding("p", "gap(-1)", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "compare--heading",
        "compare--cursor",
        "compare--ours",
        "compare--theirs",
        "compare--quiet",
    }
    DEFAULT_CSS = """
    CompareColumns { height: 1fr; min-height: 4; overflow-x: hidden; scrollbar-size-vertical: 1; }
    CompareColumns > .compare--heading { text-style: bold; color: $text; background: $panel; }
    CompareColumns > .compare--cursor { background: $primary 40%; text-style: bold; }
    CompareColumns > .compare--ours { color: $accent; }
    CompareColumns > .compare--theirs { color: $error; text-style: bold; }
    CompareColumns > .compare--quiet { color: $text-muted; }
    """

    def __init__(self, began_ns: int, entries: Sequence[Entry], texts: Texts) -> None:
        super().__init__()
        self._began_ns = began_ns
        self._entries = entries
        self._texts = texts
        self._layout: Layout | None = None
        self._width = 0
        """For which there is a layout."""
        self.cursor = 0
        """Number of an entry."""

    def on_resize(self) -> None:
        # One line more than entries: the heading, below which they scroll.
        self.virtual_size = Size(self.size.width, len(self._entries) + 1)
        self._into_view()
        self.refresh()

    @property
    def _page(self) -> int:
        return max(self.size.height - 1, 1)

    def action_cursor(self, step: int) -> None:
        self._move(self.cursor + step)

    def action_page(self, direction: int) -> None:
        self._move(self.cursor + direction * self._page)

    def action_edge(self, direction: int) -> None:
        self._move(0 if direction < 0 else len(self._entries) - 1)

    def action_gap(self, direction: int) -> None:
        """To the next entry that only one side has, where there is another."""
        places = range(self.cursor + direction, len(self._entries) if direction > 0 else -1, direction)
        self._move(next((place for place in places if is_gap(self._entries[place])), self.cursor))

    def on_click(self, event: events.Click) -> None:
        if event.y > 0:
            self._move(int(self.scroll_y) + event.y - 1)

    def _move(self, place: int) -> None:
        self.cursor = min(max(place, 0), max(len(self._entries) - 1, 0))
        self._into_view()
        self.refresh()
        self.post_message(CursorMoved(PANE, self.cursor if self._entries else None))

    def _into_view(self) -> None:
        top = int(self.scroll_y)
        first = min(max(top, self.cursor - self._page + 1), self.cursor)
        if first != top:
            self.scroll_to(y=first, animate=False, immediate=True)

    def render_lines(self, crop: Region) -> list[Strip]:
        # Looking a style up takes longer than a line: once for all of them.
        names = ("heading", "cursor", "ours", "theirs", "quiet")
        self._styles = {name: self.get_component_rich_style(f"compare--{name}") for name in names}
        width = self.scrollable_content_region.width
        if width != self._width and self._entries:
            self._layout, self._width = layout_of(self._entries, self._began_ns, width), width
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        text, style = self._line(y)
        return Strip([Segment(text, style)]).adjust_cell_length(width, style)

    def _line(self, y: int) -> tuple[str, Style]:
        layout, place = self._layout, int(self.scroll_y) + y - 1
        if layout is None:
            note = "Nothing happened while strace was there." if y == 1 else ""
            return note, self._styles["quiet"]
        if y == 0:
            return layout.heading(), self._styles["heading"]
        if place >= len(self._entries):
            return "", self.rich_style
        entry = self._entries[place]
        if place == self.cursor:
            style = self._styles["cursor"]
        elif entry.row is None:
            style = self._styles["theirs"]
        else:
            style = self._styles["ours"] if entry.line is None else self.rich_style
        return layout.line(entry, self._texts), style


def is_gap(entry: Entry) -> bool:
    """Whether only one side has it."""
    return entry.line is None or entry.row is None
