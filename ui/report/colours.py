"""Colours of the figures, the same in light and dark: apart for colour-blind eyes, after Okabe and Ito.

"Color Universal Design" (2008), each darkened until it has a contrast of 3 to 1 against white
as well as against the dark page. Nothing is told by colour alone: hover, legend and pattern say it too.
"""

from __future__ import annotations

from uringtrace.tracer.report.model import FAMILIES

FAMILY_COLOURS = dict(
    zip(FAMILIES, ("#2d7fb8", "#c8641a", "#8c8c8c", "#1b9173", "#a98600", "#b5649a"), strict=True)
)
"""Of the kinds of operations."""
PATH_COLOURS = {"inline": "#2d7fb8", "poll": "#a98600", "io-wq": "#c8641a"}
PATH_PATTERNS = {"inline": "", "poll": "/", "io-wq": "x"}
"""Of bars, by path; a system call has none."""
SERIES = (
    "#2d7fb8",
    "#c8641a",
    "#1b9173",
    "#a98600",
    "#b5649a",
    "#8c8c8c",
    "#7d6bd0",
    "#5c8a2e",
    "#c2455c",
    "#3d8f9e",
)
"""Of operations that are told apart, in their order."""
FAILED = "#d0342c"
INTERFACE_COLOURS = {"io_uring": "#2d7fb8", "syscall": "#c8641a"}


def pale(colour: str, opacity: float) -> str:
    """The colour with an opacity, 0 to 1, as CSS and plotly.js have it."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"
