"""Recordings of these tests are converted at once and in this process: the recorder's own process,
which has the lowest priority, has tests of its own (tests/recording)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from uringtrace.tracer.recording import writer
from uringtrace.tracer.recording.conversion import Conversion
from uringtrace.tracer.recording.metadata import Failure, Part


class ConvertedHere:
    """In place of `recording.converter.Converter`."""

    def __init__(self, directory: Path, lock: int, *, niceness: int) -> None:
        self._conversion = Conversion(directory)
        self._done: list[Part | Failure] = []
        self.pending: set[int] = set()

    def submit(self, number: int) -> None:
        self._done.append(self._conversion.convert(number))

    def results(self) -> list[Part | Failure]:
        done, self._done = self._done, []
        return done

    def wait(self, seconds: float) -> bool:
        return True

    def finish(self) -> None:
        self._conversion.finish()

    def close(self) -> None:
        pass


@pytest.fixture(scope="module", autouse=True)
def converted_here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "Converter", ConvertedHere)
        yield
