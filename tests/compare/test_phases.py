"""What is measured of a phase is what `stat` counts of it; the parts of a capture add up to the whole."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeSource
from uringtrace.errors import StorageError
from uringtrace.tracer.compare.kept import Kept
from uringtrace.tracer.compare.phases import Phase, Span, measured
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.recording.chunks import RECORDS, records_chunk
from uringtrace.tracer.replayed_counting import ReplayedCounting
from uringtrace.tracer.summary import Summary, summary_of

DEMO = Path(__file__).parents[2] / "targets" / "demo" / "recording"
"""11,844 rows of a real program."""


def phases(cuts: list[float]) -> tuple[Phase, ...]:
    """Of the demonstration, cut at these parts of its time."""
    recording = open_recording(DEMO)
    began, whole = recording.context.started_ns, recording.ended_ns - recording.context.started_ns
    moments = [began + round(cut * whole) for cut in cuts]
    spans = [Span("bpf", one, other) for one, other in pairwise(moments)]
    return measured(recording, recording.records(), spans)


@pytest.fixture(scope="module")
def whole() -> Summary:
    """By `stat --connections`."""
    counting = ReplayedCounting(open_recording(DEMO), connections=True)
    while not counting.wait(3600):
        continue
    from uringtrace.cli.stat import with_details

    return with_details(summary_of(counting), counting)


@pytest.mark.parametrize("cuts", [[0, 1], [0, 0.5, 1], [0, 0.001, 0.2, 0.21, 0.7, 0.999, 1]], ids=len)
def test_phases_add_up_to_what_stat_counts(whole: Summary, cuts: list[float]) -> None:
    found = phases(cuts)
    assert len(found) == len(cuts) - 1
    assert sum(phase.operations for phase in found) == whole.totals.completions > 10_000
    assert sum(phase.bytes for phase in found) == whole.totals.bytes
    assert whole.connections is not None
    served = whole.connections.served_first or whole.connections.asked_first
    assert served is not None
    assert sum(phase.requests or 0 for phase in found) == served.count > 0
    latencies = [phase.latency for phase in found if phase.latency]
    assert sum(each.mean_ns * each.count for each in latencies) == pytest.approx(
        served.mean_ns * served.count
    )
    if len(found) == 1:
        assert found[0].latency == served


def test_what_is_kept_is_what_was_captured(tmp_path: Path) -> None:
    """As often as one likes, in order, with the facts of the end."""
    recording = open_recording(DEMO)
    kept = Kept(tmp_path / "journal", recording, RECORDS)
    for records in recording.records():
        kept.append(records_chunk(records))
    kept.append(b"")
    kept.close()
    expected = np.concatenate([each.sorted_by_completion().operations for each in recording.records()])
    for _ in range(2):
        assert (np.concatenate(list(kept.batches())) == expected).all()
    assert kept.context == recording.context
    assert kept.files == recording.files
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write to"):
        Kept(tmp_path / "none" / "journal", FakeSource([]))
