"""Lines of words that can be clicked: the panes above, the keys below.

Textual's own tabs and footer are made anew, widget by widget, whenever the focus moves, and that
was most of what a key cost. Invariant: a line is one widget of one row; what a click does is what
its key does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.widget import Widget

from uringtrace.ui.terminal.actions import ACTIONS, PANES, shown_key

_ACTIVE = "bold reverse"
_KEY = "bold"


@dataclass(frozen=True, slots=True)
class Word:
    """Something to click; `action` as Textual calls it."""

    parts: tuple[tuple[str, str], ...]
    """Texts and their styles."""
    action: str

    @property
    def width(self) -> int:
        return sum(cell_len(text) for text, _ in self.parts)


def action_at(words: Sequence[Word], x: int) -> str | None:
    """What the cell at `x` is of."""
    for word in words:
        if x < word.width:
            return word.action if x >= 0 else None
        x -= word.width
    return None


def pane_words(active: str, width: int) -> tuple[Word, ...]:
    """All panes, the active one marked; where they do not fit, the others by their key alone."""

    def words(*, brief: bool) -> tuple[Word, ...]:
        return tuple(
            Word(
                (
                    (
                        f" {pane.key} " if brief and pane.name != active else f" {pane.key} {pane.title} ",
                        _ACTIVE if pane.name == active else "",
                    ),
                ),
                f"show_pane('{pane.name}')",
            )
            for pane in PANES
        )

    whole = words(brief=False)
    return whole if sum(word.width for word in whole) <= width else words(brief=True)


class WordLine(Widget):
    """One line of words; what is beyond its end is left out."""

    DEFAULT_CSS = """
    WordLine { height: 1; background: $panel; color: $text; }
    """

    def words(self) -> Sequence[Word]:
        """From the left, without gaps."""
        raise NotImplementedError

    def render(self) -> Text:
        parts = (part for word in self.words() for part in word.parts)
        return Text.assemble(*parts, no_wrap=True, overflow="crop", end="")

    async def on_click(self, event: events.Click) -> None:
        action = action_at(self.words(), event.x)
        if action is not None:
            await self.app.run_action(action)


class PaneLine(WordLine):
    """The panes; `active` is the name of the one that is shown."""

    def __init__(self) -> None:
        super().__init__()
        self._active = PANES[0].name

    @property
    def active(self) -> str:
        return self._active

    @active.setter
    def active(self, name: str) -> None:
        self._active = name
        self.refresh()

    def words(self) -> Sequence[Word]:
        return pane_words(self._active, self.size.width)


class KeyLine(WordLine):
    """The keys that do something here, of those that are shown at the foot of the screen."""

    DEFAULT_CSS = """
    KeyLine { dock: bottom; }
    """

    def words(self) -> Sequence[Word]:
        shown = (each for each in ACTIONS if each.footer and self.app.check_action(each.name, ()))
        return tuple(
            Word(((f" {shown_key(each.keys)}", _KEY), (f" {each.label} ", "")), each.name) for each in shown
        )
