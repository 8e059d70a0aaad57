"""The report's data and its Markdown, to the character: what changes here changes for readers."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from tests.report.golden import is_golden
from tests.report.hostile import write_hostile
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.report import read_report
from uringtrace.ui.report.markdown import markdown


def plain(value: Any) -> Any:
    """As JSON has it; of long arrays with few values only those with their places."""
    if isinstance(value, np.ndarray):
        flat = value.reshape(-1)
        if flat.size > 100:
            filled = np.flatnonzero(flat)
            found = {int(place): plain(flat[place].item()) for place in filled.tolist()}
            return {"shape": list(value.shape), "filled": found}
        return plain(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        left_out = ("operation_names", "setup_flag_names", "probes", "diagnosed")
        return {
            each.name: plain(getattr(value, each.name)) for each in fields(value) if each.name not in left_out
        }
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    return round(value, 6) if isinstance(value, float) else value


def test_data_of_the_scene(scene: Any) -> None:
    """Each group of facts on a line of its own, so that a difference can be read."""
    data = plain(scene)
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in data.items()]
    assert is_golden("scene.json", "{\n" + ",\n".join(lines) + "\n}\n")


@pytest.mark.parametrize("name", ["scene", "demo"])
def test_markdown(request: pytest.FixtureRequest, name: str) -> None:
    assert is_golden(f"{name}.md", markdown(request.getfixturevalue(name)))


def test_markdown_is_tables_that_a_name_cannot_leave(tmp_path) -> None:
    """Every row of a table has as many cells as its head; no name makes a link, HTML or a mention."""
    text = markdown(read_report(open_recording(write_hostile(tmp_path / "run"))))
    width = 0
    for line in text.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        if re.fullmatch(r"[|:-]+", line):
            width = cells
        elif line.startswith("|") and width:
            assert cells == width, line
        elif not line.startswith("|"):
            width = 0
    assert "<img" not in text
    assert "<script" not in text.lower()
    assert not re.search(r"(?<!\\)\]\(javascript", text)
    assert not re.search(r"(?<!\\)@all", text)
    assert not re.search(r"(?<!\\)`@", text)
    assert "\u2028" not in text
    assert "\x1b" not in text
    for target in re.findall(r"(?<!\\)\]\(([^)]*)\)", text):
        assert target.startswith("#")
        assert f"\n## {target[1:].replace('-', ' ').capitalize()}\n" in text
