"""The findings: a row for each, everything about one, and what the rules without findings came to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.terminal.pictures import (
    AT_NS,
    FINDINGS,
    HOSTILE,
    HOSTILE_SHOWN,
    MILLISECOND,
    SECOND,
    judged,
    picture,
)
from tests.terminal.running import (
    SIZES,
    SMALL,
    application,
    application_of,
    lines_of,
    open_pane,
    running,
    show,
    table_of,
)
from uringtrace.tracer.findings import Evidence
from uringtrace.tracer.source import Losses
from uringtrace.ui.terminal.finding_words import NOTHING, finding_lines
from uringtrace.ui.terminal.panes import findings as pane
from uringtrace.ui.terminal.panes.finding_detail import FindingScreen
from uringtrace.ui.terminal.state import SHORTEST_SPAN_NS, Sort, Timeline


def text_of(pilot: Pilot[None]) -> str:
    return "\n".join(lines_of(pilot.app))


@pytest.mark.parametrize("size", SIZES)
def test_screen(size: tuple[int, int], snap_compare: Any) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "findings")

    assert snap_compare(application(), terminal_size=size, run_before=shown)


@pytest.mark.parametrize("size", SIZES)
def test_screen_of_one(size: tuple[int, int], snap_compare: Any) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "findings")
        await pilot.press("enter")
        await pilot.pause()

    assert snap_compare(application(), terminal_size=size, run_before=shown)


@pytest.mark.parametrize("size", SIZES)
def test_screen_without_findings(size: tuple[int, int], snap_compare: Any) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "findings")

    first = picture(judged=judged(left_out=1_000), losses=Losses({"operations": 3}, 0))
    assert snap_compare(application(first), terminal_size=size, run_before=shown)


@pytest.mark.parametrize(
    ("column", "rising"),
    [
        ("severity", ["ring-unused", "io-wq-punts", "stuck-request"]),
        ("confidence", ["io-wq-punts", "stuck-request", "ring-unused"]),
        ("tag", ["io-wq-punts", "ring-unused", "stuck-request"]),
        ("title", ["io-wq-punts", "ring-unused", "stuck-request"]),
        ("subject", ["ring-unused", "stuck-request", "io-wq-punts"]),
    ],
)
def test_every_column_sorts(column: str, rising: list[str]) -> None:
    found = pane.sorted_findings(FINDINGS, Sort(column, descending=False))
    assert [each.tag for each in found] == rising
    assert {each.key for each in pane.COLUMNS} == set(pane._VALUES)


@pytest.mark.asyncio
async def test_without_findings_it_says_what_was_judged_and_what_is_missing() -> None:
    async with running("findings", picture(judged=judged())) as pilot:
        text = " ".join(text_of(pilot).split())
        assert NOTHING in text
        assert "4 rules: 0 found something, 1 could judge and found nothing, 3 not applicable" in text
        assert "needs a ring with SQPOLL: sqpoll-asleep, sqpoll-burning" in text
        assert "healthy" not in text.lower()
        await show(pilot, picture(judged=None))
        assert "Nothing was judged yet." in text_of(pilot)
        assert table_of(pilot).chosen is None
        await pilot.press("enter", "w")
        assert len(pilot.app.screen_stack) == 1


@pytest.mark.asyncio
async def test_what_came_too_fast_and_what_was_lost_is_said_first() -> None:
    first = picture(judged=judged(*FINDINGS, left_out=1_000), losses=Losses({"operations": 3}, 0))
    async with running("findings", first, size=SMALL) as pilot:
        text = text_of(pilot)
        assert "! Not everything was judged: 1,000" in text
    lines = pane.remark_lines(first)
    assert lines[0].startswith("! Not everything was judged: 1,000 of 100,000 records came too fast")
    assert lines[1].startswith("! Records were lost")


@pytest.mark.asyncio
async def test_enter_opens_one_which_stays_when_it_is_not_found_any_more() -> None:
    async with running("findings") as pilot:
        await pilot.press("down", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, FindingScreen)
        text = text_of(pilot)
        assert "WARNING  FSYNC on file is carried out by worker threads" in text
        assert 'thread 4244 "writer" of process 4242, fd 5 </var/lib/app/journal.db>, ring 5' in text
        assert "punted 9, share 0.9" in text
        assert "Open the file with O_DIRECT" in text
        assert "all the time that was judged" in text
        await pilot.press("w")
        assert isinstance(pilot.app.screen, FindingScreen)
        await show(pilot, picture(judged=judged()))
        assert "Not found at this moment any more" in text_of(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert NOTHING in text_of(pilot)


@pytest.mark.parametrize("keys", [("w",), ("enter", "w")])
@pytest.mark.asyncio
async def test_a_key_shows_the_window_on_the_timeline(keys: tuple[str, ...]) -> None:
    async with running("findings") as pilot:
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        app = application_of(pilot)
        assert app.active_pane.pane == "timeline"
        assert len(app.screen_stack) == 1
        begin, end = app.view.timeline.edges(AT_NS)
        assert begin < AT_NS - 2_300 * MILLISECOND
        assert begin > AT_NS - 3 * SECOND
        assert end == AT_NS


@pytest.mark.asyncio
async def test_a_window_that_is_not_in_memory_any_more_is_said_to_be_so() -> None:
    first = picture()
    forgotten = replace(first.recent, dropped=5)
    window = replace(FINDINGS[0], window=replace(FINDINGS[0].window, start_ns=1, end_ns=2))
    async with running("findings", replace(first, recent=forgotten, judged=judged(window))) as pilot:
        await pilot.press("w")
        await pilot.pause()
        assert "Not in memory." in " ".join(text_of(pilot).split())


def test_a_stretch_is_shown_with_a_little_around_it_and_the_cursor_at_its_beginning() -> None:
    shown = Timeline().around(AT_NS - 5 * SECOND, AT_NS - 4 * SECOND, AT_NS)
    begin, end = shown.edges(AT_NS)
    assert (begin, end) == (AT_NS - 5 * SECOND - SECOND // 10, AT_NS - 4 * SECOND + SECOND // 10)
    assert begin + shown.cursor * shown.span_ns == pytest.approx(AT_NS - 5 * SECOND)
    assert Timeline().around(AT_NS, AT_NS, AT_NS).span_ns >= SHORTEST_SPAN_NS


@pytest.mark.asyncio
async def test_what_the_target_named_reaches_the_terminal_as_text() -> None:
    evil = replace(
        FINDINGS[0],
        title=f"read of {HOSTILE}",
        subject=replace(FINDINGS[0].subject, file=HOSTILE),
        evidence=(Evidence(f"seen on {HOSTILE}", {"name": HOSTILE}),),
    )
    async with running("findings", picture(judged=judged(evil)), size=(200, 60)) as pilot:
        assert HOSTILE_SHOWN in text_of(pilot)
        await pilot.press("enter")
        await pilot.pause()
        text = text_of(pilot)
        assert text.count(HOSTILE_SHOWN) >= 3
        assert not set(HOSTILE) & {"\x1b", "\u202e"} & set(text)


def test_values_have_their_units() -> None:
    lines = "\n".join(finding_lines(FINDINGS[0], AT_NS - 7 * SECOND))
    assert "unanswered 2, longest_ns 2.30s, answered 57" in lines
    assert "4.700000 s to 7.000000 s of the capture" in lines
