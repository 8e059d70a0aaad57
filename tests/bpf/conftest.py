"""What the tests of live captures share: the C targets, and captures in this process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.bpf.processes import URINGTRACE, Json, Process, json_lines
from uringtrace.errors import UsageError
from uringtrace.targets import build
from uringtrace.tracer.capture import start_counting, start_streaming
from uringtrace.tracer.record import Batch
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.source import Context, Losses, Ring
from uringtrace.tracer.statistics import Counters, accumulate, empty_counters, operation_traits
from uringtrace.tracer.target import Target


def target_binary(name: str) -> Path:
    try:
        return build.binary(name)
    except UsageError as error:
        pytest.skip(error.message)


@pytest.fixture(scope="session")
def kinds() -> Path:
    """Performs every kind of operation a known number of times."""
    return target_binary("kinds")


@pytest.fixture(scope="session")
def nop() -> Path:
    """NOPs at full speed."""
    return target_binary("nop")


@dataclass(frozen=True)
class Seen:
    """All that a capture said when its target had ended."""

    said: Json
    """The target's own account."""
    counters: Counters
    rings: tuple[Ring, ...]
    losses: Losses
    context: Context
    batch: Batch | None = None


@pytest.fixture
def count(kinds: Path, tmp_path: Path) -> Callable[[str], Seen]:
    """Run one subject of `kinds` in counting mode."""

    def run(subject: str) -> Seen:
        output = tmp_path / "truth"
        with start_counting(kinds_target(kinds, output, subject)) as capture:
            while not capture.wait(1.0):
                pass
            return Seen(
                json.loads(output.read_text())["subjects"][0],
                capture.counters(),
                capture.rings,
                capture.losses,
                capture.context,
            )

    return run


@pytest.fixture
def stream(kinds: Path, tmp_path: Path) -> Callable[[str], Seen]:
    """Run one subject of `kinds` in streaming mode, and add up its batches."""

    def run(subject: str) -> Seen:
        output = tmp_path / "truth"
        with start_streaming(kinds_target(kinds, output, subject)) as capture:
            batches = list(capture.batches())
            counters, traits = empty_counters(), operation_traits(capture.context.operation_names)
            for batch in batches:
                accumulate(counters, batch, traits)
            return Seen(
                json.loads(output.read_text())["subjects"][0],
                counters,
                capture.rings,
                capture.losses,
                capture.context,
                np.concatenate(batches),
            )

    return run


def kinds_target(kinds: Path, output: Path, *subjects: str) -> Target:
    """`kinds`, launched through a shell that puts its standard output into a file."""
    script = 'output=$1; shift; exec "$@" >"$output"'
    return Target(command=("sh", "-c", script, "sh", str(output), str(kinds), *subjects), follow=True)


def subject_names() -> list[str]:
    """For parametrising: the names of all subjects; none where `kinds` cannot be built."""
    try:
        listed = subprocess.run(
            [build.binary("kinds"), "--list"], capture_output=True, text=True, check=True
        ).stdout
    except UsageError:
        return []
    return listed.split()


@dataclass(frozen=True)
class Recorded:
    """A recording of all subjects of `kinds`, taken apart by subject."""

    path: Path
    subjects: dict[str, Seen]
    losses: Losses


@pytest.fixture(scope="session")
def recorded(kinds: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """`uringtrace record` on a run of all subjects.

    Subjects run one after the other and say how many rings they made, and rings are
    numbered in order of appearance: that tells whose ring it was.
    """
    folder = tmp_path_factory.mktemp("recorded")
    path = folder / "recording"
    with Process([*URINGTRACE, "record", "-f", "-o", path, "--", kinds], folder) as tracer:
        assert tracer.wait() == 0, tracer.notices()
        [said] = json_lines(tracer.output())
    recording = open_recording(path)
    assert recording.status == "complete"
    batch = np.concatenate(list(recording.batches()))
    traits = operation_traits(recording.context.operation_names)
    subjects, rings = {}, [ring for ring in recording.rings if ring.ring]
    assert len(rings) == said["total"]["rings"]
    for subject in said["subjects"]:
        own, rings = rings[: subject["rings"]], rings[subject["rings"] :]
        part = batch[np.isin(batch["ring"], [ring.ring for ring in own])]
        counters = empty_counters()
        accumulate(counters, part, traits)
        subjects[subject["subject"]] = Seen(
            subject, counters, tuple(own), recording.losses, recording.context, part
        )
    return Recorded(path, subjects, recording.losses)
