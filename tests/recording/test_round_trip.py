"""What was recorded is what is read: byte for byte, in order, in every way to store it."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import RING, FakeSource, context, rows
from tests.recording.strategies import batches, records
from uringtrace.probes.slots import ARGUMENTS_KIND, OPERATION_SLOT
from uringtrace.tracer.decode import decode
from uringtrace.tracer.record import OPERATION
from uringtrace.tracer.recording import Writer, chunks, open_recording, reader
from uringtrace.tracer.recording.chunks import OPERATIONS, RECORDS, SLOTS, decoder, records_chunk
from uringtrace.tracer.recording.columns import batch_from_arrays
from uringtrace.tracer.recording.conversion import Conversion
from uringtrace.tracer.recording.fields import columns_of
from uringtrace.tracer.recording.journal import SegmentWriter
from uringtrace.tracer.recording.layout import SOCKET_EVENTS, part_path, segment_path
from uringtrace.tracer.recording.memory import decoded
from uringtrace.tracer.recording.metadata import COMPLETE, Metadata, Part, write_metadata
from uringtrace.tracer.recording.parts import connect, read_part, read_socket_events, write_parts
from uringtrace.tracer.recording.pathnames import path_arguments
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records, only_operations
from uringtrace.tracer.source import File, Interest, Losses, OpenSocket, Socket, Thread, UpperLayer


def joined(parts):
    """All of several records as one."""
    moved = []
    rows_before = 0
    for part in parts:
        memory = part.memory.copy()
        memory["row"] += rows_before
        rows_before += part.operations.size
        moved.append(memory)
    return (
        rows(*(part.operations for part in parts)),
        np.concatenate([np.zeros(0, MEMORY), *moved]),
        np.concatenate([np.zeros(0, SOCKET_EVENT), *(part.socket_events for part in parts)]),
    )


def assert_same(found, given):
    for array, wanted in zip(joined(found), joined(given), strict=True):
        assert array.tobytes() == wanted.tobytes()


@settings(max_examples=40)
@given(st.lists(records(), min_size=1, max_size=3))
def test_parts_give_back_all_records_that_they_were_given(given_records):
    with tempfile.TemporaryDirectory() as folder, connect() as connection:
        path = Path(folder)
        pairs = [(each, {SOCKET_EVENTS: each.socket_events}) for each in given_records]
        part = write_parts(connection, path, 0, pairs, context().operation_names)
        wanted = joined(given_records)
        assert (part.rows, part.tables.get(SOCKET_EVENTS, 0)) == (wanted[0].size, wanted[2].size)
        if not part.bytes:
            assert list(path.iterdir()) == []
            return
        found = read_part(connection, path, 0)
        assert found.operations.tobytes() == wanted[0].tobytes()
        assert found.memory.tobytes() == wanted[1].tobytes()
        if wanted[2].size:
            events = read_socket_events(connection, part_path(path, 0, SOCKET_EVENTS))
            assert events.tobytes() == wanted[2].tobytes()


@settings(max_examples=60)
@given(st.lists(records(max_rows=12), min_size=1, max_size=4), st.integers(1, 7))
def test_records_in_batches_are_the_same_records(given_records, batch_rows):
    operations, memory, events = joined(given_records)
    operations = operations[np.argsort(operations["completed_ns"], kind="stable")]
    whole = Records(operations, memory, events)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "BATCH_ROWS", batch_rows)
        pieces = list(reader.in_batches(whole))
    assert_same(pieces, [whole])
    for before, after in pairwise(pieces):
        assert not after.socket_events.size or (
            np.maximum.accumulate(after.socket_events["ns"]).max() > before.operations["completed_ns"].max()
        ), "an event goes with the operations that ended after it"


@settings(max_examples=25)
@given(st.lists(records(), min_size=1, max_size=4))
def test_a_recording_gives_back_its_records_from_the_journal_and_from_parts(given_records):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        write_metadata(path, Metadata(context(), COMPLETE, 0))
        for number, each in enumerate(given_records):
            segment = SegmentWriter(segment_path(path, number), number, RECORDS)
            segment.append(memoryview(records_chunk(each)))
            segment.close()
        assert_same(list(open_recording(path).records()), given_records)
        conversion = Conversion(path)
        for number in range(len(given_records)):
            assert isinstance(conversion.convert(number), Part)
            assert_same(list(open_recording(path).records()), given_records)
        conversion.finish()
        assert open_recording(path).problems == ()


def test_memory_of_a_form_that_is_not_ours_is_damage():
    for blob in (b"\0", b"\0" * 8, b"\1" + b"\xff" * 8, b"\1\0\0\0\0\5\0\0\0four"):
        with pytest.raises(ValueError, match="memory ends"):
            decoded(np.zeros(1, np.int64), [blob])


@settings(max_examples=60)
@given(st.lists(batches(), min_size=1, max_size=4))
def test_splitting_into_columns_keeps_the_rows_in_order(given_batches):
    wanted = rows(*given_batches)
    columns = columns_of(map(only_operations, given_batches), path_arguments({}))
    assert columns.rows == wanted.size
    if wanted.size:
        back = batch_from_arrays({name: columns.array(name) for name in OPERATION.names})
        assert back.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("sizes", [(8191, 1, 8193), (20_000,), (1,) * 300, (8192, 8192)])
def test_blocks_neither_lose_nor_swap_rows_at_their_edges(sizes, numbered):
    starts = np.cumsum([0, *sizes])
    batches = (numbered(int(start), size) for start, size in zip(starts, sizes, strict=False))
    columns = columns_of(map(only_operations, batches), path_arguments({}))
    assert np.array_equal(columns.array("user_data"), np.arange(sum(sizes)))
    assert set(columns.constants) >= {"kind", "ring", "opcode"}


def test_a_recording_of_many_parts_is_read_in_order(make_recording, numbered, read_all):
    given = [numbered(first, 500) for first in range(0, 10_000, 500)]
    path = make_recording(given, segment_bytes=200_000)
    recording = open_recording(path)
    assert len(recording.parts) > 3
    assert recording.problems == ()
    assert read_all(recording).tobytes() == rows(*given).tobytes()
    assert read_all(recording).tobytes() == rows(*given).tobytes(), "a second time"


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


def test_a_long_chunk_is_decoded_in_pieces_that_keep_records_whole(monkeypatch):
    monkeypatch.setattr(chunks, "PIECE_SLOTS", 4)
    slots = np.zeros(50, OPERATION_SLOT)
    slots["kind"] = np.where(np.arange(50) % 3 == 0, 1, ARGUMENTS_KIND)
    slots["completed_ns"] = np.arange(50)
    pieces = list(decoder(SLOTS)(slots.tobytes()))
    assert len(pieces) > 5
    assert rows(*(piece.operations for piece in pieces)).tobytes() == decode(slots).tobytes()


def test_the_facts_come_back(make_recording, numbered):
    peers = Socket("inet6", "tcp", "[::1]:1", "[::1]:2")
    files = {3: File(3, "/tmp/\udcff\x1b[1m", 7, 2**63), 9: File(9, "TCP [::1]:1->[::1]:2", 0, 5, peers)}
    layer = UpperLayer("tls", "1.3", "AES-GCM-128", "software", None)
    source = FakeSource(
        [],
        context=context(command=("srv", "--name=ä"), operation_names={0: "NOP", 200: "LATER"}),
        rings=(RING,),
        files=files,
        threads={7: Thread(7, 6, "wörker"), 8: Thread(8, 6, None)},
        interests=(Interest(6, 4, 5, 2**31 + 1, 2**64 - 1, 77),),
        open_sockets=(OpenSocket(6, 9, 5, peers), OpenSocket(6, -1, 5, peers, layer)),
        losses=Losses({"operations": 5}, 11),
        ended_ns=10**15,
    )
    recording = open_recording(make_recording([numbered(0, 3)], source=source))
    assert recording.context == source.context
    assert recording.rings == source.rings
    assert recording.files == files
    assert recording.threads == source.threads
    assert recording.interests == source.interests
    assert recording.open_sockets == source.open_sockets
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
