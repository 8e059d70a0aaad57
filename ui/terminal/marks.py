"""Small pictures made of characters: sparklines and bars that read without colour."""

from __future__ import annotations

from collections.abc import Sequence

_HEIGHTS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """The newest `width` values, each as a height; 0 is a blank, the greatest is full."""
    shown = values[-width:]
    top = max(shown, default=0)
    if top <= 0:
        return " " * width
    steps = len(_HEIGHTS) - 1
    line = "".join(_HEIGHTS[min(round(value / top * steps), steps)] if value > 0 else " " for value in shown)
    return line.rjust(width)


def path_bar(inline: int, poll: int, io_wq: int, width: int) -> str:
    """The three paths as parts of a bar: `─` inline, `p` poll, `W` io-wq.

    What occurs at all has at least one character; blank where nothing was counted.
    """
    counts = (inline, poll, io_wq)
    whole = sum(counts)
    if not whole:
        return " " * width
    parts = [max(round(count / whole * width), 1) if count else 0 for count in counts]
    while sum(parts) > width:
        parts[parts.index(max(parts))] -= 1
    while sum(parts) < width:
        parts[counts.index(max(counts))] += 1
    return "─" * parts[0] + "p" * parts[1] + "W" * parts[2]


def bar(share: float | None, width: int) -> str:
    """A part of the whole, 0 to 1, in eighths of a character."""
    if share is None:
        return " " * width
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width)


RUNNING, WAITING, BLOCKED = "█", "·", "x"
"""Signs of `activity_bar`: far apart in shape, so that no colour is needed."""


def activity_bar(running: float | None, waiting: float | None, blocked: float | None, width: int) -> str:
    """Shares of a second, 0 to 1, as parts of a bar; blank for the rest, and where none is known.

    What occurs at all has at least one character.
    """
    shares = [share or 0.0 for share in (running, waiting, blocked)]
    parts = [max(round(share * width), 1) if share > 0 else 0 for share in shares]
    while sum(parts) > width:
        parts[parts.index(max(parts))] -= 1
    return "".join(sign * part for sign, part in zip((RUNNING, WAITING, BLOCKED), parts, strict=True)).ljust(
        width
    )


def level(fill: int | None, size: int | None, width: int) -> str:
    """How full a queue is: `████▌     `; blank where that is not known; never blank when it is not empty."""
    if fill is None or not size:
        return " " * width
    drawn = bar(fill / size, width)
    return "▏".ljust(width) if fill and not drawn.strip() else drawn
