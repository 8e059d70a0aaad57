"""Redacted: no address, path or argument is left in any output, and the same stays the same."""

from __future__ import annotations

import base64
import gzip
import re
from dataclasses import replace
from typing import Any

import pytest

from uringtrace.tracer.report.redact import redacted
from uringtrace.ui.report.markdown import markdown
from uringtrace.ui.report.page import fragment, page


def everything(report: Any) -> str:
    """All outputs, with what is compressed in them."""
    texts = [page(report), fragment(report, with_plotly=False), markdown(report)]
    for text in list(texts):
        for packed in re.findall(r'class="uringtrace-data">([^<]*)<', text):
            texts.append(gzip.decompress(base64.b64decode(packed)).decode())
    return "\n".join(texts)


@pytest.mark.parametrize("name", ["scene", "demo"])
def test_nothing_secret_is_left(request: pytest.FixtureRequest, ask: Any, name: str) -> None:
    """Every address and path of the recording is in the plain outputs, or not shown; none in the redacted."""
    path = request.getfixturevalue(f"{name}_path")
    report = request.getfixturevalue(name)
    command = ("/opt/server", "--secret=hunter2")
    report = replace(report, context=replace(report.context, command=command, target=" ".join(command)))
    hidden = {text for row in ask(path, "SELECT local, remote FROM files") for text in row if text}
    hidden |= {text for row in ask(path, "SELECT local, remote FROM connections") for text in row if text}
    hidden |= {row[0] for row in ask(path, "SELECT description FROM files WHERE description LIKE '/%'")}
    hidden |= {
        row[0] for row in ask(path, "SELECT DISTINCT pathname FROM operations WHERE pathname IS NOT NULL")
    }
    hidden |= {f" {row[0]}<" for row in ask(path, "SELECT name FROM threads WHERE name IS NOT NULL")}
    hidden |= {"/opt/server", "hunter2"}
    hidden -= {"0.0.0.0:0", ""}
    plain, secret = everything(report), everything(redacted(report))
    assert len([text for text in hidden if text in plain]) >= 4
    assert [text for text in sorted(hidden) if text in secret] == []


def test_pseudonyms_are_stable(demo: Any) -> None:
    once, again = redacted(demo), redacted(demo)
    assert once.connections == again.connections
    assert once.lanes.files == again.lanes.files
    peers = {each.remote for each in once.connections.shown if each.role == "server"}
    assert len(peers) == len({each.remote for each in demo.connections.shown if each.role == "server"})
    clients = {each.local for each in once.connections.shown if each.role == "client"}
    assert clients == peers
    assert once.summary.operations == demo.summary.operations


def test_lanes_keep_what_only_numbers(demo: Any) -> None:
    lanes = [lane.name for lane in redacted(demo).lanes.lanes]
    assert lanes[:2] == ["26514 name-1", "27259 name-1"]
    assert "ring 1 fd 3" in lanes
    assert next(name for name in lanes if name.startswith("#")).startswith("#1 tcp host-1:port-")


def test_a_problem_does_not_name_the_recording(demo: Any) -> None:
    known = replace(demo, problems=("the recorder of /var/tmp/run died",))
    assert redacted(known).problems[0].startswith("the recorder of path-")
