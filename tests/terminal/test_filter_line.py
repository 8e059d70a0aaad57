"""The filter: typed in a line of its own, in the language of -e; what is wrong is marked where it is."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from tests.fakes import context
from tests.terminal.running import application_of, lines_of, running
from uringtrace.errors import FilterError
from uringtrace.ui.terminal.filter_line import FilterLine, condition_of


def test_no_text_is_no_condition() -> None:
    assert condition_of("", context()) is None


@pytest.mark.parametrize("text", ["op=NOSUCH", "latency>", "%nonsense"])
def test_what_is_no_filter_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(FilterError) as caught:
        condition_of(text, context())
    assert caught.value.expression == text


@pytest.mark.asyncio
async def test_it_is_typed_and_shown_in_the_header() -> None:
    async with running("operations", size=(120, 24)) as pilot:
        app = application_of(pilot)
        await pilot.press("slash", *"op=READ", "enter")
        await pilot.pause()
        assert app.view.filter_text == "op=READ"
        assert app.view.condition is not None
        assert not app.query_one(FilterLine).is_open
        assert "filter: op=READ" in lines_of(app)[0]
        assert app.focused is not None
        assert not isinstance(app.focused, Input)


@pytest.mark.asyncio
async def test_it_can_be_changed_and_taken_back() -> None:
    async with running("operations") as pilot:
        app = application_of(pilot)
        await pilot.press("slash", *"error", "enter", "slash")
        assert app.query_one(Input).value == "error"
        await pilot.press(*([*"  "]), "enter")
        assert app.view.filter_text == "error"
        await pilot.press("ctrl+l")
        assert app.view.filter_text == ""
        assert app.view.condition is None


@pytest.mark.asyncio
async def test_an_empty_line_shows_everything() -> None:
    async with running("operations") as pilot:
        app = application_of(pilot)
        await pilot.press("slash", *"error", "enter", "slash", "ctrl+u", "enter")
        assert app.view.condition is None


@pytest.mark.asyncio
async def test_what_is_wrong_is_marked_where_it_is_and_the_line_stays() -> None:
    async with running("operations", size=(80, 24)) as pilot:
        app = application_of(pilot)
        await pilot.press("slash", *"error and op=NOSUCH", "enter")
        await pilot.pause()
        lines = lines_of(app)
        typed = next(number for number, line in enumerate(lines) if "error and op=NOSUCH" in line)
        marks = lines[typed + 1]
        begin, end = marks.index("^"), marks.rindex("^") + 1
        assert lines[typed][begin:end] == "NOSUCH"
        assert "NOSUCH" in lines[typed + 2]
        assert app.query_one(FilterLine).is_open
        assert app.query_one(Input).has_focus
        assert app.view.condition is None
        await pilot.press("x")
        assert app.query_one(Input).value == "error and op=xNOSUCH"
        assert "^" not in lines_of(app)[typed + 1]


@pytest.mark.asyncio
async def test_keys_of_the_application_are_text_while_it_is_typed() -> None:
    async with running("operations") as pilot:
        app = application_of(pilot)
        await pilot.press("slash", *"q3 o?")
        await pilot.press("tab")
        assert app.query_one(Input).value == "q3 o?"
        assert app.active_pane.pane == "operations"


@pytest.mark.asyncio
async def test_escape_closes_it_and_changes_nothing() -> None:
    async with running("operations") as pilot:
        app = application_of(pilot)
        await pilot.press("slash", *"error", "enter", "slash", *" and", "escape")
        assert app.view.filter_text == "error"
        assert not app.query_one(FilterLine).is_open
        assert app.is_running


@pytest.mark.asyncio
async def test_the_same_filter_holds_in_every_pane() -> None:
    async with running("operations") as pilot:
        app = application_of(pilot)
        await pilot.press("slash", *"peer=192.0.2.2", "enter", "2")
        await pilot.pause()
        assert any("192.0.2.2:" in line for line in lines_of(app))
        assert not any("192.0.2.3:" in line for line in lines_of(app))
        await pilot.press("6")
        await pilot.pause()
        assert any(" of " in line and "lines" in line for line in lines_of(app))
