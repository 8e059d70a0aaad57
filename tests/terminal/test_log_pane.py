"""The log: which lines there are, that the line on top stays while frozen, and every key."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

from tests.fakes import ALL_NAMES, STARTED_NS, row, rows
from tests.terminal.pictures import FILES, HOSTILE, HOSTILE_SHOWN, MILLISECOND, picture
from tests.terminal.running import (
    SIZES,
    SMALL,
    application,
    application_of,
    lines_of,
    open_pane,
    running,
    show,
)
from tests.terminal.scenes import busy_picture
from uringtrace.tracer.filter import Condition, parse
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.live.recent import RecentOperations
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records, only_operations
from uringtrace.ui.terminal.log_rows import LogRows, elapsed
from uringtrace.ui.terminal.panes.log import LogLines
from uringtrace.ui.terminal.state import ViewState

PART = 1_000
"""So many are kept, and dropped, together."""


class Growing:
    """A memory that gets NOPs numbered by their user_data, and pictures of it."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._kept = RecentOperations(capacity)
        self._count = 0

    def grown(self, count: int) -> Picture:
        for _ in range(count // PART):
            batch = np.repeat(row("NOP"), PART)
            batch["user_data"] = self._count + np.arange(PART)
            batch["completed_ns"] = STARTED_NS + (self._count + np.arange(PART)) * MILLISECOND
            self._kept.add(only_operations(batch))
            self._count += PART
        return picture(recent=self._kept.view(FILES))


def numbers_in(lines: list[str]) -> list[int]:
    """The user_data of lines."""
    return [int(line.split("user_data=")[1].split()[0], 16) for line in lines if "user_data=" in line]


def log_of(pilot: Pilot[None]) -> LogLines:
    return pilot.app.query_one(LogLines)


def seen(pilot: Pilot[None]) -> list[int]:
    return numbers_in(log_of(pilot).shown_lines())


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


def rows_of(shown: Picture, text: str = "") -> LogRows:
    made = LogRows()
    made.update(shown, Condition(parse(text), ALL_NAMES) if text else None)
    return made


def test_only_lines_that_are_asked_for_are_made() -> None:
    made = rows_of(Growing().grown(2_000))
    assert len(made) == 2_000
    assert numbers_in([line.text for line in made.lines(998, 4)]) == [998, 999, 1_000, 1_001]
    assert made.lines(2_000, 5) == []
    assert sum(len(part.lines) for part in made._parts) == 4


def test_a_row_keeps_its_number_when_others_go() -> None:
    growing = Growing(5_000)
    made = rows_of(growing.grown(5_000))
    number = made.number_of(3_333)
    made.update(growing.grown(2_000), None)
    assert made.index_of(number) == 1_333
    assert numbers_in([made.lines(1_333, 1)[0].text]) == [3_333]
    made.update(growing.grown(10_000), None)
    assert made.index_of(number) == 0
    assert made.number_of(10**6) == 17_000
    assert made.index_of(10**6) == len(made)


def test_a_filter_is_that_of_the_command_line() -> None:
    made = rows_of(busy_picture(), "op=FSYNC and error")
    assert len(made) == 1
    assert "EIO" in made.lines(0, 1)[0].text
    assert made.lines(0, 1)[0].failed


def test_the_next_line_of_a_filtered_log_is_found_by_number() -> None:
    batch = rows(*[row("NOP" if number % 3 else "FSYNC") for number in range(30)])
    made = rows_of(picture(batch=batch), "op=FSYNC")
    assert [made.number_of(index) for index in range(len(made))] == list(range(0, 30, 3))
    assert [made.index_of(number) for number in (0, 1, 3, 29)] == [0, 1, 1, 10]


def test_memory_that_calls_pointed_to_is_part_of_the_line() -> None:
    from tests.fakes import call

    batch = rows(row("NOP"), call("openat", -100, 0x7F00, 0, 0, result=3))
    memory = np.zeros(1, MEMORY)
    memory["row"], memory["argument"], memory["length"], memory["total"] = 1, 1, 8, 8
    memory["data"] = b"/etc/xy\0"
    kept = RecentOperations()
    kept.add(Records(batch, memory, np.zeros(0, SOCKET_EVENT)))
    made = rows_of(picture(recent=kept.view(FILES)))
    assert 'openat(AT_FDCWD, "/etc/xy"' in made.lines(1, 1)[0].text


def test_times_are_those_of_the_timeline() -> None:
    assert elapsed(7_012_345_678) == "7.012345"
    assert elapsed(-1_500_000) == "-0.001500"


def test_two_hundred_thousand_rows_are_kept_without_formatting_them() -> None:
    """Processor time; the bound is loose, for any machine."""
    kept = RecentOperations(200_000)
    kept.add(only_operations(np.repeat(row("NOP"), 200_000)))
    shown = picture(recent=kept.view(FILES))
    made = LogRows()
    begin = time.thread_time()
    made.update(shown, Condition(parse("op=NOP"), ALL_NAMES))
    made.update(shown, made._condition)
    made.lines(150_000, 60)
    assert len(made) == 200_000
    assert time.thread_time() - begin < 0.5


@pytest.mark.asyncio
async def test_it_follows_until_scrolled_up_and_then_stays() -> None:
    growing = Growing()
    async with running("log", growing.grown(5_000)) as pilot:
        assert seen(pilot)[-1] == 4_999
        await show(pilot, growing.grown(2_000))
        assert seen(pilot)[-1] == 6_999
        assert "follows  7,000 lines  0 older ones dropped (keeps 10,000)" in "\n".join(lines_of(pilot.app))
        await press(pilot, "up", "k")
        assert not application_of(pilot).view.follow
        before = seen(pilot)
        assert before[-1] == 6_997
        await show(pilot, growing.grown(6_000))
        assert seen(pilot) == before, "the top line stays though 3,000 rows before it went"
        text = "\n".join(lines_of(pilot.app))
        assert "frozen (f follows)  10,000 lines  3,000 older ones dropped" in text
        await press(pilot, "f")
        assert seen(pilot)[-1] == 12_999
        await press(pilot, "f")
        await show(pilot, growing.grown(1_000))
        assert seen(pilot)[-1] == 12_999
        await press(pilot, "end")
        assert application_of(pilot).view.follow
        assert seen(pilot)[-1] == 13_999


@pytest.mark.asyncio
async def test_what_is_frozen_and_dropped_gives_way_to_the_oldest_that_is_kept() -> None:
    growing = Growing()
    async with running("log", growing.grown(5_000)) as pilot:
        await press(pilot, "home")
        assert seen(pilot)[0] == 0
        await show(pilot, growing.grown(15_000))
        assert seen(pilot)[0] == 10_000


@pytest.mark.asyncio
async def test_pages_ends_and_the_wheel() -> None:
    async with running("log", Growing().grown(1_000)) as pilot:
        height = log_of(pilot).size.height
        await press(pilot, "pageup")
        assert seen(pilot)[-1] == 999 - (height - 1)
        await press(pilot, "pagedown", "home", "j", "down")
        assert seen(pilot)[0] == 2
        await press(pilot, "G")
        assert seen(pilot)[-1] == 999
        log_of(pilot).scroll_relative(y=-3, animate=False)
        await pilot.pause()
        assert not application_of(pilot).view.follow
        assert seen(pilot)[-1] == 996


@pytest.mark.asyncio
async def test_long_lines_move_sideways() -> None:
    async with running("log", busy_picture(), (80, 24)) as pilot:
        longest = max(log_of(pilot).shown_lines(), key=len)
        for keys, left in ((["right"] * 2, 20), (["left"], 10), (["right"] * 9, None), (["shift+left"], 0)):
            await press(pilot, *keys)
            part = longest[left : left + 70] if left is not None else longest[-70:]
            assert any(line.startswith(part) for line in lines_of(pilot.app)) or left is None
            assert left is not None or any(part in line for line in lines_of(pilot.app))


@pytest.mark.asyncio
async def test_a_filter_and_what_it_hides() -> None:
    shown = busy_picture()
    async with running("log", shown) as pilot:
        app = application_of(pilot)
        for text, expected in (("op=FSYNC", "3 of 364 lines"), ("op=NOP", "The filter hides all of them.")):
            condition = Condition(parse(text), shown.context.operation_names)
            app.view = replace(app.view, filter_text=text, condition=condition)
            app.refresh_view()
            await pilot.pause()
            assert expected in "\n".join(lines_of(pilot.app))
        app.view = ViewState()
        app.refresh_view()
        await pilot.pause()
        assert log_of(pilot).count == 364


@pytest.mark.asyncio
async def test_names_from_the_target_are_harmless_and_nothing_breaks_when_small() -> None:
    files = {2: replace(FILES[2], description=HOSTILE)}
    kept = replace(busy_picture().recent, files=files)
    async with running("log", busy_picture(recent=kept), (200, 60)) as pilot:
        text = "\n".join(lines_of(pilot.app))
        assert f"fd=5<{HOSTILE_SHOWN}>" in text
        assert "\x1b" not in text
        await pilot.resize_terminal(*SMALL)
        await pilot.pause()
        assert any("sendto" in line for line in lines_of(pilot.app))
        await show(pilot, picture(batch=rows()))
        assert "No operation has ended yet." in "\n".join(lines_of(pilot.app))


@pytest.mark.parametrize("size", SIZES)
def test_screen(size: tuple[int, int], snap_compare: Any) -> None:
    async def opened(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "log")

    assert snap_compare(application(busy_picture()), terminal_size=size, run_before=opened)
