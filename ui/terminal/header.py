"""The lines on top of every pane: what is watched, how much happens, what strace would miss."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.state import ViewState
from uringtrace.ui.text import numbers
from uringtrace.ui.text.table import shortened


class Header(Static):
    """Two lines; three where the terminal is narrow."""

    DEFAULT_CSS = """
    Header { height: auto; max-height: 3; background: $panel; color: $text; padding: 0 1; }
    """

    def show(self, picture: Picture, view: ViewState, recording: str | None) -> None:
        """Bring it in line with the picture; `recording` is the path that is being written."""
        self.update(header_text(picture, view, recording, self.size.width or 80))


def header_text(picture: Picture, view: ViewState, recording: str | None, width: int) -> Text:
    """The header for this width; words, with emphasis where something needs a look."""
    text = Text(no_wrap=False)
    state = state_words(picture, view, recording)
    where = f"Linux {picture.context.kernel}"
    elapsed = clock(picture.elapsed_ns)
    fixed = f"  {where}  {elapsed}  {state}"
    text.append(shortened(picture.context.target, max(width - 2 - len(fixed), 16)), "bold")
    text.append(f"  {where}  {elapsed}  ")
    text.append(state, "bold")
    text.append("\n")
    text.append(f"io_uring {numbers.rate(picture.operations_now)}  calls {numbers.rate(picture.calls_now)}  ")
    text.append(f"unseen by strace {numbers.share(picture.unseen_now)}", "bold")
    text.append(f" ({numbers.share(picture.unseen)} in all)  ")
    lost, untracked = picture.losses.total_lost, picture.losses.untracked
    text.append(loss_words(lost, untracked), "bold reverse" if lost or untracked else "")
    if picture.tracer_cpu is not None:
        text.append(f"  tracer {numbers.share(picture.tracer_cpu)} of a CPU")
    return text


def loss_words(lost: int, untracked: int) -> str:
    """Both, always: nobody has to ask."""
    mark = "!" if lost or untracked else ""
    return f"{mark}lost {numbers.count(lost)}, untracked {numbers.count(untracked)}{mark}"


def state_words(picture: Picture, view: ViewState, recording: str | None) -> str:
    """What time is doing."""
    words = []
    if picture.playback is not None:
        playback = picture.playback
        words.append("playing" if playback.playing else "stopped")
        words.append(f"×{playback.speed:g}")
    elif picture.ended:
        words.append("ended")
    else:
        words.append("live")
    if view.paused:
        words.append("PAUSED")
    if view.filter_text:
        words.append(f"filter: {shortened(view.filter_text, 24)}")
    if recording is not None:
        words.append("recording")
    return " ".join(words)


def clock(nanoseconds: int) -> str:
    """`0:07`, `12:34`, `1:02:03`"""
    seconds = max(nanoseconds, 0) // 1_000_000_000
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
