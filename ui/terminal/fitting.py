"""Text that takes exactly so many columns of a terminal, and how the columns of a table share them.

Widths are columns of the terminal: a wide character takes two, a combining one none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from rich.cells import cell_len, set_cell_size

from uringtrace.ui.terminal.safe import printable


class Loses(Enum):
    """What a text gives up that is too long for its column."""

    END = "end"
    BEGINNING = "beginning"
    """As of an address or a path: what tells them apart stands at the end."""
    OLDEST = "oldest"
    """A picture made of characters, the newest on the right: cut without a mark."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. `key` names what it sorts by."""

    key: str
    title: str
    right: bool = True
    """Numbers stand on the right."""
    stretch: bool = False
    """Takes what is left of the width, or gives it up first."""
    least: int = 4
    sortable: bool = True
    loses: Loses = Loses.END
    rank: int = 0
    """Columns of the highest rank are left out first where the terminal is narrow; 0: never."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns are shown, and how wide."""

    columns: tuple[int, ...]
    """Indices, ascending."""
    widths: tuple[int, ...]
    """One for each of `columns`."""
    gap: int
    """Blanks between two columns."""

    def at(self, x: int) -> int | None:
        """Index of the column that is at `x`; None between columns and beyond."""
        left = 0
        for index, width in zip(self.columns, self.widths, strict=True):
            if left <= x < left + width:
                return index
            left += width + self.gap
        return None


_READABLE = 6
"""Narrower than this no text says anything."""


def layout(columns: Sequence[Column], content: Sequence[int], width: int) -> Layout:
    """Share `width`; `content` is how wide the widest text of each column is.

    First columns that stretch give up what they have beyond their least, then the gaps shrink,
    then columns are left out; in the end those that stretch give up even their least.
    """
    shown = list(range(len(columns)))
    while True:
        wanted = [max(len(columns[each].title) + 1, columns[each].least, content[each]) for each in shown]
        spare = sum(
            max(wide - columns[each].least, 0)
            for each, wide in zip(shown, wanted, strict=True)
            if columns[each].stretch
        )
        for gap in (2, 1):
            excess = sum(wanted) + gap * (len(shown) - 1) - width
            if excess <= spare:
                leasts = [column.least for column in columns]
                return Layout(tuple(shown), _stretched(columns, shown, wanted, leasts, excess), gap)
        last = max(shown, key=lambda each: (columns[each].rank, each))
        if not columns[last].rank:
            leasts = [min(column.least, _READABLE) for column in columns]
            return Layout(tuple(shown), _stretched(columns, shown, wanted, leasts, excess), 1)
        shown.remove(last)


def _stretched(
    columns: Sequence[Column],
    shown: Sequence[int],
    wanted: Sequence[int],
    leasts: Sequence[int],
    excess: int,
) -> tuple[int, ...]:
    widths = list(wanted)
    for place, each in enumerate(shown):
        if columns[each].stretch:
            given = min(excess, max(widths[place] - leasts[each], 0))
            widths[place] -= given
            excess -= given
    return tuple(widths)


def fit(text: str, width: int, *, right: bool = False, loses: Loses = Loses.END) -> str:
    """`text`, printable, in exactly `width` columns."""
    text = printable(text)
    size = cell_len(text)
    if size <= width:
        blank = " " * (width - size)
        return blank + text if right else text + blank
    if width <= 0:
        return ""
    if loses is Loses.END:
        return set_cell_size(text, width - 1) + "…"
    if loses is Loses.BEGINNING:
        return "…" + _ending(text, width - 1)
    return _ending(text, width)


def _ending(text: str, width: int) -> str:
    """The last `width` columns; half of a wide character is a blank."""
    start, size = len(text), 0
    while start and size + cell_len(text[start - 1]) <= width:
        start -= 1
        size += cell_len(text[start])
    return " " * (width - size) + text[start:]
