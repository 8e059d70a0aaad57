"""A page in a real browser, with what it complains of and asks for.

Screenshots are left in `build/report-screenshots`, to be looked at.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCREENSHOTS = Path(__file__).parents[2] / "build" / "report-screenshots"

EVERY = "[...document.querySelectorAll('[data-uringtrace]')]"
READY = "document.querySelector('[data-uringtrace]').uringtrace"


@dataclass
class Opened:
    """A page in the browser, and what it complained of or asked for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def ready(self) -> None:
        self.page.wait_for_function(
            f"{EVERY}.every(each => each.dataset.uringtrace === 'ready')",
            timeout=30_000,
        )
        # Those out of sight are drawn when there is time.
        self.page.evaluate(
            f"() => Promise.all({EVERY}.map(async (each) => (await each.uringtrace).complete))"
        )

    def run(self, expression: str) -> Any:
        """With `report`, that of the page, and `traces(name)`, those that a figure draws."""
        return self.page.evaluate(
            f"""async () => {{ const report = await {READY};
                const traces = (name) => report.plots.get(name)._fullData;
                return ({expression}); }}"""
        )

    def show(self, began: float, ended: float) -> None:
        self.page.evaluate(
            f"async ([from, to]) => {{ const report = await {READY}; await report.show(from, to); }}",
            [began, ended],
        )

    def bars(self) -> list[int]:
        """The operations that are drawn as bars on the timeline."""
        found: list[int] = self.run(
            "[...new Set(report.plots.get('timeline').data.filter(t => t.type === 'bar')"
            ".flatMap(t => [...t.customdata]))].sort((a, b) => a - b)"
        )
        return found

    def innocent(self) -> None:
        assert self.complaints == []
        assert self.dialogs == []
        assert [url for url in self.requests if not url.startswith(("file:", "blob:", "data:"))] == []

    def keep(self, name: str) -> None:
        """A picture of the whole page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def needs_browser() -> list[Any]:
    """Marks of a module whose tests need one."""
    return [
        pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
        pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    ]
