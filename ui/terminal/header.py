"""The lines on top of every pane: what is watched, how much happens, what strace would miss.

Two lines wherever there are 80 columns: words become shorter, or go, before a line breaks. What was
lost and untracked is always there, and stands out when it is not 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static

from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.terminal.state import ViewState
from uringtrace.ui.text import numbers
from uringtrace.ui.text.table import shortened

_GAP = "  "
_NARROW = 60
"""Cells of a line below which figures stand one space apart."""
_ALARM = "bold reverse"
_SHORTEST_TARGET = 16
_SHORT_KERNEL = re.compile(r"\d+\.\d+(\.\d+)?")

Fitted = tuple[str, str]
"""Words and their style."""


@dataclass(frozen=True, slots=True)
class Part:
    """Words that belong together, and what can stand in their place."""

    words: tuple[str, ...]
    """From the longest to the shortest; the empty text leaves the part out."""
    style: str = ""


class Header(Static):
    """Two lines; three where the terminal has less than about 70 columns."""

    DEFAULT_CSS = """
    Header { height: auto; max-height: 3; background: $panel; color: $text; padding: 0 1; text-wrap: nowrap; }
    """

    def on_mount(self) -> None:
        self._lines = 2
        self.update("uringtrace\n")

    def show(self, picture: Picture, view: ViewState, recording: str | None) -> None:
        """Bring it in line with the picture; `recording` is the path that is being written."""
        text = header_text(picture, view, recording, self.app.size.width - 2)
        lines = text.plain.count("\n") + 1
        # A new layout of the whole screen costs more than all else here: only where it has to be.
        self.update(text, layout=lines != self._lines)
        self._lines = lines


def header_text(picture: Picture, view: ViewState, recording: str | None, width: int) -> Text:
    """The header for lines of `width` cells; emphasis where something needs a look."""
    kernel = picture.context.kernel
    release = _SHORT_KERNEL.match(kernel)
    cpu = [] if picture.tracer_cpu is None else [f"tracer {numbers.share(picture.tracer_cpu)}"]
    state = tuple(state_words(picture, view, recording, short=short) for short in (False, True))
    of_time = [
        *architecture_parts(picture),
        Part((f"Linux {kernel}", release[0] if release else kernel[:8], "")),
        Part((clock(picture.elapsed_ns),)),
        Part(state, "bold"),
        *(Part((f"{words} of a CPU", words, "")) for words in cpu),
    ]
    gap = _GAP if width >= _NARROW else " "
    left = width - _SHORTEST_TARGET - len(gap)
    room = width - _width(_fitted(of_time, left, gap), gap) - len(gap)
    target = Part((shortened(target_words(picture), max(room, _SHORTEST_TARGET)),), "bold")
    lost, untracked = picture.losses.total_lost, picture.losses.untracked
    now = numbers.share(picture.unseen_now)
    unseen = f"unseen by strace {now}"
    figures = [
        Part((f"io_uring {numbers.rate(picture.operations_now)}",)),
        Part((f"calls {numbers.rate(picture.calls_now)}",)),
        Part((f"{unseen} ({numbers.share(picture.unseen)} in all)", unseen, f"unseen {now}"), "bold"),
        Part(loss_words("lost", "lost", lost), _ALARM if lost else ""),
        Part(loss_words("untracked", "untr.", untracked), _ALARM if untracked else ""),
    ]
    lines = [_fitted([target, *of_time], width, gap)]
    rest = _fitted(figures, width, gap)
    if _width(rest, gap) <= width:
        lines.append(rest)
    else:
        lines += [_fitted(figures[:2], width, gap), _fitted(figures[2:], width, gap)]
    return Text("\n").join(_line(line, gap) for line in lines)


def _fitted(parts: Sequence[Part], width: int, gap: str) -> list[Fitted]:
    """Each part with one wording; the first parts lose words first, and only as many as they must."""
    chosen = [0] * len(parts)

    def now() -> list[Fitted]:
        pairs = zip(parts, chosen, strict=True)
        return [(part.words[place], part.style) for part, place in pairs if part.words[place]]

    while _width(now(), gap) > width:
        shortenable = [index for index, part in enumerate(parts) if chosen[index] < len(part.words) - 1]
        if not shortenable:
            break
        chosen[min(shortenable, key=lambda index: (chosen[index], index))] += 1
    return now()


def _width(parts: Sequence[Fitted], gap: str) -> int:
    return sum(cell_len(words) for words, _ in parts) + len(gap) * (len(parts) - 1)


def _line(parts: Sequence[Fitted], gap: str) -> Text:
    return Text(gap).join(Text(words, style) for words, style in parts)


def architecture_parts(picture: Picture) -> list[Part]:
    """The server's architecture, once it is known."""
    judged = picture.judged
    return [Part((judged.architecture.word, ""))] if judged and judged.architecture.kind else []


def target_words(picture: Picture) -> str:
    """What was asked for; of a process that was named by its number the name as well."""
    target = picture.context.target
    processes = {thread.activity.tgid for thread in picture.threads}
    names = [
        thread.activity.name for thread in picture.threads if thread.activity.tid == thread.activity.tgid
    ]
    if len(processes) != 1 or not names or not names[0] or names[0] in target:
        return printable(target)
    return printable(f"{target} {names[0]}")


def loss_words(what: str, brief: str, number: int) -> tuple[str, ...]:
    """Always said: nobody has to ask. A sign marks what is not 0, where colours do not show."""
    sign = "!" if number else ""
    return f"{sign}{what} {number:,}", f"{sign}{what} {_brief(number)}", f"{sign}{brief} {_brief(number)}"


def _brief(number: int) -> str:
    """`999`, `12.3k`, `1.23M`"""
    return numbers.rate(number).removesuffix("/s")


def state_words(picture: Picture, view: ViewState, recording: str | None, *, short: bool = False) -> str:
    """What time is doing."""
    words = []
    if picture.playback is not None:
        playback = picture.playback
        words.append("playing" if playback.playing else "ended" if picture.ended else "stopped")
        words.append(f"×{playback.speed:g}")
    elif picture.ended:
        words.append("ended")
    else:
        words.append("live")
    if view.paused:
        words.append("PAUSED")
    if view.filter_text:
        words.append("filtered" if short else f"filter: {printable(shortened(view.filter_text, 24))}")
    if recording is not None:
        words.append("recording")
    return " ".join(words)


def clock(nanoseconds: int) -> str:
    """`0:07`, `12:34`, `1:02:03`"""
    seconds = max(nanoseconds, 0) // 1_000_000_000
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
