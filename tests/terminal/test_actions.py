"""One table of actions: every one can be done, is in the help, and where that makes sense in the palette."""

from __future__ import annotations

from collections import Counter

import pytest
from textual.screen import Screen

from tests.terminal.running import application, lines_of, running
from uringtrace.ui.terminal.actions import ACTIONS, PANES, Action, sentence, shown_key
from uringtrace.ui.terminal.app import UringtraceApp
from uringtrace.ui.terminal.help import help_text
from uringtrace.ui.terminal.panes import all_panes


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_each_is_a_method_of_the_application(action: Action) -> None:
    assert callable(getattr(UringtraceApp, f"action_{action.name.partition('(')[0]}", None))


def test_no_key_is_given_away_twice() -> None:
    keys = Counter(key for action in ACTIONS for key in action.keys.split(","))
    assert [key for key, number in keys.items() if number > 1] == []


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_each_is_in_the_help_with_its_key(action: Action) -> None:
    assert any(line.split() == sentence(action).split() for line in help_text().splitlines()), (
        f"{shown_key(action.keys)} {action.help}"
    )


def test_the_palette_has_all_but_those_that_make_no_sense_there() -> None:
    app = application()
    titles = [command.title for command in app.get_system_commands(Screen())]
    assert titles == [action.help for action in ACTIONS if action.palette]
    assert len(titles) == len(set(titles))


def test_every_pane_is_registered() -> None:
    assert [pane.name for pane in PANES] == list(all_panes())


@pytest.mark.asyncio
async def test_the_footer_shows_those_that_are_needed_most_on_80_columns() -> None:
    async with running("operations", size=(80, 24)) as pilot:
        await pilot.pause()
        last = lines_of(pilot.app)[-1]
        for action in ACTIONS:
            if action.footer:
                assert f"{shown_key(action.keys)} {action.label}" in last
