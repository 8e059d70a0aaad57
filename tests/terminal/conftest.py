"""Screens are the same on every machine, and whole while panes are still being written."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

import uringtrace.ui.terminal.app
from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.actions import PANES
from uringtrace.ui.terminal.pane import PaneWidget
from uringtrace.ui.terminal.panes import all_panes
from uringtrace.ui.terminal.state import ViewState


class Absent(PaneWidget):
    """In place of a pane that is not registered."""

    def show(self, picture: Picture, view: ViewState) -> None:
        pass


@pytest.fixture(autouse=True)
def every_tab(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of `actions.PANES` are there, so that the row of tabs never changes."""

    def panes() -> Mapping[str, type[PaneWidget]]:
        return {pane.name: Absent for pane in PANES} | dict(all_panes())

    monkeypatch.setattr(uringtrace.ui.terminal.app, "all_panes", panes)


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have switched them off."""
    monkeypatch.delenv("NO_COLOR", raising=False)
