"""Recordings that the tests of reports share, and the report of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recording.conftest import write_recording
from tests.recording.scene import source
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
