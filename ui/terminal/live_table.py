"""A table that is replaced as a whole twice a second and keeps its place.

Textual's DataTable keeps a widget's worth of state for every cell and measures each again
when it changes: thousands of connections would take longer than the half second there is.
Here only the lines on the screen are ever made and rendered. Invariant: once the user has
moved the cursor it stays on the row with the same key when rows come, go or change their
order; until then it stays at the top or, in a table that follows, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from textwrap import wrap
from typing import ClassVar, Generic, TypeVar, overload

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from uringtrace.ui.terminal.fitting import Column, Layout, Loses, fit, layout
from uringtrace.ui.terminal.messages import CursorMoved, RowChosen, SortChosen
from uringtrace.ui.terminal.state import Sort

__all__ = ["ALARM", "PLAIN", "QUIET", "Column", "LazyRows", "LiveTable", "Loses", "TableRow"]

ALARM, QUIET, PLAIN = "alarm", "quiet", ""
"""How a row is marked, beside its words: never by colour alone."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row; as many cells as there are columns."""

    key: object
    cells: tuple[str, ...]
    mark: str = PLAIN


class LazyRows(Sequence[TableRow], Generic[Item]):
    """Rows of `items`, in their order, each made when it is looked at first."""

    def __init__(
        self, items: Sequence[Item], key: Callable[[Item], object], row: Callable[[Item], TableRow]
    ) -> None:
        self._items = items
        self._key = key
        self._row = row
        self._made: dict[int, TableRow] = {}

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> TableRow: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[TableRow]: ...

    def __getitem__(self, index: int | slice) -> TableRow | Sequence[TableRow]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        made = self._made.get(place)
        if made is None:
            made = self._made[place] = self._row(self._items[place])
        return made

    def keys(self) -> Iterator[object]:
        """In their order, without making a row."""
        return map(self._key, self._items)


class _Pin(Enum):
    """Where the cursor stays, whatever row that is."""

    TOP = "top"
    END = "end"


