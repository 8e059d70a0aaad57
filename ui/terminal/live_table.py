"""A table that is replaced as a whole twice a second and keeps its place.

Textual's DataTable keeps a widget's worth of state for every cell and measures each again
when it changes: thousands of connections would take longer than the half second there is.
Here only the lines on the screen are ever rendered. Invariant: the cursor stays on the row
with the same key when rows come, go or change their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from uringtrace.ui.terminal.messages import RowChosen, SortChosen
from uringtrace.ui.terminal.state import Sort

ALARM, QUIET, PLAIN = "alarm", "quiet", ""
"""How a row is marked, beside its words: never by colour alone."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `key` names what it sorts by."""

    key: str
    title: str
    right: bool = True
    """Numbers stand on the right."""
    stretch: bool = False
    """Takes what is left of the width, or gives it up first."""
    least: int = 4
    sortable: bool = True


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row; as many cells as there are columns."""

    key: object
    cells: tuple[str, ...]
    mark: str = PLAIN


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
    LiveTable { height: 1fr; overflow-x: hidden; }
    LiveTable > .live-table--heading { text-style: bold; color: $text; background: $panel; }
    LiveTable > .live-table--cursor { background: $primary 40%; text-style: bold; }
    LiveTable > .live-table--alarm { color: $error; text-style: bold; }
    LiveTable > .live-table--quiet { color: $text-muted; }
    """

    def __init__(self, pane: str, columns: Sequence[Column], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.pane = pane
        self.columns = tuple(columns)
        self._rows: tuple[TableRow, ...] = ()
        self._sort = Sort(self.columns[0].key)
        self._cursor = 0
        self._note = ""
        self._widths: tuple[int, ...] = tuple(len(column.title) for column in self.columns)

    @property
    def rows(self) -> tuple[TableRow, ...]:
        return self._rows

    @property
    def sort(self) -> Sort:
        return self._sort

    @property
    def chosen(self) -> object | None:
        """The key of the cursor's row; None in an empty table."""
        return self._rows[self._cursor].key if self._rows else None

    def show_rows(self, rows: Sequence[TableRow], sort: Sort, note: str = "") -> None:
        """Replace all rows, which come in their order; `note` stands in place of rows when there are none."""
        before = self.chosen
        self._rows, self._sort, self._note = tuple(rows), sort, note
        keys = {row.key: index for index, row in enumerate(self._rows)}
        self._cursor = keys.get(before, min(self._cursor, max(len(self._rows) - 1, 0)))
        self._measure()
        self.refresh()

    def on_resize(self) -> None:
        self._measure()

    def _measure(self) -> None:
        self._widths = self._fitted(self.scrollable_content_region.width or self.size.width)
        self.virtual_size = Size(self.size.width, len(self._rows) + 1)

    def _fitted(self, width: int) -> tuple[int, ...]:
        # Only what can be seen decides: thousands of rows are not measured twice a second.
        top = max(int(self.scroll_offset.y), 0)
        visible = self._rows[top : top + max(self.size.height, 1) + 1]
        widths = [
            max([len(column.title) + 2, column.least, *(len(row.cells[index]) for row in visible)])
            for index, column in enumerate(self.columns)
        ]
        excess = sum(widths) + 2 * (len(widths) - 1) - width
        for index, column in enumerate(self.columns):
            if not column.stretch:
                continue
            if excess < 0:
                widths[index] -= excess
                excess = 0
            elif excess > 0:
                given = min(excess, widths[index] - column.least)
                widths[index] -= max(given, 0)
                excess -= max(given, 0)
        return tuple(widths)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return self._strip(self._headings(), "live-table--heading", width)
        index = y - 1 + int(self.scroll_offset.y)
        if not self._rows:
            return self._strip(self._note if y == 2 else "", "live-table--quiet", width)
        if index >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[index]
        text = "  ".join(
            _fit(cell, space, right=column.right)
            for cell, space, column in zip(row.cells, self._widths, self.columns, strict=True)
        )
        if index == self._cursor and self.has_focus:
            return self._strip(text, "live-table--cursor", width)
        return self._strip(text, f"live-table--{row.mark}" if row.mark else "", width)

    def _headings(self) -> str:
        cells = []
        for column, space in zip(self.columns, self._widths, strict=True):
            mark = ("▼" if self._sort.descending else "▲") if column.key == self._sort.column else ""
            cells.append(_fit(f"{column.title}{mark}", space, right=column.right))
        return "  ".join(cells)

    def _strip(self, text: str, component: str, width: int) -> Strip:
        style = self.get_component_rich_style(component) if component else self.rich_style
        return Strip([Segment(text, style)]).adjust_cell_length(width, style or Style())

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def action_cursor(self, step: int) -> None:
        self._move_to(self._cursor + step)

    def action_page(self, direction: int) -> None:
        self._move_to(self._cursor + direction * max(self.size.height - 2, 1))

    def action_edge(self, direction: int) -> None:
        self._move_to(len(self._rows) if direction > 0 else 0)

    def _move_to(self, index: int) -> None:
        self._cursor = min(max(index, 0), max(len(self._rows) - 1, 0))
        # The heading covers the first line, so the row must be below it.
        self.scroll_to_region(Region(0, self._cursor, 1, 2), animate=False, force=True)
        self.refresh()

    def action_choose(self) -> None:
        if self._rows:
            self.post_message(RowChosen(self.pane, self.chosen))

    def sort_by_next(self) -> None:
        """Sort by the next column that can be sorted by."""
        columns = [column for column in self.columns if column.sortable]
        keys = [column.key for column in columns]
        place = keys.index(self._sort.column) if self._sort.column in keys else -1
        column = columns[(place + 1) % len(columns)]
        self.post_message(SortChosen(self.pane, Sort(column.key, descending=column.right)))

    def reverse(self) -> None:
        """Turn the order round."""
        self.post_message(SortChosen(self.pane, Sort(self._sort.column, not self._sort.descending)))

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            column = self._column_at(event.x)
            if column is not None and column.sortable:
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

    def _column_at(self, x: int) -> Column | None:
        left = 0
        for column, space in zip(self.columns, self._widths, strict=True):
            if left <= x < left + space:
                return column
            left += space + 2
        return None


def _fit(text: str, width: int, *, right: bool) -> str:
    if len(text) > width:
        return text[: max(width - 1, 0)] + "…" if width > 0 else ""
    return text.rjust(width) if right else text.ljust(width)
