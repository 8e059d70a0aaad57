"""The timeline on the screen: every key, the mouse, what the cursor names, and what is not in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.fakes import STARTED_NS, call, row, rows
from tests.terminal.pictures import (
    AT_NS,
    FILES,
    HOSTILE,
    HOSTILE_SHOWN,
    MILLISECOND,
    SECOND,
    TGID,
    open_row,
    picture,
    recent,
    thread,
    under_way,
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
)
from tests.terminal.scenes import busy_picture, busy_rows
from uringtrace.tracer.filter import Condition, parse
from uringtrace.tracer.live.picture import Playback
from uringtrace.ui.terminal.lanes import Window
from uringtrace.ui.terminal.panes.operation_detail import OperationScreen
from uringtrace.ui.terminal.panes.timeline import TimelineLanes
from uringtrace.ui.terminal.state import LONGEST_SPAN_NS, SHORTEST_SPAN_NS, Timeline
from uringtrace.ui.terminal.time_axis import axis, short, since_start, step_ns

GUTTER = 24
"""Columns of titles in a terminal of 120."""


def timeline_of(pilot: Pilot[None]) -> Timeline:
    return application_of(pilot).view.timeline


def text_of(pilot: Pilot[None]) -> str:
    return "\n".join(lines_of(pilot.app))


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


def lane_line(pilot: Pilot[None], title: str) -> str:
    """The line of the lane with this title."""
    return next(line for line in pane_lines(pilot) if line[1:].startswith(title))


def pane_lines(pilot: Pilot[None]) -> list[str]:
    """Without those of the application above."""
    return lines_of(pilot.app)[pilot.app.query_one(TimelineLanes).region.y :]


@pytest.mark.parametrize(
    ("span", "width", "step"),
    [(1_000, 60, 200), (1_000_000_000, 60, 200_000_000), (3_600_000_000_000, 100, 500_000_000_000)],
)
def test_steps_are_round(span: int, width: int, step: int) -> None:
    assert step_ns(span, width, 11) == step


def test_the_axis_has_its_labels_at_their_moments() -> None:
    window = Window(STARTED_NS + 6 * SECOND, STARTED_NS + 7 * SECOND, 50)
    line = axis(window, STARTED_NS)
    assert len(line) == 50
    for cell in (index for index, sign in enumerate(line) if sign == "│"):
        label = line[cell + 1 :].split("s")[0]
        assert window.first_ns(cell) == STARTED_NS + round(float(label) * SECOND)


def test_short_steps_are_told_as_differences() -> None:
    line = axis(Window(STARTED_NS + 123_456, STARTED_NS + 125_456, 100), STARTED_NS)
    assert "│0.0001236s" in line or "│0.0001235s" in line
    assert "+" in line
    assert short(1_500) == "1.5µs"
    assert since_start(-1_500_000_000, 100_000_000) == "-1.5s"


def test_zoom_keeps_what_is_under_the_cursor() -> None:
    timeline = Timeline(span_ns=1_000, end_ns=10_000, cursor=0.25)
    zoomed = timeline.zoomed(0.5, 20_000)
    start, end = zoomed.edges(20_000)
    assert start + 0.25 * (end - start) == 9_250
    assert Timeline(cursor=1.0).zoomed(0.5, 9).end_ns is None
    assert Timeline(cursor=0.5).zoomed(0.5, 5 * SECOND).end_ns == 4_750_000_000
    assert timeline.zoomed(1e-9, 20_000).span_ns == SHORTEST_SPAN_NS
    assert timeline.zoomed(1e15, 20_000).span_ns == LONGEST_SPAN_NS


@pytest.mark.asyncio
async def test_threads_first_with_the_call_that_each_is_in() -> None:
    async with running("timeline", busy_picture()) as pilot:
        assert "‹" in lane_line(pilot, "4242 server")
        assert lane_line(pilot, "4244 writer").rstrip().endswith("›")
        assert "epoll_wait(4, <unfinished …> age=0.105000" in text_of(pilot)
        assert "follows" in text_of(pilot)


@pytest.mark.asyncio
async def test_zoom_and_pan_and_following() -> None:
    async with running("timeline", busy_picture()) as pilot:
        await press(pilot, "plus")
        assert timeline_of(pilot).span_ns == SECOND // 2
        assert "500ms wide" in text_of(pilot)
        await press(pilot, "minus")
        assert timeline_of(pilot).end_ns is None
        await press(pilot, "left")
        assert timeline_of(pilot).end_ns == AT_NS - SECOND // 10
        assert "stays (f follows)" in text_of(pilot)
        before = lane_line(pilot, "4244 writer")
        await show(pilot, busy_picture(at_ns=AT_NS + SECOND))
        assert lane_line(pilot, "4244 writer") == before
        await press(pilot, "f")
        assert timeline_of(pilot).end_ns is None
        await press(pilot, "f")
        assert timeline_of(pilot).end_ns == AT_NS + SECOND
        await press(pilot, "shift+left", "pageup")
        assert timeline_of(pilot).end_ns == AT_NS - SECOND
        await press(pilot, "shift+right", "right")
        assert timeline_of(pilot).end_ns == AT_NS + SECOND // 10
        await press(pilot, "pagedown")
        assert timeline_of(pilot).end_ns is None


@pytest.mark.asyncio
async def test_nobody_gets_lost_before_the_capture() -> None:
    async with running("timeline", busy_picture()) as pilot:
        await press(pilot, *["pageup"] * 12)
        assert timeline_of(pilot).end_ns == STARTED_NS + SECOND // 10
        assert "the capture began here" in text_of(pilot)
        assert "░░░░" in lane_line(pilot, "4244 writer")
        await press(pilot, *["less_than_sign"] * 60)
        assert "Before the capture began." in text_of(pilot)
        await press(pilot, "home")
        assert timeline_of(pilot).edges(AT_NS) == (STARTED_NS, STARTED_NS + SECOND)
        assert timeline_of(pilot).cursor == 0.0
        await press(pilot, "end")
        assert timeline_of(pilot).end_ns is None
        assert timeline_of(pilot).cursor == 1.0


@pytest.mark.asyncio
async def test_up_and_down_choose_the_lane() -> None:
    async with running("timeline", busy_picture()) as pilot:
        await press(pilot, "down", "j", "j", "j")
        assert "thread 4244 writer" in text_of(pilot)
        assert lane_line(pilot, "4244 writer").startswith("▶")
        await press(pilot, "up")
        assert "thread 4243 worker" in text_of(pilot)
        await press(pilot, "k", "k", "j")
        await show(pilot, busy_picture(threads=(thread(17, tgid=17), *picture().threads)))
        assert lane_line(pilot, "4243 worker").startswith("▶"), "the same lane, in another place"


@pytest.mark.asyncio
async def test_g_changes_lanes_and_rings_have_no_calls() -> None:
    async with running("timeline", busy_picture()) as pilot:
        await press(pilot, "g")
        assert "FSYNC═══" in lane_line(pilot, "ring 6 fd 9")
        assert "epoll_wait" not in text_of(pilot)
        await press(pilot, "g")
        assert "2 connections" in text_of(pilot)
        assert lane_line(pilot, "3 192.0.2.4:40003").count("W") > 5
        await press(pilot, "g")
        assert timeline_of(pilot).lanes == "threads"


@pytest.mark.asyncio
async def test_the_cursor_names_what_is_under_it() -> None:
    async with running("timeline", busy_picture(under_way=None)) as pilot:
        await press(pilot, "g", "down", "p")
        assert "EIO (Input/output error)" in text_of(pilot)
        failed = timeline_of(pilot).cursor
        await press(pilot, "p")
        assert "= 0 <0.180000> io-wq" in text_of(pilot)
        await press(pilot, "less_than_sign")
        assert "Nothing is known to have been under way here." in text_of(pilot)
        await press(pilot, "ctrl+right", "greater_than_sign", "ctrl+left", "n")
        assert timeline_of(pilot).cursor == failed
        await press(pilot, "plus", "plus", "plus", "p")
        start, end = timeline_of(pilot).edges(AT_NS)
        assert start < STARTED_NS + 6_350 * MILLISECOND < end
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, OperationScreen)
        await press(pilot, "escape", "end", "enter")
        assert not isinstance(pilot.app.screen, OperationScreen), "nothing is under the cursor"


@pytest.mark.asyncio
async def test_several_are_counted_by_kind() -> None:
    batch = rows(
        *[row("READ", after_ns=6_500 * MILLISECOND, tid=TGID, took_ns=each * 1_000) for each in range(1, 4)],
        row("FSYNC", after_ns=6_500 * MILLISECOND, tid=TGID, result=-5),
    )
    async with running("timeline", picture(batch=batch, under_way=None)) as pilot:
        await press(pilot, "p")
        assert "4 operations: 3 READ, 1 FSYNC; longest FSYNC 12.0µs; 1 failed" in text_of(pilot)


@pytest.mark.asyncio
async def test_a_click_and_a_drag() -> None:
    async with running("timeline", busy_picture()) as pilot:
        y = lines_of(pilot.app).index(lane_line(pilot, "4243 worker"))
        y -= pilot.app.query_one(TimelineLanes).region.y
        await pilot.click(TimelineLanes, offset=(GUTTER + 48, y))
        await pilot.pause()
        assert timeline_of(pilot).cursor == 48.5 / 96
        assert "thread 4243 worker" in text_of(pilot)
        await pilot.click(TimelineLanes, offset=(3, y + 1))
        await pilot.pause()
        assert timeline_of(pilot).cursor == 48.5 / 96
        assert "thread 4244 writer" in text_of(pilot)
        await pilot.mouse_down(TimelineLanes, offset=(50, 5))
        await pilot.hover(TimelineLanes, offset=(98, 5))
        await pilot.mouse_up(TimelineLanes, offset=(98, 5))
        await pilot.pause()
        assert timeline_of(pilot).end_ns == AT_NS - SECOND // 2
        assert "thread 4244 writer" in text_of(pilot)


@pytest.mark.asyncio
async def test_the_wheel_zooms_around_the_mouse() -> None:
    async with running("timeline", busy_picture()) as pilot:
        at = (GUTTER + 48, 5)
        before = timeline_of(pilot)
        start, end = before.edges(AT_NS)
        moment = start + (48.5 / 96) * (end - start)
        await pilot._post_mouse_events([_wheel("up")], TimelineLanes, offset=at, button=0)
        await pilot.pause()
        after = timeline_of(pilot)
        start, end = after.edges(AT_NS)
        assert after.span_ns == 0.8 * before.span_ns
        assert abs(start + (48.5 / 96) * (end - start) - moment) <= 1
        await pilot._post_mouse_events([_wheel("down")], TimelineLanes, offset=at, button=0)
        await pilot.pause()
        assert timeline_of(pilot).span_ns == before.span_ns
        await pilot._post_mouse_events([_wheel("up")], TimelineLanes, offset=at, button=0, shift=True)
        await pilot.pause()
        assert timeline_of(pilot).edges(AT_NS)[1] == AT_NS - SECOND // 10


def _wheel(direction: str) -> Any:
    from textual import events

    return events.MouseScrollUp if direction == "up" else events.MouseScrollDown


@pytest.mark.asyncio
async def test_pause_holds_still_and_says_so() -> None:
    async with running("timeline", busy_picture()) as pilot:
        await press(pilot, "space")
        before = pane_lines(pilot)
        assert "stands still" in before[0]
        await show(pilot, busy_picture(at_ns=AT_NS + SECOND))
        assert pane_lines(pilot) == before
        await press(pilot, "left")
        assert timeline_of(pilot).end_ns == AT_NS - SECOND // 10


@pytest.mark.asyncio
async def test_what_had_to_go_is_said_and_not_drawn_as_nothing() -> None:
    batch = busy_rows()
    kept = recent(*(batch[start : start + 100] for start in range(0, len(batch), 100)), capacity=200)
    assert kept.dropped
    async with running("timeline", busy_picture(recent=kept)) as pilot:
        await press(pilot, "minus", "minus", "home", "pageup")
        text = text_of(pilot)
        assert f"{kept.dropped} rows had to go, at most 200 are kept" in text
        assert lane_line(pilot, "4243 worker")[GUTTER:].startswith("░░░░")
        assert "Not in memory." in text


@pytest.mark.asyncio
async def test_a_filter_leaves_its_operations_alone() -> None:
    shown = busy_picture()
    async with running("timeline", shown) as pilot:
        app = application_of(pilot)
        condition = Condition(parse("op=FSYNC and interface=io_uring"), shown.context.operation_names)
        app.view = replace(app.view, filter_text="op=FSYNC", condition=condition)
        app.refresh_view()
        await pilot.pause()
        assert lane_line(pilot, "4243 worker")[GUTTER:].strip() == "F════›"
        assert "FSYNC═" in lane_line(pilot, "4244 writer")


@pytest.mark.asyncio
async def test_a_recording_looks_the_same() -> None:
    played = Playback(AT_NS, STARTED_NS, AT_NS + SECOND, True, 1.0)
    async with (
        running("timeline", busy_picture()) as live,
        running("timeline", busy_picture(live=False, playback=played)) as recording,
    ):
        assert pane_lines(live) == pane_lines(recording)


@pytest.mark.asyncio
async def test_names_from_the_target_are_harmless() -> None:
    waits = open_row("epoll_wait", since_ns=MILLISECOND, tid=TGID, fd=4, arg0=4, file=2)
    shown = busy_picture(
        threads=[thread(TGID, name=HOSTILE)],
        recent=replace(busy_picture().recent, files={2: replace(FILES[2], description=HOSTILE)}),
        under_way=under_way(waits),
    )
    async with running("timeline", shown, (200, 60)) as pilot:
        text = text_of(pilot)
        assert f"thread {TGID} {HOSTILE_SHOWN}" in text
        assert f"epoll_wait(4<{HOSTILE_SHOWN}>" in text
        assert "\x1b" not in text


@pytest.mark.asyncio
async def test_a_small_terminal_and_no_row() -> None:
    async with running("timeline", busy_picture(), SMALL) as pilot:
        assert "4242" in text_of(pilot)
        assert "epoll_wait" in text_of(pilot)
    empty = picture(batch=rows(), threads=(), rings=(), connections=(), under_way=None)
    async with running("timeline", empty) as pilot:
        assert "No lane" in text_of(pilot)
        await press(pilot, "up", "n", "p", "enter", "less_than_sign", "home", "end", "left", "g")
        assert "No lane" in text_of(pilot)


@pytest.mark.asyncio
async def test_many_lanes_scroll_to_the_chosen_one() -> None:
    many = [thread(100 + number, tgid=1, name=f"w{number}") for number in range(500)]
    async with running("timeline", busy_picture(threads=many)) as pilot:
        await press(pilot, *["down"] * 45)
        assert lane_line(pilot, "145 w45").startswith("▶")
        await press(pilot, *["up"] * 45)
        assert lane_line(pilot, "100 w0").startswith("▶")


def test_connections_are_those_of_files() -> None:
    """Two numbers of one socket are one lane."""
    from uringtrace.ui.terminal.lane_list import lanes_of
    from uringtrace.ui.terminal.spans import SpanMemory

    files = {**FILES, 14: replace(FILES[4], file=14)}
    batch = rows(row("RECV", file=4), call("recvfrom", file=14), row("READ", file=2))
    kept = replace(recent(batch), files=files)
    spans = SpanMemory().of(kept, "connections", None)
    window = Window(STARTED_NS, AT_NS, 10)
    [lane] = lanes_of(picture(recent=kept), "connections", spans, window)
    assert (lane.number, lane.title) == ("1 ", "192.0.2.2:40001")
    assert len(spans) == 2


@pytest.mark.parametrize("size", SIZES)
def test_screen_of_threads(size: tuple[int, int], snap_compare: Any) -> None:
    async def opened(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "timeline")

    assert snap_compare(application(busy_picture()), terminal_size=size, run_before=opened)


@pytest.mark.parametrize("size", SIZES)
def test_screen_of_rings(size: tuple[int, int], snap_compare: Any) -> None:
    async def opened(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "timeline")
        await press(pilot, "g", "down", "p")

    assert snap_compare(application(busy_picture()), terminal_size=size, run_before=opened)


@pytest.mark.parametrize("size", SIZES)
def test_screen_of_connections_with_rows_that_had_to_go(size: tuple[int, int], snap_compare: Any) -> None:
    batch = busy_rows()
    kept = recent(*(batch[start : start + 100] for start in range(0, len(batch), 100)), capacity=200)

    async def opened(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "timeline")
        await press(pilot, "g", "g", "minus", "minus")

    assert snap_compare(application(busy_picture(recent=kept)), terminal_size=size, run_before=opened)
