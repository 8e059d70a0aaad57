"""What the tests of recordings share: batches that are valid, and a way to write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeSource, rows
from uringtrace.tracer.record import OPERATION, Batch
from uringtrace.tracer.recording import Recording, Writer
from uringtrace.tracer.recording.chunks import OPERATIONS


def write_recording(
    path: Path, batches: Iterable[Batch], *, source: FakeSource | None = None, **options: object
) -> Path:
    """Write the batches, one chunk each, to a finished recording; returns its path."""
    with Writer(path, source or FakeSource([]), OPERATIONS, **options) as writer:  # type: ignore[arg-type]
        for batch in batches:
            assert writer.append(batch)
    return path


@pytest.fixture
def make_recording(tmp_path: Path) -> Callable[..., Path]:
    """A recording of the test's own, as `write_recording` makes it."""
    return partial(write_recording, tmp_path / "run")


@pytest.fixture(scope="session")
def numbered() -> Callable[..., Batch]:
    """Rows whose user_data counts from `first`."""

    def make(first: int, count: int) -> Batch:
        batch = np.zeros(count, OPERATION)
        batch["user_data"] = np.arange(first, first + count)
        batch["submitted_ns"] = 10**12 + batch["user_data"] * 100
        batch["completed_ns"] = batch["submitted_ns"] + 50
        batch["kind"] = 1
        batch["ring"] = 1
        return batch

    return make


@pytest.fixture(scope="session")
def read_all() -> Callable[[Recording], Batch]:
    """Every row of a recording, as one batch."""

    def read(recording: Recording) -> Batch:
        return rows(*recording.batches())

    return read
