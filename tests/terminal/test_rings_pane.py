"""The rings: fill, SQ thread and trouble as words, and the facts of the one under the cursor."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from tests.terminal.pictures import RINGS, picture, ring
from tests.terminal.running import SIZES, SMALL, application, lines_of, open_pane, running, show, table_of
from uringtrace.ui.terminal.panes import rings as pane
from uringtrace.ui.terminal.panes.rings import RingScreen
from uringtrace.ui.terminal.ring_words import ring_lines, sq_thread_words, trouble_words
from uringtrace.ui.terminal.state import Sort


def in_order(sort: Sort) -> list[int]:
    return [each.summary.ring for each in pane.sorted_rings(RINGS, sort)]


@pytest.mark.parametrize(
    ("column", "falling"),
    [
        ("rate", [5, 6, 7]),
        ("cq", [6, 5, 7]),
        ("sq", [5, 6, 7]),
        ("trouble", [6, 7, 5]),
        ("sq_thread", [5, 7, 6]),
        ("fd", [6, 5, 7]),
    ],
)
def test_columns_sort_with_what_is_not_known_last(column: str, falling: list[int]) -> None:
    assert in_order(Sort(column)) == falling


@pytest.mark.parametrize("column", [column.key for column in pane.COLUMNS if column.sortable])
def test_every_column_sorts(column: str) -> None:
    assert sorted(in_order(Sort(column))) == sorted(in_order(Sort(column, descending=False))) == [5, 6, 7]


@pytest.mark.parametrize(
    ("busy", "words"),
    [(0.931, "busy 93.1%"), (0.0, "idle 0%"), (0.0004, "idle <0.1%"), (1.02, "busy 100%"), (None, "–")],
)
def test_an_sq_thread_is_busy_or_idle_in_words(busy: float | None, words: str) -> None:
    assert sq_thread_words(ring(sq_thread_busy=busy)) == words


def test_a_ring_without_an_sq_thread_has_no_words_for_it() -> None:
    assert sq_thread_words(ring(sq_thread=None, sq_thread_busy=None)) == ""
    lines = "\n".join(ring_lines(ring(sq_thread=None, setup_flags=())))
    assert "SQ thread: none, the program submits" in lines
    unknown = "\n".join(ring_lines(ring(sq_thread=None, setup_flags=None)))
    assert "SQ thread: –" in unknown


def test_trouble_is_told_in_words() -> None:
    assert trouble_words(ring()) == "none"
    assert (
        trouble_words(ring(overflows=17, dropped=3, untracked=2)) == "17 overflowed, 3 dropped, 2 untracked"
    )


@pytest.mark.asyncio
async def test_the_facts_are_those_of_the_ring_under_the_cursor() -> None:
    async with running("rings") as pilot:
        assert "Ring 5  descriptor 4 of process 4242" in "\n".join(lines_of(pilot.app))
        await pilot.press("down")
        await pilot.pause()
        text = "\n".join(lines_of(pilot.app))
        assert "Ring 6  descriptor 9 of process 4242" in text
        assert "128 of 128 not yet taken by the program" in text
        await show(pilot, picture(rings=()))
        assert "No ring was seen: io_uring is not used so far." in "\n".join(lines_of(pilot.app))


@pytest.mark.asyncio
async def test_enter_opens_the_ring_which_follows_the_pictures_and_escape_closes_it() -> None:
    async with running("rings", size=SMALL) as pilot:
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, RingScreen)
        assert "trouble: none" in lines_of(pilot.app)[1]
        await show(pilot, picture(rings=(ring(5, overflows=4),)))
        assert "trouble: 4 overflowed" in lines_of(pilot.app)[1]
        await show(pilot, picture(rings=(ring(8),)))
        assert "This ring is gone" in lines_of(pilot.app)[0]
        await pilot.press("escape")
        await pilot.pause()
        assert table_of(pilot).has_focus


@pytest.mark.asyncio
async def test_rings_that_only_proc_knows_are_told_apart() -> None:
    silent = (ring(0, fd=4), ring(0, fd=5))
    async with running("rings", picture(rings=silent)) as pilot:
        await pilot.press("down")
        await pilot.pause()
        assert "Ring, silent so far  descriptor 5" in "\n".join(lines_of(pilot.app))


@pytest.mark.asyncio
async def test_keys_and_clicks_sort() -> None:
    async with running("rings") as pilot:
        table = table_of(pilot)
        await pilot.press("O")
        await pilot.pause()
        assert table.sort == Sort("rate", descending=False)
        heading = lines_of(pilot.app)[table.region.y]
        await pilot.click(table, offset=(heading.index("CQ FILL"), 0))
        await pilot.pause()
        assert table.sort == Sort("cq", descending=False)


@pytest.mark.asyncio
async def test_a_small_terminal_still_shows_the_fill_and_the_trouble() -> None:
    async with running("rings", size=SMALL) as pilot:
        assert any("128/128" in line and "17 overflowed" in line for line in lines_of(pilot.app))


@pytest.mark.parametrize("size", SIZES)
def test_screen(size: tuple[int, int], snap_compare: Any) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "rings")
        await pilot.press("down")
        await pilot.pause()

    assert snap_compare(application(), terminal_size=size, run_before=shown)


@pytest.mark.parametrize("size", SIZES)
def test_screen_of_one(size: tuple[int, int], snap_compare: Any) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "rings")
        await pilot.press("enter")
        await pilot.pause()

    assert snap_compare(application(), terminal_size=size, run_before=shown)
