"""The example in the documentation: small, written as the Makefile says, and alive in a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from plotly.offline import get_plotlyjs

from tests.report.browsing import Opened, needs_browser
from uringtrace.ui.report.page import fragment

NO_PLAYWRIGHT, NO_CHROMIUM = needs_browser()


def figures_of(text: str) -> list[str]:
    """Those that a command line in the text asks for, in their order."""
    command = re.search(r"report targets/demo/recording --fragment --without-plotly(.*?) -o", text, re.DOTALL)
    assert command is not None
    return re.findall(r"--figure (\S+)", command[1])


def test_the_page_and_the_makefile_say_how_it_is_written(repository: Path, demo: object) -> None:
    """And it has the figures that such a report has, without plotly.js."""
    page = (repository / "docs/report-example.md").read_text(encoding="utf-8")
    example = (repository / "docs/report-example.html").read_text(encoding="utf-8")
    figures = figures_of(page)
    assert figures == figures_of((repository / "Makefile").read_text(encoding="utf-8"))
    assert '--8<-- "docs/report-example.html"' in page.splitlines()
    assert len(example) < 1_000_000
    assert 'class="uringtrace-plotly"' not in example
    again = fragment(demo, figures, with_plotly=False)  # type: ignore[arg-type]  # a Report
    places = r'data-figure="([\w-]+)"'
    assert re.findall(places, example) == re.findall(places, again) == figures


@NO_PLAYWRIGHT
@NO_CHROMIUM
def test_it_draws_with_the_plotly_of_the_page(repository: Path, visit: Callable[..., Opened]) -> None:
    example = (repository / "docs/report-example.html").read_text(encoding="utf-8")
    text = f"<!doctype html><html><body><script>{get_plotlyjs()}</script>\n{example}</body></html>"
    opened = visit(text, name="example.html")
    drawn = opened.page.evaluate(
        "[...document.querySelector('[data-uringtrace]').shadowRoot.querySelectorAll('[data-figure]')]"
        ".map(figure => [figure.dataset.figure, figure.querySelectorAll('.main-svg').length > 0])"
    )
    assert drawn == [["throughput", True], ["timeline", True], ["percentiles", True]]
