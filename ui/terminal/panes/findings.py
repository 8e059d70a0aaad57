"""Findings: the place where named problems will stand."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.pane import PaneWidget
from uringtrace.ui.terminal.state import ViewState

SENTENCE = (
    "This version shows what it measured and judges nothing yet: no findings does not mean no problems."
)


class FindingsPane(PaneWidget):
    """One sentence."""

    pane = "findings"
    can_focus = True
    DEFAULT_CSS = """
    FindingsPane > Static { padding: 1 2; }
    """

    def compose(self) -> ComposeResult:
        yield Static(SENTENCE, markup=False)

    def show(self, picture: Picture, view: ViewState) -> None:
        """The same for every picture."""
