"""What Enter opens: a screen on top of the panes that follows the pictures as they do.

A title, lines of facts, a body, and the keys. Where the terminal is low only the first line
of the facts is left, so that one puts the most important thing there.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.header import clock
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.terminal.state import ViewState
from uringtrace.ui.terminal.word_line import KeyLine

_LOW = 16
"""Lines of a terminal in which a table would be left without room."""


class DetailScreen(Screen[None]):
    """Closed by Esc and q, as the application has it."""

    DEFAULT_CSS = """
    DetailScreen { layout: vertical; }
    DetailScreen > #title { height: 1; background: $panel; text-style: bold; padding: 0 1; }
    DetailScreen > #facts { height: auto; max-height: 12; padding: 0 1; }
    DetailScreen > #facts.-low { max-height: 1; }
    """

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        yield Static(id="facts", markup=False)
        yield from self.body()
        yield KeyLine()

    def body(self) -> Sequence[Widget]:
        """The widgets between the facts and the keys."""
        return ()

    def on_mount(self) -> None:
        self._set_low()

    def on_resize(self) -> None:
        self._set_low()

    def _set_low(self) -> None:
        self.query_one("#facts").set_class(self.app.size.height < _LOW, "-low")

    def show(self, picture: Picture, view: ViewState) -> None:
        """Bring it in line with the picture."""
        raise NotImplementedError

    def set_title(self, words: str, picture: Picture, view: ViewState) -> None:
        state = "PAUSED" if view.paused else "ended" if picture.ended else ""
        text = "  ".join(part for part in (printable(words), clock(picture.elapsed_ns), state) if part)
        self.query_one("#title", Static).update(Text(text, no_wrap=True, overflow="ellipsis"))

    def set_facts(self, lines: Sequence[str]) -> None:
        self.query_one("#facts", Static).update(Text("\n".join(printable(line) for line in lines)))
