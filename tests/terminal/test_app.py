"""The application: what keys do to the view, to a recording and to files, and how the feed's end is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Static

from tests.terminal.pictures import AT_NS, SECOND, picture, recent
from tests.terminal.running import application_of, lines_of, running, show, table_of
from uringtrace.errors import KernelError, RecordingError
from uringtrace.tracer.live.fake import FakeFeed, FakeRecorder
from uringtrace.tracer.live.picture import Picture, Playback
from uringtrace.ui.terminal.actions import PANES
from uringtrace.ui.terminal.app import ATTACHING, Options, UringtraceApp


class Time:
    """Controls that note what was asked of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []

    def pause(self) -> None:
        self.asked.append(("pause", 0))

    def resume(self) -> None:
        self.asked.append(("resume", 0))

    def seek(self, position_ns: int) -> None:
        self.asked.append(("seek", position_ns))

    def set_speed(self, speed: float) -> None:
        self.asked.append(("speed", speed))


def played(position_ns: int = 0, *, playing: bool = True, speed: float = 1.0) -> Picture:
    """Of a recording of 100 seconds."""
    return picture(live=False, playback=Playback(position_ns, 0, 100 * SECOND, playing, speed))


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    for _ in range(500):
        await pilot.pause(0.01)
        if condition():
            return
    pytest.fail("it did not come to that:\n" + "\n".join(lines_of(pilot.app)))


def on_screen(pilot: Pilot[None], text: str) -> bool:
    return any(text in line for line in lines_of(pilot.app))


@pytest.mark.asyncio
async def test_keys_show_their_panes() -> None:
    async with running("operations") as pilot:
        app = application_of(pilot)
        for pane in PANES:
            await pilot.press(pane.key)
            assert app.active_pane.pane == pane.name


@pytest.mark.asyncio
@pytest.mark.parametrize(("ahead", "back"), [("tab", "shift+tab"), ("]", "[")])
async def test_next_and_previous_go_round_and_the_pane_gets_the_keys(ahead: str, back: str) -> None:
    async with running("operations") as pilot:
        app = application_of(pilot)
        seen = []
        for _ in PANES:
            await pilot.press(ahead)
            await pilot.pause()
            seen.append(app.active_pane.pane)
            if app.active_pane.pane in ("connections", "threads"):
                assert table_of(pilot).has_focus
        assert seen == [*(pane.name for pane in PANES[1:]), "operations"]
        await pilot.press(back)
        assert app.active_pane.pane == "findings"


@pytest.mark.asyncio
async def test_a_pane_does_not_come_back_by_itself() -> None:
    """Keys that come faster than a pane is told that it has the focus: the last one counts."""
    async with running("operations") as pilot:
        app = application_of(pilot)
        for first, second in [("2", "6"), ("4", "5"), ("3", "7")]:
            for key in (first, second):
                app.post_message(Key(key, key))
            await pilot.pause()
            await pilot.pause()
            assert app.active_pane.pane == PANES[int(second) - 1].name


@pytest.mark.asyncio
async def test_pause_holds_the_screen_and_going_on_shows_the_newest() -> None:
    async with running("operations") as pilot:
        app = application_of(pilot)
        await pilot.press("space")
        assert on_screen(pilot, "PAUSED")
        await show(pilot, picture(at_ns=AT_NS + SECOND))
        newest = picture(at_ns=AT_NS + 2 * SECOND)
        await show(pilot, newest)
        assert on_screen(pilot, "0:07")
        await pilot.press("space")
        assert app.shown is newest
        assert on_screen(pilot, "0:09")
        assert not on_screen(pilot, "PAUSED")


@pytest.mark.asyncio
async def test_a_screen_without_a_picture_says_what_it_waits_for() -> None:
    app = UringtraceApp(FakeFeed([picture()], stays=True))
    app.feed.run = lambda post: Event().wait(0)  # type: ignore[method-assign,assignment]  # never a picture
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert on_screen(pilot, ATTACHING)
        await pilot.press("slash", *"error", "enter", "escape", "space", "r", "o", "2", "f", "plus", "comma")
        assert app.is_running
        await show(pilot, picture())
        await pilot.press("1")
        assert not on_screen(pilot, ATTACHING)
        assert on_screen(pilot, "OPERATION")


