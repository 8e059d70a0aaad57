"""What was recorded is what is read: byte for byte, in order, in every way to store it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes import RING, FakeSource, context, rows
from tests.recording.strategies import batches
from uringtrace.probes.slots import OPERATION_SLOT
from uringtrace.tracer.decode import decode
from uringtrace.tracer.record import OPERATION
from uringtrace.tracer.recording import Writer, open_recording
from uringtrace.tracer.recording.chunks import OPERATIONS, SLOTS
from uringtrace.tracer.recording.columns import batch_from_arrays, columns_of
from uringtrace.tracer.recording.parts import connect, read_part, write_part
from uringtrace.tracer.source import File, Losses


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(batches(), min_size=1, max_size=3))
def test_a_part_gives_back_every_batch_it_was_given(given_batches):
    wanted = rows(*given_batches)
    with tempfile.TemporaryDirectory() as folder, connect() as connection:
        path = Path(folder) / "operations-00000.parquet"
        assert write_part(connection, path, given_batches, context().operation_names) == wanted.size
        if wanted.size:
            assert read_part(connection, path).tobytes() == wanted.tobytes()
        else:
            assert not path.exists()


@settings(max_examples=60, deadline=None)
@given(st.lists(batches(), min_size=1, max_size=4))
def test_splitting_into_columns_keeps_the_rows_in_order(given_batches):
    wanted = rows(*given_batches)
    columns = columns_of(given_batches)
    assert columns.rows == wanted.size
    if wanted.size:
        back = batch_from_arrays({name: columns.array(name) for name in OPERATION.names})
        assert back.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("sizes", [(8191, 1, 8193), (20_000,), (1,) * 300, (8192, 8192)])
def test_blocks_neither_lose_nor_swap_rows_at_their_edges(sizes, numbered):
    starts = np.cumsum([0, *sizes])
    columns = columns_of(numbered(int(start), size) for start, size in zip(starts, sizes, strict=False))
    assert np.array_equal(columns.array("user_data"), np.arange(sum(sizes)))
    assert set(columns.constants) >= {"kind", "ring", "opcode"}


def test_a_recording_of_many_parts_is_read_in_order(make_recording, numbered, read_all):
    chunks = [numbered(first, 500) for first in range(0, 10_000, 500)]
    path = make_recording(chunks, segment_bytes=200_000)
    recording = open_recording(path)
    assert len(recording.parts) > 3
    assert recording.problems == ()
    assert read_all(recording).tobytes() == rows(*chunks).tobytes()
    assert read_all(recording).tobytes() == rows(*chunks).tobytes(), "a second time"


def test_slots_are_decoded_by_the_converter(tmp_path, read_all):
    slots = np.zeros(100, OPERATION_SLOT)
    slots["kind"], slots["opcode"], slots["sqe_flags"] = 1, 22, 128
    slots["submitted_ns"] = np.arange(1, 101)
    slots["completed_ns"] = slots["submitted_ns"] + 7
    with Writer(tmp_path / "run", FakeSource([]), SLOTS) as writer:
        writer.append(slots[:60])
        writer.append(slots[:0])
        writer.append(slots[60:].tobytes())
    recording = open_recording(tmp_path / "run")
    assert recording.segments == ()
    assert read_all(recording).tobytes() == decode(slots).tobytes()
    assert writer.rows == 100


def test_the_facts_come_back(make_recording, numbered):
    files = {3: File(3, "/tmp/\udcff\x1b[1m", 7, 2**63), 9: File(9, "TCP [::1]:1->[::1]:2", 0, 0)}
    source = FakeSource(
        [],
        context=context(command=("srv", "--name=ä"), operation_names={0: "NOP", 200: "LATER"}),
        rings=(RING,),
        files=files,
        losses=Losses({"operations": 5}, 11),
        ended_ns=10**15,
    )
    recording = open_recording(make_recording([numbered(0, 3)], source=source))
    assert recording.context == source.context
    assert recording.rings == source.rings
    assert recording.files == files
    assert recording.losses == source.losses
    assert recording.ended_ns == source.ended_ns
    assert recording.status == "complete"


def test_a_recording_of_nothing_is_a_recording(make_recording):
    recording = open_recording(make_recording([]))
    assert list(recording.batches()) == []
    assert recording.problems == ()
    with recording.query("SELECT count(*) FROM operations") as result:
        assert list(result.rows()) == [(0,)]


def test_a_reader_of_the_journal_agrees_with_a_reader_of_the_parts(tmp_path, numbered, read_all):
    batch = numbered(0, 1000)
    writer = Writer(tmp_path / "run", FakeSource([]), OPERATIONS)
    with writer:
        writer.append(batch)
        before = open_recording(tmp_path / "run")
        assert before.segments == (0,)
        assert "still being recorded" in before.problems[0]
        from_journal = read_all(before)
    # The same object after the segment it knew has become a part.
    assert read_all(before).tobytes() == from_journal.tobytes() == batch.tobytes()
