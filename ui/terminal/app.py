"""The application: takes pictures from a feed, keeps what the user chose, shows one pane.

The feed runs in a thread and only posts pictures. This class only passes them on: what a
picture looks like is the panes' business, what a key does is in `actions`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.actions import SkipAction
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input, Static

from uringtrace.errors import Error
from uringtrace.tracer.live.feed import Feed
from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal import messages
from uringtrace.ui.terminal.actions import ACTIONS, PANES, shown_key
from uringtrace.ui.terminal.backdrop import BackdropScreen, BackdropSwitcher
from uringtrace.ui.terminal.filter_line import FilterLine, condition_of
from uringtrace.ui.terminal.header import Header
from uringtrace.ui.terminal.help import HelpScreen
from uringtrace.ui.terminal.live_table import LiveTable
from uringtrace.ui.terminal.lost_terminal import resume_only_what_was_suspended
from uringtrace.ui.terminal.pane import PaneWidget
from uringtrace.ui.terminal.panes import all_panes
from uringtrace.ui.terminal.report_file import write_report
from uringtrace.ui.terminal.screen_file import save_screen
from uringtrace.ui.terminal.state import LANES, ViewState
from uringtrace.ui.terminal.theme import DARK, LIGHT
from uringtrace.ui.terminal.word_line import KeyLine, PaneLine

if TYPE_CHECKING:
    from uringtrace.ui.terminal.compare_work import Comparing

_SEEK_SHARE = 0.05
_OF_PANES = frozenset(
    {
        "show_pane",
        "next_pane",
        "previous_pane",
        "filter",
        "clear_filter",
        "sort_next",
        "sort_reverse",
        "zoom_in",
        "zoom_out",
        "lanes",
        "compare",
    }
)
"""Actions that would change what is behind another screen, unseen."""
ATTACHING = "Attaching the probes…"
READING = "Reading the recording…"


@dataclass(frozen=True, slots=True)
class Options:
    """How the application begins."""

    directory: Path = Path()
    """Where screens are saved."""
    dark: bool = True
    seconds: float | None = None
    """End by itself after this time."""
    compared: bool = False
    """Begin with the comparison with strace on top."""


class UringtraceApp(App[None]):
    """One run of the terminal UI; `error` is what ended the feed, where it was an error."""

    TITLE = "uringtrace"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            action.keys,
            action.name,
            action.label,
            show=action.footer,
            key_display=shown_key(action.keys),
            priority=action.priority,
        )
        for action in ACTIONS
    ]

    def __init__(
        self, feed: Feed, options: Options | None = None, comparing: Comparing | None = None
    ) -> None:
        super().__init__()
        self.feed = feed
        self.comparing = comparing
        """How strace is set beside this, where it can be."""
        self.options = options or Options()
        self.picture: Picture | None = None
        """The newest one."""
        self.shown: Picture | None = None
        """The one on the screen: while paused, not the newest."""
        self.view = ViewState()
        self.error: Exception | None = None
        # What slides takes a processor for as long as it does.
        self.animation_level = "none"
        # Before it runs: a change of the theme has all styles parsed again.
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name if self.options.dark else LIGHT.name

    def get_default_screen(self) -> BackdropScreen:
        return BackdropScreen(id="_default")

    def compose(self) -> ComposeResult:
        yield Header()
        yield PaneLine()
        with BackdropSwitcher(initial=PANES[0].name) as switcher:
            switcher.display = False
            for pane in PANES:
                yield all_panes()[pane.name]()
        yield Static(READING if self.feed.controls else ATTACHING, id="waiting", markup=False)
        yield FilterLine()
        yield KeyLine()

    def on_mount(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup(1) asks for a SIGHUP that stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, self.exit)
        resume_only_what_was_suspended()
        self.run_worker(self._read_feed, thread=True, name="feed", exit_on_error=False)

    def _read_feed(self) -> None:
        error = None
        try:
            self.feed.run(lambda picture: self._post(messages.PictureTaken(picture)))
        except Exception as failure:  # told when the screen is gone
            error = failure
        self._post(messages.FeedEnded(error))

    def _post(self, message: Message) -> None:
        self.post_message(message)

    def on_picture_taken(self, message: messages.PictureTaken) -> None:
        first = self.picture is None
        self.picture = message.picture
        if first:
            self.query_one("#waiting").display = False
            self.query_one(ContentSwitcher).display = True
            self.call_after_refresh(self._focus_pane)
            if self.options.compared:
                self.call_after_refresh(self.action_compare)
            if self.options.seconds is not None:
                self.set_timer(self.options.seconds, self.exit)
        if not self.view.paused or self.shown is None or message.picture.playback is not None:
            self.shown = message.picture
        self.refresh_view()

    def on_feed_ended(self, message: messages.FeedEnded) -> None:
        self.error = message.error
        if message.error is not None:
            self.exit()

    def on_unmount(self) -> None:
        self.feed.stop()

    @property
    def active_pane(self) -> PaneWidget:
        return self.query_one(f"#{self.query_one(PaneLine).active}", PaneWidget)

    def refresh_view(self) -> None:
        """Show the picture that is to be shown, with the present choices."""
        if self.shown is None:
            return
        recorder = self.feed.recorder
        self.query_one(Header).show(self.shown, self.view, recorder.path if recorder else None)
        self.active_pane.show(self.shown, self.view)
        if isinstance(self.screen, messages.ShowsPictures):
            self.screen.show(self.shown, self.view)

    def _choose(self, **changes: object) -> None:
        self.view = replace(self.view, **changes)  # type: ignore[arg-type]  # names and types are ViewState's
        self.refresh_view()

    def _focus_pane(self) -> None:
        """The pane gets the keys, unless a filter is being typed."""
        if self.query_one(FilterLine).is_open:
            return
        for widget in self.active_pane.query("*"):
            if widget.focusable:
                widget.focus()
                break

    def on_sort_chosen(self, message: messages.SortChosen) -> None:
        self.view = self.view.sorted_by(message.pane, message.sort)
        self.refresh_view()

    def on_timeline_moved(self, message: messages.TimelineMoved) -> None:
        self._choose(timeline=message.timeline)

    def on_window_chosen(self, message: messages.WindowChosen) -> None:
        shown = self.shown
        if shown is None:
            return
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self._choose(timeline=self.view.timeline.around(message.start_ns, message.end_ns, shown.at_ns))
        self.action_show_pane("timeline")

    def on_row_chosen(self, message: messages.RowChosen) -> None:
        screen = self.active_pane.detail(message.key)
        if screen is not None:
            self.push_screen(screen, lambda _: self.refresh_view())
            self.call_after_refresh(self.refresh_view)

    def on_filter_entered(self, message: messages.FilterEntered) -> None:
        line = self.query_one(FilterLine)
        if self.picture is None:
            line.refuse(Error("nothing has been seen yet: try again in a moment"))
            return
        try:
            condition = condition_of(message.text, self.picture.context)
        except Error as error:
            line.refuse(error)
            return
        self._close_filter()
        self._choose(filter_text=message.text, condition=condition)

    def _close_filter(self) -> None:
        self.query_one(FilterLine).close()
        self._focus_pane()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("next_pane", "previous_pane") and isinstance(self.focused, Input):
            return False
        return action not in _OF_PANES or len(self.screen_stack) == 1

    def action_show_pane(self, name: str) -> None:
        self.query_one(PaneLine).active = name
        self.query_one(ContentSwitcher).current = name
        self.refresh_view()
        self._focus_pane()

    def action_next_pane(self, step: int = 1) -> None:
        names = [pane.name for pane in PANES]
        place = names.index(self.query_one(PaneLine).active)
        self.action_show_pane(names[(place + step) % len(names)])

    def action_previous_pane(self) -> None:
        self.action_next_pane(-1)

    def action_pause(self) -> None:
        controls = self.feed.controls
        if controls is not None and self.shown is not None and self.shown.playback is not None:
            if self.shown.playback.playing:
                controls.pause()
            else:
                controls.resume()
            return
        if self.view.paused:
            self.shown = self.picture
        self._choose(paused=not self.view.paused)

    def action_filter(self) -> None:
        self.query_one(FilterLine).open(self.view.filter_text)

    def action_clear_filter(self) -> None:
        self._choose(filter_text="", condition=None)

    def action_sort_next(self) -> None:
        for table in self.active_pane.query(LiveTable):
            table.sort_by_next()

    def action_sort_reverse(self) -> None:
        for table in self.active_pane.query(LiveTable):
            table.reverse()

    def action_zoom_in(self) -> None:
        self._zoom(0.5)

    def action_zoom_out(self) -> None:
        self._zoom(2.0)

    def _zoom(self, factor: float) -> None:
        if self.shown is not None:
            self._choose(timeline=self.view.timeline.zoomed(factor, self.shown.at_ns))

    def action_lanes(self) -> None:
        timeline = self.view.timeline
        following = LANES[(LANES.index(timeline.lanes) + 1) % len(LANES)]
        self._choose(timeline=replace(timeline, lanes=following, lane=0))

    def on_follow_chosen(self, message: messages.FollowChosen) -> None:
        self._choose(follow=message.follow)

    def action_follow(self) -> None:
        timeline, shown = self.view.timeline, self.shown
        if self.active_pane.pane != "timeline" or shown is None:
            self._choose(follow=not self.view.follow)
        elif timeline.end_ns is None:
            self._choose(timeline=replace(timeline, end_ns=shown.at_ns))
        else:
            self._choose(timeline=replace(timeline, end_ns=None))

    def action_slower(self) -> None:
        self._speed(0.5)

    def action_faster(self) -> None:
        self._speed(2.0)

    def _speed(self, factor: float) -> None:
        controls = self.feed.controls
        if controls is None or self.shown is None or self.shown.playback is None:
            self.notify("Only a recording has a speed.")
            return
        controls.set_speed(min(max(self.shown.playback.speed * factor, 1 / 64), 64.0))

    def action_seek(self, direction: int) -> None:
        controls = self.feed.controls
        if controls is None or self.shown is None or self.shown.playback is None:
            self.notify("Only a recording can be sought in.")
            return
        playback = self.shown.playback
        step = round((playback.end_ns - playback.start_ns) * _SEEK_SHARE) * direction
        controls.seek(min(max(playback.position_ns + step, playback.start_ns), playback.end_ns))

    def action_record(self) -> None:
        recorder = self.feed.recorder
        if recorder is None:
            self.notify("This is a recording already.")
            return
        # Both may take a moment: the files are created and completed.
        work = recorder.start if recorder.path is None else recorder.finish
        self.run_worker(partial(self._do, work), thread=True, exit_on_error=False)

    def action_compare(self) -> None:
        if self.shown is not None:
            from uringtrace.ui.terminal.compare_screen import open_comparison

            open_comparison(self, self.comparing, self.shown)

    def action_report(self) -> None:
        if self.shown is None:
            return
        self.notify("Writing the report…")
        work = partial(write_report, self.shown, self.options.directory)
        self.run_worker(partial(self._do, work), thread=True, exit_on_error=False)

    def _do(self, work: messages.Work) -> None:
        try:
            self._post(messages.Told(work()))
        except Error as error:
            self._post(messages.Told(error.message, failed=True))

    def on_told(self, message: messages.Told) -> None:
        self.notify(message.text, markup=False, severity="error" if message.failed else "information")
        self.refresh_view()

    def action_save_screen(self) -> None:
        folder = self.options.directory
        try:
            path = save_screen(self, folder)
        except OSError as error:
            self.notify(
                f"The screen cannot be saved in {folder}: {error.strerror}", markup=False, severity="error"
            )
        else:
            self.notify(f"Saved as {path}", markup=False)

    def action_toggle_theme(self) -> None:
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    def action_help(self) -> None:
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def action_leave(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif self.query_one(FilterLine).is_open:
            self._close_filter()
        else:
            self.exit()

    def action_end(self) -> None:
        if self.screen.get_selected_text():
            # Ctrl-C copies what was selected with the mouse: the screen's own binding does that.
            raise SkipAction
        self.exit()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        for action in ACTIONS:
            if action.palette:
                yield SystemCommand(
                    action.help, f"key {shown_key(action.keys)}", partial(self.run_action, action.name)
                )
