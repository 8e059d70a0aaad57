"""What has happened, told to the application by workers and widgets; always in the past tense."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual.message import Message

from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.state import Sort, Timeline, ViewState

if TYPE_CHECKING:
    from uringtrace.tracer.compare.beside import Progress
    from uringtrace.ui.terminal.compare_work import Compared

Work = Callable[[], str]
"""Something that takes a moment and ends with a sentence about it."""


@runtime_checkable
class ShowsPictures(Protocol):
    """A screen on top of the panes that follows the pictures as they do."""

    def show(self, picture: Picture, view: ViewState) -> None: ...


class PictureTaken(Message):
    """The feed has a newer picture."""

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self.picture = picture


class FeedEnded(Message):
    """The feed's thread has ended, with an error where there was one."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error


class RowChosen(Message):
    """Enter, or a second click, on a table's row."""

    def __init__(self, pane: str, key: object) -> None:
        super().__init__()
        self.pane = pane
        self.key = key


class CursorMoved(Message):
    """A table's cursor is on another row; None where there is none any more."""

    def __init__(self, pane: str, key: object | None) -> None:
        super().__init__()
        self.pane = pane
        self.key = key


class SortChosen(Message):
    """A table's order was chosen, by key or by a click on a heading."""

    def __init__(self, pane: str, sort: Sort) -> None:
        super().__init__()
        self.pane = pane
        self.sort = sort


class TimelineMoved(Message):
    """The timeline shows another stretch, or its cursor moved."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self.timeline = timeline


class WindowChosen(Message):
    """This stretch of the capture is to be seen on the timeline, CLOCK_MONOTONIC."""

    def __init__(self, start_ns: int, end_ns: int) -> None:
        super().__init__()
        self.start_ns = start_ns
        self.end_ns = end_ns


class FollowChosen(Message):
    """The log was scrolled away from its newest line, or back to it."""

    def __init__(self, *, follow: bool) -> None:
        super().__init__()
        self.follow = follow


class FilterEntered(Message):
    """Enter in the filter line; empty text shows everything."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class CompareAdvanced(Message):
    """A comparison has come so far."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress


class CompareEnded(Message):
    """A comparison is there, or has failed; strace has let go."""

    def __init__(self, compared: Compared | None, error: Exception | None) -> None:
        super().__init__()
        self.compared = compared
        self.error = error


class Told(Message):
    """Something that took a moment is done, or has failed."""

    def __init__(self, text: str, *, failed: bool = False) -> None:
        super().__init__()
        self.text = text
        self.failed = failed
