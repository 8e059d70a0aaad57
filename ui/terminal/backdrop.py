"""What lies behind: containers of which only the background is their own.

Textual renders every line of every container, also of those that their children cover: three
quarters of the lines of a repaint. Invariant: a backdrop has neither border, padding nor text.
"""

from __future__ import annotations

from textual.containers import Vertical
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import ContentSwitcher


def _blank_lines(widget: Widget, crop: Region) -> list[Strip]:
    strip = Strip.blank(crop.width, widget.visual_style.rich_style)
    _, background = widget.background_colors
    for line_filter in widget.get_line_filters():
        strip = strip.apply_filter(line_filter, background)
    return [strip] * crop.height


class BackdropScreen(Screen[None]):
    """The screen behind all panes."""

    def render_lines(self, crop: Region) -> list[Strip]:
        return _blank_lines(self, crop)


class BackdropSwitcher(ContentSwitcher):
    """Shows one pane, which covers it."""

    def render_lines(self, crop: Region) -> list[Strip]:
        return _blank_lines(self, crop)


class Backdrop(Vertical):
    """Widgets below each other, which cover it."""

    def render_lines(self, crop: Region) -> list[Strip]:
        return _blank_lines(self, crop)
