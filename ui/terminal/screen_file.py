"""The screen as an SVG file that fetches nothing.

Textual's own names fonts that a viewer would load from the net; without them it takes its
fixed-width font.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from textual.app import App

_FONT = re.compile(r"@font-face\s*\{[^}]*\}\s*")


def screen_svg(app: App[None]) -> str:
    """The screen as it is now."""
    return _FONT.sub("", app.export_screenshot())


def save_screen(app: App[None], folder: Path) -> Path:
    """Write it to a file that is named after the time. Raises OSError."""
    path = folder / f"uringtrace_{datetime.now():%Y-%m-%dT%H-%M-%S-%f}.svg"
    path.write_text(screen_svg(app), encoding="utf-8")
    return path
