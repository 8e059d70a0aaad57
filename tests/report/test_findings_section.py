"""The findings of a report: those of `diagnose --json`, on the page, in Markdown and in a notebook."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import uringtrace
from tests.fakes import RING, FakeSource, row, rows
from tests.recording.conftest import write_recording
from tests.report.browsing import Opened
from uringtrace.cli.main import main
from uringtrace.tracer.record import Path as IoPath
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.report import Report, read_report
from uringtrace.tracer.report.redact import redacted
from uringtrace.tracer.source import File, Thread
from uringtrace.ui.report.findings import findings_html, window_of
from uringtrace.ui.report.markdown import markdown
from uringtrace.ui.report.page import page
from uringtrace.ui.text.findings_json import finding_object

SECRET = "/srv/customers/acme.db"
MILLISECOND = 1_000_000


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Completions that found the queue full, and writes to a file that went to workers."""
    overflowed = [
        row(
            "READ",
            ring=RING.ring,
            path=IoPath.OVERFLOW | IoPath.INLINE,
            after_ns=each * MILLISECOND,
            took_ns=MILLISECOND,
        )
        for each in range(1, 31)
    ]
    punted = [
        row(
            "WRITE",
            ring=RING.ring,
            fd=6,
            file=7,
            tid=4243,
            path=IoPath.IO_WQ,
            after_ns=each * MILLISECOND,
            took_ns=MILLISECOND,
        )
        for each in range(31, 61)
    ]
    files = {7: File(7, SECRET, 8, 12)}
    threads = {4243: Thread(4243, 4242, "acme-writer")}
    source = FakeSource([], files=files, threads=threads, rings=(RING,))
    folder = tmp_path_factory.mktemp("faulty")
    return write_recording(folder / "own", [rows(*overflowed, *punted)], source=source)


def said_by_diagnose(path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(["diagnose", "--json", str(path)]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def report(faulty: Path) -> Report:
    return read_report(open_recording(faulty))


@pytest.mark.parametrize("name", ["faulty", "demo_path"])
def test_they_are_those_of_diagnose(
    request: pytest.FixtureRequest, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = request.getfixturevalue(name)
    said = said_by_diagnose(path, capsys)
    report = read_report(open_recording(path))
    assert [finding_object(each) for each in report.diagnosed.findings] == said["findings"]
    assert {each.tag: each.state.value for each in report.diagnosed.verdicts} == {
        each["tag"]: each["state"] for each in said["rules"]
    }
    shown = unescape(re.sub(r"<[^>]+>", "", findings_html(report)))
    written_down = markdown(report).replace("\\", "")
    for finding in said["findings"]:
        for text in (finding["title"], finding["why"], finding["advice"], finding["tag"]):
            assert text in shown
            assert text in unescape(written_down)
        for each in finding["evidence"]:
            assert each["text"] in shown
            assert each["text"] in unescape(written_down)
    assert f"architecture: {said['architecture']['words']}" in shown
    for rule in said["rules"]:
        assert rule["tag"] in shown
        assert rule["missing"] is None or rule["missing"] in shown
    assert "healthy" not in shown.lower()


def test_the_fault_is_there_and_before_the_figures(report: Report) -> None:
    assert {"cq-overflow", "io-wq-punts"} <= {each.tag for each in report.diagnosed.findings}
    text = page(report)
    assert text.index('id="findings"') < text.index('id="operations"') < text.index('id="figure-')
    assert '<a href="#findings">' in text
    assert "[Findings](#findings)" in markdown(report)


def test_a_notebook_has_them_too(faulty: Path, report: Report) -> None:
    with uringtrace.open(faulty) as run:
        assert run.findings() == report.diagnosed


def test_redacted_they_name_nothing_and_keep_their_numbers(report: Report) -> None:
    hidden = redacted(report)
    for text in (page(hidden), markdown(hidden)):
        assert SECRET not in text
        assert "acme" not in text
    for before, after in zip(report.diagnosed.findings, hidden.diagnosed.findings, strict=True):
        assert (before.tag, before.severity, before.window) == (after.tag, after.severity, after.window)
        for seen, said in zip(before.evidence, after.evidence, strict=True):
            numbers = {name: value for name, value in seen.values.items() if not isinstance(value, str)}
            assert numbers.items() <= said.values.items()


def test_the_button_zooms_the_timeline_into_the_window(visit: Callable[..., Opened], report: Report) -> None:
    (found,) = [each for each in report.diagnosed.findings if each.tag == "cq-overflow"]
    stretch = window_of(found, report)
    assert stretch is not None
    opened = visit(page(report))
    before = opened.run("report.plots.get('timeline').layout.xaxis.range")
    opened.page.locator(".finding", has_text="cq-overflow").get_by_role("button").click()
    opened.page.wait_for_function(
        f"document.querySelector('input.from').valueAsNumber > {before[0]} || "
        f"document.querySelector('input.to').valueAsNumber < {before[1]}"
    )
    began, ended = opened.run("report.plots.get('timeline').layout.xaxis.range")
    assert began <= stretch[0] < stretch[1] <= ended
    assert ended - began < before[1] - before[0]
    opened.innocent()