class LiveTable(ScrollView, can_focus=True):
    """Rows of text under fixed headings, with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor(-1)", show=False),
        Binding("down,j", "cursor(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(-1)", show=False),
        Binding("end,G", "edge(1)", show=False),
        Binding("enter", "choose", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "live-table--heading",
        "live-table--cursor",
        "live-table--alarm",
        "live-table--quiet",
    }
    DEFAULT_CSS = """
    LiveTable { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    LiveTable > .live-table--heading { text-style: bold; color: $text; background: $panel; }
    LiveTable > .live-table--cursor { background: $primary 40%; text-style: bold; }
    LiveTable > .live-table--alarm { color: $error; text-style: bold; }
    LiveTable > .live-table--quiet { color: $text-muted; }
    LiveTable:nocolor > .live-table--cursor { text-style: bold reverse; }
    """

    virtual_size = Reactive(Size(0, 0), layout=False, repaint=False)
    """Rows that come and go change nothing outside of this table, unless its scroll bar does."""

    def __init__(
        self, pane: str, columns: Sequence[Column], *, follows: bool = False, id: str | None = None
    ) -> None:
        """A table that `follows` begins at its last row, and stays there until the cursor leaves it."""
        super().__init__(id=id)
        self.pane = pane
        self.columns = tuple(columns)
        self._rows: Sequence[TableRow] = ()
        self._sort = Sort(self.columns[0].key)
        self._cursor = 0
        self._follows = follows
        self._pin: _Pin | None = _Pin.END if follows else _Pin.TOP
        self._note = ""
        self._note_lines: list[str] = []
        self._layout = Layout((), (), 2)
        self._seen = Size()
        """What it has of the screen, without the scroll bar. A hidden one has nothing and keeps what
        it had, so that it is complete at once when it is shown again."""
        self._lines: list[tuple[str, str]] = []
        """What is on the screen: text and component class of each line, the headings first."""

    @property
    def rows(self) -> Sequence[TableRow]:
        return self._rows

    @property
    def sort(self) -> Sort:
        return self._sort

    @property
    def chosen(self) -> object | None:
        """The key of the cursor's row; None in an empty table."""
        return self._rows[self._cursor].key if self._rows else None

    @property
    def chosen_row(self) -> TableRow | None:
        """The cursor's row."""
        return self._rows[self._cursor] if self._rows else None

    def show_rows(self, rows: Sequence[TableRow], sort: Sort, note: str = "") -> None:
        """Replace all rows, which come in their order; `note` stands in place of rows when there are none."""
        before = self.chosen
        was_visible = self._is_visible(self._cursor)
        self._rows, self._sort, self._note = rows, sort, note
        if self._pin is not None or before is None:
            self._cursor = max(len(rows) - 1, 0) if self._pin is _Pin.END else 0
        else:
            self._cursor = _place(rows, before, self._cursor)
        self._measure()
        if self._pin is not _Pin.TOP and was_visible and not self._is_visible(self._cursor):
            self._uncover()
        self._draw()
        if self.chosen != before:
            self.post_message(CursorMoved(self.pane, self.chosen))

    def on_resize(self) -> None:
        was_last = self._pin is _Pin.END
        self._measure()
        if was_last or self.has_focus:
            self._uncover()
        self._draw()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        # Other rows than those that were measured are seen now.
        if round(old_value) != round(new_value):
            self._lay_out()
            self._draw()

    def _measure(self) -> None:
        self._look()
        lines = len(self._rows) + 1
        if self._seen:
            self.show_vertical_scrollbar = lines > self._seen.height
            # It takes a column.
            self._look()
        self.virtual_size = Size(self._seen.width, lines)
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.window_virtual_size = lines
        self.scroll_y = min(self.scroll_y, self.max_scroll_y)
        self._lay_out()

    def _look(self) -> None:
        self._seen = self.scrollable_content_region.size or self.size or self._seen

    def _lay_out(self) -> None:
        # Only what can be seen decides: thousands of rows are not measured twice a second.
        top = max(int(self.scroll_offset.y), 0)
        visible = self._rows[top : top + max(self._seen.height, 1) + 1]
        content = [
            max((len(row.cells[index]) for row in visible), default=0) for index in range(len(self.columns))
        ]
        self._layout = layout(self.columns, content, self._seen.width)
        self._note_lines = [] if self._rows else wrap(self._note, max(self._seen.width - 2, 1))

    def _draw(self) -> None:
        """Have those lines rendered that are others than before."""
        before, self._lines = self._lines, [self._content(y) for y in range(self._seen.height)]
        if len(before) != len(self._lines):
            self.refresh()
            return
        changed = (y for y, (old, new) in enumerate(zip(before, self._lines, strict=True)) if old != new)
        regions = [Region(0, y, self._seen.width, 1) for y in changed]
        if regions:
            self.refresh(*regions)

    def _content(self, y: int) -> tuple[str, str]:
        """Text and component class of a line of the widget."""
        if y == 0:
            return self._headings(), "live-table--heading"
        if not self._rows:
            text = self._note_lines[y - 2] if 0 <= y - 2 < len(self._note_lines) else ""
            return f" {text}" if text else "", "live-table--quiet"
        index = y - 1 + int(self.scroll_offset.y)
        if index >= len(self._rows):
            return "", ""
        row = self._rows[index]
        text = self._line(row.cells)
        if index == self._cursor and self.has_focus:
            return text, "live-table--cursor"
        return text, f"live-table--{row.mark}" if row.mark else ""

    def render_line(self, y: int) -> Strip:
        text, component = self._lines[y] if y < len(self._lines) else ("", "")
        style = self.get_component_rich_style(component) if component else self.rich_style
        return Strip([Segment(text, style)]).adjust_cell_length(self.size.width, style or Style())

    def _line(self, cells: Sequence[str]) -> str:
        shown = zip(self._layout.columns, self._layout.widths, strict=True)
        return (" " * self._layout.gap).join(
            fit(cells[index], width, right=self.columns[index].right, loses=self.columns[index].loses)
            for index, width in shown
        )

    def _headings(self) -> str:
        mark = "▼" if self._sort.descending else "▲"
        titles = (
            (self.columns[index], width)
            for index, width in zip(self._layout.columns, self._layout.widths, strict=True)
        )
        return (" " * self._layout.gap).join(
            fit(
                f"{column.title}{mark}"
                if column.sortable and column.key == self._sort.column
                else column.title,
                width,
                right=column.right,
            )
            for column, width in titles
        )

    def on_focus(self) -> None:
        self._draw()

    def on_blur(self) -> None:
        self._draw()

    def action_cursor(self, step: int) -> None:
        self._move_to(self._cursor + step)

    def action_page(self, direction: int) -> None:
        self._move_to(self._cursor + direction * max(self._seen.height - 2, 1))

    def action_edge(self, direction: int) -> None:
        self._move_to(len(self._rows) if direction > 0 else 0)
        if direction < 0 and not self._follows:
            self._pin = _Pin.TOP

    def _move_to(self, index: int) -> None:
        last = max(len(self._rows) - 1, 0)
        self._cursor = min(max(index, 0), last)
        self._pin = _Pin.END if self._follows and self._cursor == last else None
        self._uncover()
        self._draw()
        self.post_message(CursorMoved(self.pane, self.chosen))

    def _uncover(self) -> None:
        # The heading covers the first line, so the row must be below it.
        self.scroll_to_region(Region(0, self._cursor, 1, 2), animate=False, force=True)

    def _is_visible(self, index: int) -> bool:
        return 0 <= index - int(self.scroll_offset.y) < max(self._seen.height - 1, 1)

    def action_choose(self) -> None:
        if self._rows:
            self.post_message(RowChosen(self.pane, self.chosen))

    def sort_by_next(self) -> None:
        """Sort by the next column that is shown and can be sorted by."""
        columns = [self.columns[index] for index in self._layout.columns if self.columns[index].sortable]
        if not columns:
            return
        keys = [column.key for column in columns]
        place = keys.index(self._sort.column) if self._sort.column in keys else -1
        column = columns[(place + 1) % len(columns)]
        self.post_message(SortChosen(self.pane, Sort(column.key, descending=column.right)))

    def reverse(self) -> None:
        """Turn the order round."""
        if any(column.sortable for column in self.columns):
            self.post_message(SortChosen(self.pane, Sort(self._sort.column, not self._sort.descending)))

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            index = self._layout.at(event.x)
            if index is not None and self.columns[index].sortable:
                column = self.columns[index]
                again = column.key == self._sort.column
                descending = not self._sort.descending if again else column.right
                self.post_message(SortChosen(self.pane, Sort(column.key, descending)))
            return
        index = event.y - 1 + int(self.scroll_offset.y)
        if index >= len(self._rows):
            return
        again = index == self._cursor
        self._move_to(index)
        if again:
            self.action_choose()


def _place(rows: Sequence[TableRow], key: object, before: int) -> int:
    """Where the row with this key is; where there is none any more, as near as can be to `before`."""
    keys = rows.keys() if isinstance(rows, LazyRows) else (row.key for row in rows)
    return next((index for index, each in enumerate(keys) if each == key), min(before, max(len(rows) - 1, 0)))
