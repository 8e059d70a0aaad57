"""Whether and how text is coloured: few colours, none unless a terminal shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Stream(Protocol):
    def isatty(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Style:
    """Marks text for its meaning; without colour the text stays as it is."""

    colour: bool = False

    def heading(self, text: str) -> str:
        return self._mark("1", text)

    def alarm(self, text: str) -> str:
        return self._mark("31", text)

    def _mark(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text


def style_for(choice: str, stream: Stream, environment: Mapping[str, str] = os.environ) -> Style:
    """`choice` is that of --color: always, never, or auto, which heeds NO_COLOR and TERM=dumb."""
    if choice != "auto":
        return Style(choice == "always")
    refused = environment.get("NO_COLOR") or environment.get("TERM") == "dumb"
    return Style(stream.isatty() and not refused)
