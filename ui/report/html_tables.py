"""Tables of a page: real HTML, which reads without JavaScript, is printed, searched and sorted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from uringtrace.ui.report.harmless import page_text
from uringtrace.ui.text import numbers

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column: its heading, and of a row the text and, of a number, the value to sort by."""

    heading: str
    text: Callable[[T], str]
    value: Callable[[T], float | int | None] | None = None
    """None: sorted by its text. A value of None is not known, and last."""
    long: bool = False
    """A text that may be broken into lines."""


def table_html(
    name: str,
    caption: str,
    columns: Sequence[Column[T]],
    rows: Sequence[T],
    *,
    search: bool = True,
    stretch: Callable[[T], tuple[float, float]] | None = None,
) -> str:
    """The table with its search field; `name` is unique on the page.

    With `stretch`, two moments in seconds, each row has a button that shows it on the timeline.
    """
    heads = "".join(
        f'<th scope="col"{_classes(column)}><button type="button">{page_text(column.heading)}</button></th>'
        for column in columns
    )
    if stretch is not None:
        heads += '<th scope="col">timeline</th>'
    body = "\n".join(
        f"<tr>{''.join(_cell(column, row) for column in columns)}{_button(stretch, row)}</tr>" for row in rows
    )
    field = (
        f'<div class="search"><label>Search <input type="search" data-searches="{name}" '
        'autocomplete="off" spellcheck="false"></label> '
        f'<span data-found="{name}" role="status"></span></div>'
    )
    return (
        f"{field if search else ''}"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{page_text(caption)}">'
        f'<table data-sorts="{name}"><caption class="skip">{page_text(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _button(stretch: Callable[[T], tuple[float, float]] | None, row: T) -> str:
    if stretch is None:
        return ""
    began, ended = stretch(row)
    return f'<td><button type="button" data-moment="{began!r} {ended!r}">show</button></td>'


def _classes(column: Column[Any]) -> str:
    return ' class="number"' if column.value is not None else ' class="long"' if column.long else ""


def _cell(column: Column[T], row: T) -> str:
    text = page_text(column.text(row))
    if column.value is None:
        return f"<td{_classes(column)}>{text}</td>"
    value = column.value(row)
    sorts = "NaN" if value is None else repr(value)
    return f'<td class="number" data-value="{sorts}">{text}</td>'


def known(text: str | None) -> str:
    """A text, or the dash of what was not observed."""
    return numbers.UNKNOWN if text is None or text == "" else text


def plain(value: int | None) -> str:
    """A number that is a name: of a process, a descriptor, a ring."""
    return numbers.UNKNOWN if value is None else str(value)
