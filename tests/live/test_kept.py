"""What is in memory becomes a recording that says the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fakes import RING, STARTED_NS, FakeSource, call, row, rows
from tests.live.clock import Clock
from tests.live.peers import files, reads
from tests.live.test_model import BOTH, SECOND
from uringtrace.errors import RecordingError
from uringtrace.tracer.connections import ConnectionTracker
from uringtrace.tracer.live.kept import NOT_KEPT, record_kept
from uringtrace.tracer.live.model import LiveModel
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.records import only_operations
from uringtrace.tracer.source import OpenSocket, Socket


def picture_of(batches: list[np.ndarray], *, rows_kept: int = 1000) -> Picture:  # type: ignore[type-arg]  # batches
    facts = FakeSource([], context=BOTH, rings=(RING,), files=files(3))
    model = LiveModel(BOTH, rows_kept, clock=Clock(), cost=Clock())
    for batch in batches:
        model.add(only_operations(batch), facts)
    return model.picture(facts, STARTED_NS + 3 * SECOND)


def batch_of(number: int) -> np.ndarray:  # type: ignore[type-arg]  # a batch
    one = rows(row("NOP", user_data=number), row("RECV", result=-104), call("read", 5, 0, 1, result=1))
    one["submitted_ns"] = STARTED_NS + number * 1_000_000
    one["completed_ns"] = one["submitted_ns"] + 1_000
    return one


def test_every_row_is_in_the_recording(tmp_path: Path) -> None:
    picture = picture_of([batch_of(number) for number in range(20)])
    record_kept(picture, tmp_path / "kept")
    recording = open_recording(tmp_path / "kept")
    stored = np.concatenate([records.operations for records in recording.records()])
    kept = np.concatenate([part.operations for part in picture.recent.parts])
    for name in ("opcode", "submitted_ns", "completed_ns", "result", "user_data", "fd", "kind"):
        assert stored[name].tolist() == kept[name].tolist()
    assert recording.context.started_ns == STARTED_NS
    assert recording.losses == picture.losses
    [ring] = recording.rings
    assert (ring.completions, ring.submitted) == (40, 40)
    assert (ring.flags, ring.sq_entries) == (RING.flags, RING.sq_entries)


def test_rows_that_had_to_go_are_told_as_lost(tmp_path: Path) -> None:
    picture = picture_of([batch_of(number) for number in range(2000)], rows_kept=300)
    assert picture.recent.dropped > 0
    record_kept(picture, tmp_path / "kept")
    recording = open_recording(tmp_path / "kept")
    stored = sum(len(records.operations) for records in recording.records())
    assert stored == picture.recent.rows
    assert recording.losses.lost == {NOT_KEPT: 6000 - stored}
    assert recording.context.started_ns > STARTED_NS


def test_connections_keep_their_side(tmp_path: Path) -> None:
    """Although the rows in memory do not show how they began."""
    listener = OpenSocket(9, 3, 7, Socket("inet", "tcp", "127.0.0.1:80", None, listening=True))
    facts = FakeSource([], context=BOTH, files=files(3), open_sockets=(listener,))
    model = LiveModel(BOTH, 1000, clock=Clock(), cost=Clock())
    model.add(only_operations(reads(range(1, 4))), facts)
    picture = model.picture(facts, STARTED_NS + 60 * SECOND)
    assert {each.role for each in picture.connections} == {"server"}
    record_kept(picture, tmp_path / "kept")
    recording = open_recording(tmp_path / "kept")
    tracker = ConnectionTracker(recording.context)
    for records in recording.records():
        tracker.add(records, recording.files, recording.open_sockets)
    seen = tracker.connections(recording.open_sockets)
    assert [(each.role, each.remote, each.bytes_in) for each in seen] == [
        (each.role, each.remote, each.bytes_in) for each in picture.connections
    ]


def test_without_a_row_there_is_nothing_to_record(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no operation is in memory"):
        record_kept(picture_of([]), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