@pytest.mark.asyncio
async def test_following_is_left_and_taken_up_again() -> None:
    async with running("log") as pilot:
        app = application_of(pilot)
        await pilot.press("f")
        assert not app.view.follow
        await pilot.press("f")
        assert app.view.follow
        await pilot.press("5", "f")
        assert app.view.timeline.end_ns == AT_NS
        await pilot.press("f")
        assert app.view.timeline.end_ns is None
        assert app.view.follow


@pytest.mark.asyncio
async def test_the_timeline_is_zoomed_and_its_lanes_are_chosen() -> None:
    async with running("timeline") as pilot:
        app = application_of(pilot)
        span = app.view.timeline.span_ns
        await pilot.press("+")
        assert app.view.timeline.span_ns == span / 2
        await pilot.press("-", "minus")
        assert app.view.timeline.span_ns == span * 2
        lanes = []
        for _ in range(3):
            await pilot.press("g")
            lanes.append(app.view.timeline.lanes)
        assert lanes == ["rings", "connections", "threads"]


@pytest.mark.asyncio
async def test_the_table_is_sorted_by_the_next_column_and_turned_round() -> None:
    async with running("operations") as pilot:
        app = application_of(pilot)
        await pilot.press("o")
        await pilot.pause()
        first = app.view.sorts["operations"]
        await pilot.press("O")
        await pilot.pause()
        assert app.view.sorts["operations"].column == first.column
        assert app.view.sorts["operations"].descending is not first.descending


@pytest.mark.asyncio
async def test_space_plays_and_stops_a_recording() -> None:
    time = Time()
    app = UringtraceApp(FakeFeed([played()], controls=time))
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.shown)
        await pilot.press("space")
        await show(pilot, played(playing=False))
        await pilot.press("space")
        assert [what for what, _ in time.asked] == ["pause", "resume"]
        assert not app.view.paused


@pytest.mark.asyncio
async def test_a_recording_is_sought_in_and_its_speed_changed() -> None:
    """A twentieth at a time, never beyond its edges."""
    time = Time()
    app = UringtraceApp(FakeFeed([played(50 * SECOND)], controls=time))
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.shown)
        await pilot.press("{", "}", ",", ".")
        await show(pilot, played(2 * SECOND, speed=64.0))
        await pilot.press("{", ".")
        await show(pilot, played(99 * SECOND, speed=1 / 64))
        await pilot.press("}", ",")
        assert time.asked == [
            ("seek", 45 * SECOND),
            ("seek", 55 * SECOND),
            ("speed", 0.5),
            ("speed", 2.0),
            ("seek", 0),
            ("speed", 64.0),
            ("seek", 100 * SECOND),
            ("speed", 1 / 64),
        ]


@pytest.mark.asyncio
async def test_a_running_target_has_no_speed_and_says_so() -> None:
    app = UringtraceApp(FakeFeed([picture()]))
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.shown)
        await pilot.press(".", "}")
        await until(pilot, lambda: on_screen(pilot, "Only a recording has a speed"))
        assert on_screen(pilot, "Only a recording can be sought in")


@pytest.mark.asyncio
async def test_r_starts_and_stops_a_recording() -> None:
    recorder = FakeRecorder()
    app = UringtraceApp(FakeFeed([picture()], recorder=recorder))
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.shown)
        await pilot.press("r")
        await until(pilot, lambda: on_screen(pilot, "live recording"))
        assert recorder.path is not None
        await pilot.press("r")
        await until(pilot, lambda: recorder.path is None and not on_screen(pilot, "live recording"))


@pytest.mark.asyncio
async def test_a_recording_that_cannot_be_begun_is_told_and_the_screen_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(self: FakeRecorder) -> str:
        raise RecordingError("no room on the disk")

    monkeypatch.setattr(FakeRecorder, "start", refused)
    app = UringtraceApp(FakeFeed([picture()], recorder=FakeRecorder()))
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.shown)
        await pilot.press("r")
        await until(pilot, lambda: on_screen(pilot, "no room on the disk"))


@pytest.mark.asyncio
async def test_a_recording_cannot_be_recorded() -> None:
    app = UringtraceApp(FakeFeed([played()], controls=Time()))
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.shown)
        await pilot.press("r")
        await until(pilot, lambda: on_screen(pilot, "This is a recording already."))


