"""The application under test: fed by hand, with a stand-in for each pane that does not exist yet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event

from textual.app import App
from textual.pilot import Pilot

from tests.terminal.pictures import picture
from uringtrace.tracer.live.feed import Controls, Recorder
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.source import Context
from uringtrace.ui.terminal.actions import PANES
from uringtrace.ui.terminal.app import UringtraceApp
from uringtrace.ui.terminal.live_table import LiveTable
from uringtrace.ui.terminal.messages import PictureTaken


class StillFeed:
    """Posts one picture, and nothing more until it is stopped."""

    controls: Controls | None = None
    recorder: Recorder | None = None
    aside: Recorder | None = None

    def __init__(self, first: Picture) -> None:
        self._first = first
        self._stopped = Event()

    @property
    def context(self) -> Context:
        return self._first.context

    def run(self, post: Callable[[Picture], None]) -> None:
        post(self._first)
        self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()


def application(first: Picture | None = None) -> UringtraceApp:
    """Not started yet."""
    return UringtraceApp(StillFeed(first or picture()))


@asynccontextmanager
async def running(
    pane: str, first: Picture | None = None, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[Pilot[None]]:
    """The application on this pane, its first picture on the screen."""
    app = application(first)
    async with app.run_test(size=size) as pilot:
        await open_pane(pilot, pane)
        yield pilot


async def open_pane(pilot: Pilot[None], pane: str) -> None:
    """Wait for the first picture and show it in this pane."""
    app = application_of(pilot)
    while app.shown is None:
        await pilot.pause(0.01)
    await pilot.press(next(each.key for each in PANES if each.name == pane))
    await pilot.pause()


async def show(pilot: Pilot[None], next_picture: Picture) -> None:
    """Bring a newer picture."""
    pilot.app.post_message(PictureTaken(next_picture))
    await pilot.pause()


def lines_of(app: App[None]) -> list[str]:
    """The screen as text."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in strips]


def application_of(pilot: Pilot[None]) -> UringtraceApp:
    assert isinstance(pilot.app, UringtraceApp)
    return pilot.app


def table_of(pilot: Pilot[None]) -> LiveTable:
    """That of the screen on top, or else of the active pane."""
    app = application_of(pilot)
    within = app.screen if len(app.screen_stack) > 1 else app.active_pane
    return within.query_one(LiveTable)


SIZES = [(80, 24), (120, 40), (200, 60)]
"""Those of the snapshots."""
SMALL = (40, 10)
