"""How a page behaves in a browser: until it can be read, and how smoothly it is dragged.

Needs playwright and an installed Chromium.
"""

from __future__ import annotations

import shutil
import statistics
import time
from importlib.util import find_spec
from pathlib import Path

from bench.launch import Failed

_READY = "document.querySelector('[data-uringtrace]').dataset.uringtrace === 'ready'"
_REPORT = "document.querySelector('[data-uringtrace]').uringtrace"
_MOVES = 60
_ROUNDS = 3
"""The first opens a cold browser and is not counted."""
_GAPS = """() => { cancelAnimationFrame(window.ticking);
return window.ticks.slice(1).map((tick, place) => tick - window.ticks[place]); }"""
_COUNT = """() => { window.ticks = [];
const tick = (now) => { window.ticks.push(now); window.ticking = requestAnimationFrame(tick); };
requestAnimationFrame(tick); }"""


def open_and_drag(page: Path) -> tuple[float, float]:
    """Seconds until the figures in sight are drawn, and the 95th percentile of the milliseconds
    from frame to frame while the timeline is dragged. Raises Failed where there is no browser."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None or find_spec("playwright") is None:
        raise Failed("no Chromium, or no playwright, is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1400, "height": 900})
        opened = []
        for _ in range(_ROUNDS):
            started = time.monotonic()
            shown.goto(page.as_uri())
            shown.wait_for_function(_READY)
            opened.append(time.monotonic() - started)
        shown.evaluate(
            f"async () => {{ const report = await {_REPORT}; await report.complete;"
            "await report.plotly.relayout(report.plots.get('timeline'), { dragmode: 'pan' }); }"
        )
        shown.locator("[data-figure=timeline]").scroll_into_view_if_needed()
        box = shown.locator("[data-figure=timeline] .nsewdrag").first.bounding_box()
        if box is None:
            raise Failed("the timeline has no place to drag it by")
        y = box["y"] + 60
        shown.mouse.move(700, y)
        shown.mouse.down()
        shown.evaluate(_COUNT)
        for step in range(_MOVES):
            shown.mouse.move(700 + 3 * step, y)
        gaps = [gap for gap in shown.evaluate(_GAPS) if gap > 0]
        shown.mouse.up()
        browser.close()
    return min(opened[1:]), statistics.quantiles(gaps, n=20)[-1]
