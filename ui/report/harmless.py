"""What a traced program named, as text that no part of a page takes for markup.

plotly.js reads a small HTML in every text it draws, so there `<` and `&` must be entities, as
in HTML itself. What is not printable is shown as its escape.
"""

from __future__ import annotations

import html
import re

from uringtrace.ui.terminal.safe import printable


def figure_text(text: str) -> str:
    """For a text inside a figure: names, ticks and hover texts."""
    return html.escape(printable(text), quote=False)


def page_text(text: str) -> str:
    """For the content of an element or a quoted attribute of a page."""
    return html.escape(printable(text), quote=True)


def markdown_text(text: str) -> str:
    """For a cell of a Markdown table: nothing in it is a link, markup, HTML or the end of the cell."""
    escaped = _MARKUP.sub(r"\\\g<0>", html.escape(printable(text), quote=False))
    return _LINKS.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", escaped)


_MARKUP = re.compile(r"[\\`*_\[\]|~!#@]|:(?=[a-z+/-])")
"""Also `@`, of which some renderers make mentions, and `:`, of which they make links and pictures."""
_LINKS = re.compile(r"www\.", re.IGNORECASE)
