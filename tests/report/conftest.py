"""Recordings that the tests of reports share, and the report of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.recording.conftest import write_recording
from tests.recording.scene import source
from tests.report.browsing import CHROMIUM, Opened
from uringtrace.tracer.recording import Recording, Writer, open_recording
from uringtrace.tracer.recording.chunks import RECORDS, records_chunk
from uringtrace.tracer.report import Report, read_report

DEMO = Path(__file__).parents[2] / "targets" / "demo" / "recording"


@pytest.fixture(scope="session")
def scene_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's 40 milliseconds: both interfaces, epoll, a connection, failures, unfinished ones."""
    path = tmp_path_factory.mktemp("scene") / "run"
    given = source()
    with Writer(path, given, RECORDS) as writer:
        for records in given.records():
            assert writer.append(records_chunk(records))
    return path


@pytest.fixture(scope="session")
def scene(scene_path: Path) -> Report:
    return read_report(open_recording(scene_path))


@pytest.fixture(scope="session")
def demo_path() -> Path:
    """The recording that is shipped: 11,844 rows of a real program."""
    return DEMO


@pytest.fixture(scope="session")
def demo(demo_path: Path) -> Report:
    return read_report(open_recording(demo_path))


@pytest.fixture(scope="session")
def ask() -> Callable[..., list]:
    """All rows of a question in SQL."""

    def asked(recording: Recording | Path, sql: str) -> list:
        opened = recording if isinstance(recording, Recording) else open_recording(recording)
        with opened.query(sql) as result:
            return list(result.rows())

    return asked


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """A recording of the test's own batches."""

    def write(batches, **options) -> Path:
        return write_recording(tmp_path / "own", batches, **options)

    return write


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Not for the whole session: its event loop would be in the way of tests that are coroutines."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    contexts = []

    def opened(html: str, *, dark: bool = False, name: str = "page.html") -> Opened:
        file = tmp_path / name
        file.write_text(html, errors="replace")
        context = browser.new_context(
            viewport={"width": 1400, "height": 900}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.on("console", lambda line: found.complaints.append(line.text))
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.on("request", lambda request: found.requests.append(request.url))

        def dialog(box: Any) -> None:
            found.dialogs.append(box.message)
            box.dismiss()

        found.page.on("dialog", dialog)
        found.page.goto(file.as_uri())
        found.ready()
        return found

    yield opened
    for context in contexts:
        context.close()