@pytest.mark.asyncio
async def test_h_writes_a_report_of_the_rows_in_memory(tmp_path: Path) -> None:
    shown = picture()
    app = UringtraceApp(FakeFeed([shown]), Options(directory=tmp_path))
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.shown)
        await pilot.press("h")
        await until(pilot, lambda: on_screen(pilot, f"{shown.recent.rows:,} operations in"))
    [path] = tmp_path.iterdir()
    assert path.suffix == ".html"
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert text.startswith("<!doctype html>")
    assert shown.context.kernel in text


@pytest.mark.asyncio
async def test_without_an_operation_h_says_so(tmp_path: Path) -> None:
    app = UringtraceApp(FakeFeed([picture(recent=recent())]), Options(directory=tmp_path))
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.shown)
        await pilot.press("h")
        await until(pilot, lambda: on_screen(pilot, "no operation is in memory"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.asyncio
async def test_s_saves_the_screen(tmp_path: Path) -> None:
    app = UringtraceApp(FakeFeed([picture()]), Options(directory=tmp_path))
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.shown)
        await pilot.press("s")
        (path,) = tmp_path.iterdir()
        assert path.suffix == ".svg"
        # The viewer is to load nothing from the net.
        assert "font-face" not in path.read_text()
        assert "unseen" in path.read_text()
        await until(pilot, lambda: on_screen(pilot, "Saved as"))


@pytest.mark.asyncio
async def test_a_screen_that_cannot_be_saved_is_told(tmp_path: Path) -> None:
    app = UringtraceApp(FakeFeed([picture()]), Options(directory=tmp_path / "file" / "below"))
    (tmp_path / "file").touch()
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.shown)
        await pilot.press("s")
        await until(pilot, lambda: on_screen(pilot, "cannot be saved"))


@pytest.mark.asyncio
@pytest.mark.parametrize(("keys", "ended"), [(["q"], True), (["escape"], True), (["slash", "escape"], False)])
async def test_q_and_escape_close_what_is_open_or_end(keys: Sequence[str], ended: bool) -> None:
    async with running("operations") as pilot:
        await pilot.press(*keys)
        await pilot.pause()
        assert application_of(pilot)._exit is ended


@pytest.mark.asyncio
@pytest.mark.parametrize("before", [(), ("question_mark",), ("slash", "a"), ("2", "enter"), ("ctrl+p",)])
async def test_ctrl_c_ends_whatever_is_open(before: Sequence[str]) -> None:
    async with running("operations") as pilot:
        await pilot.press(*before)
        await pilot.pause()
        await pilot.press("ctrl+c")
        assert application_of(pilot)._exit


@pytest.mark.asyncio
async def test_the_palette_finds_an_action_and_does_it() -> None:
    async with running("operations") as pilot:
        await pilot.press("ctrl+p", *"the rings")
        await until(pilot, lambda: on_screen(pilot, "Show the rings"))
        await pilot.press("enter")
        await until(pilot, lambda: application_of(pilot).active_pane.pane == "rings")


@pytest.mark.asyncio
@pytest.mark.parametrize("failure", [KernelError("the kernel refused"), ValueError("unforeseen")])
async def test_an_error_of_the_feed_ends_the_application_and_is_kept(failure: Exception) -> None:
    feed = FakeFeed([picture()])

    def run(post: Callable[[Picture], None]) -> None:
        raise failure

    feed.run = run  # type: ignore[method-assign]  # one that fails
    app = UringtraceApp(feed)
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app._exit)
    assert app.error is failure


@pytest.mark.asyncio
async def test_the_feed_is_stopped_when_the_application_ends() -> None:
    feed = FakeFeed([picture()])
    async with UringtraceApp(feed).run_test() as pilot:
        await pilot.press("q")
    assert feed.stopped


@pytest.mark.asyncio
async def test_it_ends_by_itself_after_its_time() -> None:
    app = UringtraceApp(FakeFeed([picture()]), Options(seconds=0.05))
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app._exit)


@pytest.mark.asyncio
async def test_the_tabs_take_one_line() -> None:
    async with running("operations", size=(80, 24)) as pilot:
        lines = lines_of(pilot.app)
        tabs = next(number for number, line in enumerate(lines) if "1 Operations" in line)
        assert all(f"{pane.key} {pane.title}" in lines[tabs] for pane in PANES)
        assert "OPERATION " in lines[tabs + 1]
        assert pilot.app.query_one("#waiting", Static).display is False
