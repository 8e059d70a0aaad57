"""The page as a file: self-contained, within its size, and everything that was named escaped."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.report.hostile import ATTACK, NAMES, write_hostile
from uringtrace.cli.report import FIGURES as OFFERED
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.report import read_report
from uringtrace.ui.report.colours import FAMILY_COLOURS
from uringtrace.ui.report.figures import FIGURES
from uringtrace.ui.report.harmless import figure_text, markdown_text, page_text
from uringtrace.ui.report.page import fragment, page
from uringtrace.ui.report.payload import typed

LARGEST = 6_000_000
"""Bytes."""


class Elements(HTMLParser):
    """What a parser makes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self._open = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            self.scripts[-1] += data
        else:
            self.text.append(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return read_report(open_recording(write_hostile(tmp_path_factory.mktemp("hostile") / "run")))


def unpacked(elements: Elements, name: str) -> str:
    chosen = [
        script
        for script, (_, attributes) in zip(
            elements.scripts, [each for each in elements.tags if each[0] == "script"], strict=True
        )
        if attributes.get("class") == name
    ]
    assert len(chosen) == 1
    return gzip.decompress(base64.b64decode(chosen[0])).decode()


def test_the_page_refers_to_nothing_outside(demo: Any) -> None:
    text = page(demo)
    elements = Elements(text)
    assert len(text.encode()) < LARGEST
    for tag, attributes in elements.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    assert "@import" not in text
    assert "url(" not in re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]


def test_the_policy_names_the_scripts_that_run(demo: Any) -> None:
    elements = Elements(page(demo))
    (policy,) = [
        attributes["content"]
        for tag, attributes in elements.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    running = [elements.scripts[-1], unpacked(elements, "uringtrace-plotly")]
    for script in running:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    others = [attributes for tag, attributes in elements.tags if tag == "script" and "type" in attributes]
    assert len(others) == len(elements.scripts) - 1
    assert {attributes["type"] for attributes in others} == {"text/plain"}


def test_hostile_names_are_text(hostile: Any) -> None:
    """A parser finds the names as text and no element, attribute or comment that they would make."""
    harmless = page(hostile)
    elements = Elements(harmless)
    assert {tag for tag, _ in elements.tags}.isdisjoint({"img", "b"})
    assert len(elements.scripts) == 3
    assert ATTACK in "".join(elements.text)
    assert "onerror" not in [name for _, attributes in elements.tags for name in attributes]
    assert "\u2028" not in harmless
    assert "\x1b" not in harmless
    data = unpacked(elements, "uringtrace-data")
    assert "<" not in json.loads(data)["timeline"]["files"][0]
    Elements(fragment(hostile))


@pytest.mark.parametrize("name", NAMES)
def test_what_was_named_is_harmless_everywhere(name: str) -> None:
    for made in (page_text(name), figure_text(name), markdown_text(name)):
        assert "<" not in made
        assert made.isprintable()
    assert '"' not in page_text(name + '"')
    assert "|" not in re.sub(r"\\.", "", markdown_text(name))


def test_names_that_are_no_utf_8_are_shown_as_bytes() -> None:
    assert page_text("a\udcffb") == "a\\xffb"


def test_the_command_offers_the_figures_there_are() -> None:
    assert tuple(FIGURES) == OFFERED


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_and_described(demo: Any, scene: Any, hostile: Any, name: str) -> None:
    kind = FIGURES[name]
    for report in (demo, scene, hostile):
        assert isinstance(kind.draw(report), go.Figure)
        assert kind.words(report).endswith(".")


def test_a_fragment_has_the_figures_asked_for(demo: Any) -> None:
    text = fragment(demo, ["paths"], with_plotly=False)
    assert text.startswith("<div data-uringtrace=")
    assert set(re.findall(r'data-figure="([^"]*)"', text)) == {"paths"}
    assert 'class="uringtrace-plotly"' not in text
    assert 'class="uringtrace-plotly"' in fragment(demo, ["paths"])
    assert "<html" not in text
    assert len(text) < 120_000


def test_typed_arrays_are_little_endian() -> None:
    found = typed(np.array([1, -2], ">i4"))
    assert found["dtype"] == "i4"
    assert base64.b64decode(found["bdata"]) == b"\x01\0\0\0\xfe\xff\xff\xff"


def test_colours_are_told_from_either_page() -> None:
    """At least 3 to 1 against white and against the dark page (WCAG 1.4.11)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for colour in FAMILY_COLOURS.values():
        for ground in ("#ffffff", "#12161a"):
            light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 3, colour
