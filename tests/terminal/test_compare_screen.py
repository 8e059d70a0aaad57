"""strace beside uringtrace on the screen: asked for, waited for, looked at, and never left attached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.terminal.comparing import FakeComparing, FakeWork, compared
from tests.terminal.pictures import HOSTILE, HOSTILE_SHOWN, picture, thread
from tests.terminal.running import SIZES, StillFeed, application_of, lines_of, open_pane
from uringtrace.errors import TargetError
from uringtrace.tracer.compare.beside import ATTACHED, ATTACHING, LETTING_GO, READING, Progress
from uringtrace.tracer.compare.excerpt import Entry
from uringtrace.tracer.live.fake import FakeRecorder
from uringtrace.ui.terminal.app import Options, UringtraceApp
from uringtrace.ui.terminal.compare_columns import CompareColumns, is_gap
from uringtrace.ui.terminal.compare_screen import CompareQuestion, CompareScreen
from uringtrace.ui.terminal.compare_words import LEAST_SECONDS, MOST_SECONDS, progress_lines
from uringtrace.ui.terminal.compare_work import SECONDS, OfTarget, Question, processes_of
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.text.compare_columns import GAP

QUESTION = Question("process 4242", "")


def app_with(comparing: FakeComparing | None, **options: Any) -> UringtraceApp:
    return UringtraceApp(StillFeed(picture()), Options(**options), comparing)


@asynccontextmanager
async def pressing_c(
    comparing: FakeComparing | None, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[Pilot[None]]:
    async with app_with(comparing).run_test(size=size) as pilot:
        await open_pane(pilot, "log")
        await pilot.press("c")
        await pilot.pause()
        yield pilot


def text_of(pilot: Pilot[None]) -> str:
    return "\n".join(lines_of(pilot.app))


async def until_shown(pilot: Pilot[None], words: str) -> str:
    """What would wrap is looked for without its line ends."""
    deadline = monotonic() + 20
    while words not in " ".join((text := text_of(pilot)).split()):
        assert monotonic() < deadline, text
        await pilot.pause(0.01)
    return text


async def until_columns(pilot: Pilot[None]) -> CompareColumns:
    await until_shown(pilot, "ONLY URINGTRACE")
    return pilot.app.screen.query_one(CompareColumns)


def done(*, entries: int = 1) -> FakeComparing:
    """A comparison that is there at once."""
    work = FakeWork(result=compared(entries=entries))
    work.go.set()
    return FakeComparing(work)


@pytest.mark.parametrize("size", SIZES)
def test_screen(size: tuple[int, int], snap_compare: Any) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "log")
        await pilot.press("c")
        await until_columns(pilot)
        await pilot.press("n")
        await pilot.pause()

    assert snap_compare(app_with(done(entries=5)), terminal_size=size, run_before=shown)


def test_screen_of_the_question_and_of_the_progress(snap_compare: Any) -> None:
    work = FakeWork(result=compared())

    async def asked(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "log")
        await pilot.press("c", "plus")
        await pilot.pause()

    async def attached(pilot: Pilot[None]) -> None:
        await asked(pilot)
        await pilot.press("y")
        await until_shown(pilot, "2.0 of 6 s")

    app = app_with(FakeComparing(work, question=QUESTION))
    assert snap_compare(app, terminal_size=(80, 24), run_before=attached)


@pytest.mark.asyncio
async def test_strace_is_attached_only_after_a_yes_and_for_as_long_as_was_chosen() -> None:
    work = FakeWork(result=compared())
    comparing = FakeComparing(work, question=QUESTION)
    async with pressing_c(comparing) as pilot:
        assert isinstance(pilot.app.screen, CompareQuestion)
        assert "stops the target at every system call" in text_of(pilot)
        for key in ("n", "escape", "q"):
            await pilot.press(key)
            assert len(pilot.app.screen_stack) == 1
            await pilot.press("c")
        assert comparing.asked == []
        await pilot.press("minus", "minus", "plus", "y")
        await until_shown(pilot, "strace is attached")
        assert comparing.asked == [SECONDS - 1]
        work.go.set()
        await until_columns(pilot)
        assert not work.stopped.is_set()


@pytest.mark.asyncio
async def test_the_time_has_bounds() -> None:
    comparing = FakeComparing(FakeWork(result=compared()), question=QUESTION)
    async with pressing_c(comparing) as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, CompareQuestion)
        await pilot.press(*["minus"] * 6)
        assert f"for {LEAST_SECONDS:.0f} s?" in text_of(pilot)
        screen.action_longer(1_000)
        await pilot.press("minus", "equals_sign", "plus")
        assert f"for {MOST_SECONDS:.0f} s?" in text_of(pilot)


@pytest.mark.asyncio
async def test_what_stands_against_it_is_said_and_there_is_no_yes() -> None:
    obstacle = "traced already, by gdb"
    comparing = FakeComparing(FakeWork(), question=replace(QUESTION, obstacle=obstacle))
    async with pressing_c(comparing, size=(200, 60)) as pilot:
        await until_shown(pilot, "traced already, by gdb")
        await pilot.press("y")
        assert isinstance(pilot.app.screen, CompareQuestion)
        assert comparing.asked == []


@pytest.mark.asyncio
async def test_while_it_runs_escape_lets_go_and_shows_what_there_is() -> None:
    work = FakeWork(result=compared())
    async with pressing_c(FakeComparing(work)) as pilot:
        await until_shown(pilot, "strace is attached")
        await pilot.press("escape")
        assert work.stopped.is_set()
        await until_columns(pilot)
        await pilot.press("q")
        assert len(pilot.app.screen_stack) == 1
        assert pilot.app.is_running


@pytest.mark.asyncio
async def test_the_application_ends_only_when_strace_is_gone() -> None:
    """Ctrl-C, a signal or a terminal that is closed end it, whatever is open."""
    work = FakeWork(result=compared())
    async with pressing_c(FakeComparing(work)) as pilot:
        await until_shown(pilot, "strace is attached")
        await pilot.press("ctrl+c")
    assert work.stopped.is_set()
    assert work.over


def test_what_has_not_begun_is_not_begun_when_the_screen_is_gone() -> None:
    """Nor waited for: the application may end before there is a thread for it."""
    work = FakeWork(result=compared())
    screen = CompareScreen(work, "process 4242", 5.0)
    asyncio.run(asyncio.wait_for(screen.on_unmount(), 10))
    screen._compare()
    assert work.stopped.is_set()
    assert not work.over


@pytest.mark.asyncio
async def test_why_it_failed_is_said() -> None:
    work = FakeWork(error=TargetError("strace may not trace it: not permitted"))
    work.go.set()
    async with pressing_c(FakeComparing(work)) as pilot:
        await until_shown(pilot, "No comparison: strace may not trace it: not permitted")
        await pilot.press("escape")
        assert len(pilot.app.screen_stack) == 1


@pytest.mark.asyncio
async def test_every_key_of_the_columns() -> None:
    async with pressing_c(done(entries=3), size=(120, 24)) as pilot:
        columns = await until_columns(pilot)
        last, page = len(columns._entries) - 1, columns._page
        for key, place in [
            ("down", 1),
            ("j", 2),
            ("up", 1),
            ("k", 0),
            ("k", 0),
            ("pagedown", page),
            ("pageup", 0),
            ("end", last),
            ("down", last),
            ("home", 0),
            ("G", last),
        ]:
            await pilot.press(key)
            assert columns.cursor == place, key
            assert columns.scroll_y <= columns.cursor < columns.scroll_y + page, "it can be seen"
        await pilot.press("home")
        gaps = [number for number, entry in enumerate(columns._entries) if is_gap(entry)]
        seen = []
        for _ in gaps:
            await pilot.press("n")
            seen.append(columns.cursor)
        assert seen == gaps
        await pilot.press("n")
        assert columns.cursor == gaps[-1], "there is no other"
        await pilot.press("p")
        assert columns.cursor == gaps[-2]


@pytest.mark.asyncio
async def test_the_line_under_the_cursor_is_there_in_full_or_why_it_is_not() -> None:
    async with pressing_c(done(), size=(200, 60)) as pilot:
        columns = await until_columns(pilot)
        for number, entry in enumerate(columns._entries):
            await pilot.press(*(["down"] if number else []))
            await pilot.pause()
            text = text_of(pilot)
            assert ("strace      recvfrom(5<TCP>" in text) == (entry.line is not None)
            assert ("uringtrace  recvfrom(5<TCP 10" in text) == (entry.row is not None)
            assert ("nothing: " in text) == is_gap(entry)


@pytest.mark.asyncio
async def test_a_click_moves_the_cursor() -> None:
    async with pressing_c(done()) as pilot:
        columns = await until_columns(pilot)
        await pilot.click(columns, offset=(5, 4))
        assert columns.cursor == 3


@pytest.mark.asyncio
async def test_tab_goes_to_what_each_side_missed_and_back() -> None:
    async with pressing_c(done(), size=(80, 24)) as pilot:
        columns = await until_columns(pilot)
        assert pilot.app.focused is columns
        await pilot.press("tab")
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "rest"
        await pilot.press("end")
        await pilot.pause()
        assert "lost 0" in text_of(pilot)
        await pilot.press("tab")
        assert pilot.app.focused is columns
        assert application_of(pilot).active_pane.pane == "log", "nothing behind it has changed"


@pytest.mark.asyncio
async def test_gaps_can_be_seen_and_reasons_are_in_words() -> None:
    async with pressing_c(done(), size=(200, 60)) as pilot:
        columns = await until_columns(pilot)
        text = text_of(pilot)
        lines = [line for line in lines_of(pilot.app) if " │ " in line][1:]
        entries: list[Entry] = list(columns._entries)
        assert len(lines) == len(entries)
        for entry, line in zip(entries, lines, strict=True):
            left, right = line.split(" │ ")
            assert left.rstrip().endswith(f" {GAP}") == (entry.line is None)
            assert right.startswith(GAP) == (entry.row is None)
        assert "io_uring: a call may say that something was submitted, not what" in text


@pytest.mark.asyncio
async def test_it_becomes_tiny_and_large_again() -> None:
    async with pressing_c(done(), size=(80, 24)) as pilot:
        await until_columns(pilot)
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        assert "SECONDS" in text_of(pilot)
        assert "ONLY URINGTRACE" not in text_of(pilot)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "ONLY URINGTRACE" in text_of(pilot)


@pytest.mark.asyncio
async def test_what_a_terminal_would_obey_is_shown_harmlessly() -> None:
    found = compared()
    first = found.report.entries[0]
    assert first.line is not None
    left = {**found.texts.left, first.line: HOSTILE}
    work = FakeWork(result=replace(found, texts=replace(found.texts, left=left)))
    work.go.set()
    async with pressing_c(FakeComparing(work), size=(200, 60)) as pilot:
        await until_columns(pilot)
        await pilot.pause()
        assert text_of(pilot).count(HOSTILE_SHOWN) == 2, "in its column, and in full"
        assert printable(text_of(pilot).replace("\n", "")) == text_of(pilot).replace("\n", "")


@pytest.mark.parametrize(
    ("progress", "stopping", "words"),
    [
        (Progress(ATTACHING), False, "being attached"),
        (Progress(ATTACHED, 2.5), False, "2.5 of 5 s"),
        (Progress(ATTACHED, 7.0), False, "██████████  7.0 of 5 s"),
        (Progress(ATTACHED, 2.5), True, "lets go of the target"),
        (Progress(LETTING_GO, 5.0), False, "lets go of the target"),
        (Progress(READING), True, "Reading what both sides have"),
    ],
)
def test_what_is_going_on_is_said(progress: Progress, stopping: bool, words: str) -> None:
    assert words in "\n".join(progress_lines(progress, 5.0, stopping=stopping))


@pytest.mark.asyncio
async def test_a_recording_without_a_log_says_how_to_give_one() -> None:
    async with app_with(None).run_test(size=(120, 40), notifications=True) as pilot:
        await open_pane(pilot, "log")
        await pilot.press("c")
        assert any("--strace FILE" in told.message for told in pilot.app._notifications)
        assert len(pilot.app.screen_stack) == 1


@pytest.mark.asyncio
async def test_with_a_log_it_is_there_from_the_start() -> None:
    async with app_with(done(), compared=True).run_test(size=(120, 40)) as pilot:
        await until_columns(pilot)
        assert isinstance(pilot.app.screen, CompareScreen)


def test_a_whole_machine_an_ended_target_and_a_capture_that_is_not_there_yet_cannot_be_compared() -> None:
    feed = StillFeed(picture())
    alive = picture()
    assert processes_of(alive) == [4242]

    def obstacle(shown: Any, **more: Any) -> str:
        found = OfTarget(feed, **more).question(shown)
        assert found is not None
        return found.obstacle

    assert "not attached yet" in obstacle(alive)
    feed.aside = FakeRecorder()
    assert "whole machine" in obstacle(alive, everything=True)
    assert "has ended" in obstacle(picture(ended=True))
    assert "has ended" in obstacle(picture(threads=(thread(state="ended"),)))
