"""What every pane is: a widget that is given pictures and never asks for them."""

from __future__ import annotations

from textual.screen import Screen

from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.backdrop import Backdrop
from uringtrace.ui.terminal.state import ViewState


class PaneWidget(Backdrop):
    """One tab. `show` is called for the visible pane only: at most twice a second, and on keys."""

    pane: str = ""
    """Its name in `actions.PANES`, and its id."""

    def __init__(self) -> None:
        super().__init__(id=self.pane)

    def show(self, picture: Picture, view: ViewState) -> None:
        """Bring what is shown in line with the picture and the user's choices."""
        raise NotImplementedError

    def detail(self, key: object) -> Screen[None] | None:
        """What Enter on the row with this key opens; None where there is no more to see."""
        return None
