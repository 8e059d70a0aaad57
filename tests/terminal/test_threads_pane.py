"""The threads: what each does now and for how long, and with whom it exchanges wake-ups."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from tests.terminal.pictures import HOSTILE, HOSTILE_SHOWN, TGID, THREADS, picture, thread
from tests.terminal.running import SIZES, SMALL, application, lines_of, open_pane, running, show, table_of
from uringtrace.ui.terminal.panes import threads as pane
from uringtrace.ui.terminal.panes.thread_detail import ThreadScreen, detail_rows
from uringtrace.ui.terminal.state import Sort
from uringtrace.ui.terminal.thread_words import now_words, sentence

WORKER, WRITER, ENDED = TGID + 1, TGID + 2, TGID + 3


def in_order(sort: Sort) -> list[int]:
    return [each.activity.tid for each in pane.sorted_threads(THREADS, sort)]


def test_the_busiest_is_on_top_and_the_ended_last() -> None:
    assert in_order(pane.DEFAULT_SORT) == [WORKER, WRITER, TGID, ENDED]


@pytest.mark.parametrize("column", [column.key for column in pane.COLUMNS if column.sortable])
def test_every_column_sorts_both_ways(column: str) -> None:
    falling, rising = in_order(Sort(column)), in_order(Sort(column, descending=False))
    assert sorted(falling) == sorted(rising) == [TGID, WORKER, WRITER, ENDED]


def test_the_longest_in_its_call_is_on_top_when_asked() -> None:
    assert in_order(Sort("for"))[:2] == [WRITER, TGID]


def test_what_a_thread_does_is_said_only_where_it_is_known() -> None:
    assert sentence(THREADS[0]) == "waiting 1.23s in epoll_wait <anon_inode:[eventpoll]>"
    assert sentence(THREADS[1]) == "running"
    assert now_words(THREADS[1]) == "–"
    assert now_words(THREADS[3]) == ""


def test_the_detail_has_waits_then_who_woke_it_then_whom_it_woke() -> None:
    threads = {each.activity.tid: each for each in THREADS}
    rows = detail_rows(THREADS[0], threads)
    assert [row.cells[:3] for row in rows] == [
        ("waited in", "epoll_wait", "790"),
        ("waited in", "futex", "10"),
        ("woken by", "the network", "700"),
        ("woken by", "a timer", "12"),
        ("woken by", "4243 worker", "80"),
        ("woken by", "999", "10"),
        ("woke", "4244 writer", "33"),
    ]


@pytest.mark.asyncio
async def test_enter_opens_the_thread_which_follows_the_pictures_and_escape_closes_it() -> None:
    async with running("threads") as pilot:
        await pilot.press("down", "enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ThreadScreen)
        assert "blocked 3.40s in fsync </var/lib/app/journal.db>" in "\n".join(lines_of(pilot.app))
        await show(pilot, picture(threads=(thread(WRITER, call=None, state="ended"),)))
        assert lines_of(pilot.app)[1].strip() == "ended"
        await show(pilot, picture(threads=()))
        assert "not at this moment" in lines_of(pilot.app)[0]
        await pilot.press("q")
        await pilot.pause()
        assert len(pilot.app.screen_stack) == 1


@pytest.mark.asyncio
async def test_the_cursor_keeps_its_thread() -> None:
    async with running("threads") as pilot:
        await pilot.press("down")
        await show(pilot, picture(threads=tuple(reversed(THREADS))))
        assert table_of(pilot).chosen == WRITER
        await show(pilot, picture(threads=(*THREADS, thread(9, running_now=0.5), thread(8, running_now=0.6))))
        assert table_of(pilot).chosen == WRITER


@pytest.mark.asyncio
async def test_keys_and_clicks_sort() -> None:
    async with running("threads") as pilot:
        table = table_of(pilot)
        heading = lines_of(pilot.app)[table.region.y]
        await pilot.click(table, offset=(heading.index("WAKES"), 0))
        await pilot.pause()
        assert table.sort == Sort("wakes")
        await pilot.press("O")
        await pilot.pause()
        assert [row.key for row in table.rows] == [WORKER, WRITER, TGID, ENDED]


@pytest.mark.asyncio
async def test_hostile_names_and_files_are_harmless() -> None:
    evil = thread(TGID, name=HOSTILE, waits_for=HOSTILE, call="read")
    async with running("threads", picture(threads=(evil,)), (200, 60)) as pilot:
        text = "".join(lines_of(pilot.app))
        assert HOSTILE_SHOWN in text
        assert rf"read <{HOSTILE_SHOWN[:20]}" in text
        assert text.isprintable()
        await pilot.press("enter")
        await pilot.pause()
        text = "".join(lines_of(pilot.app))
        assert text.count(HOSTILE_SHOWN) == 2
        assert text.isprintable()


@pytest.mark.asyncio
async def test_five_hundred_threads_can_be_gone_through() -> None:
    many = tuple(thread(number, name=f"worker-{number}") for number in range(1, 501))
    async with running("threads", picture(threads=many), (80, 24)) as pilot:
        await pilot.press("end")
        await pilot.pause()
        assert table_of(pilot).chosen == 500
        assert any("worker-500" in line for line in lines_of(pilot.app))


@pytest.mark.asyncio
async def test_a_small_terminal_still_says_what_each_does_and_for_how_long() -> None:
    async with running("threads", size=SMALL) as pilot:
        assert any(
            "writer" in line and "blocked" in line and "fsync" in line and "3.40s" in line
            for line in lines_of(pilot.app)
        )


@pytest.mark.parametrize("size", SIZES)
def test_screen(size: tuple[int, int], snap_compare: Any) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "threads")

    assert snap_compare(application(), terminal_size=size, run_before=shown)


@pytest.mark.parametrize("size", SIZES)
def test_screen_of_one(size: tuple[int, int], snap_compare: Any) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "threads")
        await pilot.press("end", "up", "enter")
        await pilot.pause()

    assert snap_compare(application(), terminal_size=size, run_before=shown)
