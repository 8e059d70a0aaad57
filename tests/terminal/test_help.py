"""The help: over everything, scrolled where it does not fit, closed by the keys that it names."""

from __future__ import annotations

import pytest

from tests.terminal.running import application_of, lines_of, running
from uringtrace.ui.terminal.help import HelpScreen


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["escape", "q", "question_mark"])
async def test_it_opens_and_closes(key: str) -> None:
    async with running("operations", size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, HelpScreen)
        assert any("Go to the next pane" in line for line in lines_of(pilot.app))
        await pilot.press(key)
        assert len(pilot.app.screen_stack) == 1
        assert pilot.app.is_running


@pytest.mark.asyncio
async def test_nothing_behind_it_changes() -> None:
    async with running("operations", size=(80, 24)) as pilot:
        before = application_of(pilot).view
        await pilot.press("question_mark", "3", "space", "o", "tab", "slash", "f", "escape")
        assert application_of(pilot).view == before
        assert application_of(pilot).active_pane.pane == "operations"


@pytest.mark.asyncio
async def test_what_does_not_fit_is_reached_by_scrolling() -> None:
    async with running("operations", size=(40, 10)) as pilot:
        await pilot.press("question_mark", "end")
        await pilot.pause()
        assert any("Home End" in line or "sideways" in line for line in lines_of(pilot.app))
