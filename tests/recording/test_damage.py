"""Recordings that are not whole: what is left is read, what is gone is said and counted."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes import FakeSource, rows
from tests.recording.conftest import write_recording
from uringtrace.errors import RecordingError
from uringtrace.tracer.recording import Writer, open_recording
from uringtrace.tracer.recording.chunks import OPERATIONS
from uringtrace.tracer.recording.journal import SegmentWriter
from uringtrace.tracer.recording.layout import part_path, segment_path

SEGMENT = 225_000


@pytest.fixture(scope="module")
def chunks(numbered):
    return [numbered(first, 1000) for first in range(0, 5000, 1000)]


@pytest.fixture(scope="module")
def whole(chunks, tmp_path_factory):
    """A recording of five parts of 1000 rows."""
    path = write_recording(tmp_path_factory.mktemp("whole") / "run", chunks, segment_bytes=SEGMENT)
    assert open_recording(path).parts == (0, 1, 2, 3, 4)
    return path


@pytest.fixture
def damaged(whole, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(whole, tmp_path / "run")


def assert_without(path, chunks, number, reason, read_all):
    recording = open_recording(path)
    left = read_all(recording)
    assert np.array_equal(left, rows(*chunks[:number], *chunks[number + 1 :]))
    assert [problem for problem in recording.problems if f"operations-{number:05d}.parquet" in problem]
    assert reason in " ".join(recording.problems)
    assert recording.losses.lost == {"damaged": 1000}


@pytest.mark.parametrize("keep", [0, 3, 4, 100, -1, -9])
def test_a_truncated_part_is_skipped_and_its_rows_count_as_lost(damaged, chunks, keep, read_all):
    part = part_path(damaged, 2)
    size = part.stat().st_size
    os.truncate(part, keep if keep >= 0 else size + keep)
    assert_without(damaged, chunks, 2, "damaged", read_all)


def test_a_missing_part_counts_as_lost(damaged, chunks, read_all):
    part_path(damaged, 4).unlink()
    assert_without(damaged, chunks, 4, "missing", read_all)


def test_a_part_that_breaks_while_read_is_skipped_once(damaged, chunks, read_all):
    part = part_path(damaged, 1)
    content = bytearray(part.read_bytes())
    content[4:3000] = b"\xff" * 2996
    part.write_bytes(content)
    recording = open_recording(damaged)
    assert recording.problems == ()
    for _ in range(2):
        assert np.array_equal(read_all(recording), rows(chunks[0], *chunks[2:]))
    assert recording.losses.lost == {"damaged": 1000}
    assert len(recording.problems) == 1


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_broken_byte_ends_in_rows_or_a_problem_never_in_a_failure(damaged, data, read_all):
    part = part_path(damaged, 3)
    content = part.read_bytes()
    position = data.draw(st.integers(0, len(content) - 1))
    try:
        broken = bytes([content[position] ^ data.draw(st.integers(1, 255))])
        part.write_bytes(content[:position] + broken + content[position + 1 :])
        recording = open_recording(damaged)
        size = read_all(recording).size
        assert size == 5000 or recording.problems
    finally:
        part.write_bytes(content)


def unconverted(path, chunks):
    """A recording whose recorder died: the first part is done, the rest is journal."""
    with Writer(path, FakeSource([]), OPERATIONS, segment_bytes=SEGMENT) as writer:
        for chunk in chunks:
            writer.append(chunk)
    meta = json.loads((path / "meta.json").read_text())
    meta.update(status="recording", parts=meta["parts"][:1])
    (path / "meta.json").write_text(json.dumps(meta))
    for number in range(1, len(chunks)):
        part_path(path, number).unlink()
        segment = SegmentWriter(segment_path(path, number), number, OPERATIONS)
        segment.append(chunks[number][:300].data)
        segment.append(chunks[number][300:].data)
        segment.close()
    return path


def test_after_a_crash_parts_and_journal_are_one(tmp_path, chunks, read_all):
    path = unconverted(tmp_path / "crashed", chunks)
    before = sorted(entry.name for entry in path.iterdir())
    recording = open_recording(path)
    assert "died" in recording.problems[0]
    assert np.array_equal(read_all(recording), rows(*chunks))
    assert recording.ended_ns >= chunks[-1]["completed_ns"].max()
    with recording.query("SELECT user_data FROM operations") as result:
        assert [value for (value,) in result.rows()] == list(range(5000))
    assert sorted(entry.name for entry in path.iterdir()) == before, "a reader changes nothing"


def test_a_torn_end_is_said(tmp_path, chunks, read_all):
    path = unconverted(tmp_path / "crashed", chunks)
    last = segment_path(path, 4)
    os.truncate(last, last.stat().st_size - 1)
    recording = open_recording(path)
    assert np.array_equal(read_all(recording), rows(*chunks)[:4300])
    assert any("unfinished write" in problem for problem in recording.problems)


def test_a_left_over_segment_does_not_count_twice(tmp_path, chunks, read_all):
    path = unconverted(tmp_path / "crashed", chunks)
    segment_path(path, 1).rename(segment_path(path, 0))
    recording = open_recording(path)
    assert np.array_equal(read_all(recording), rows(chunks[0], *chunks[2:]))


def test_a_chunk_that_cannot_be_decoded_ends_its_segment_only(tmp_path, chunks, read_all):
    path = unconverted(tmp_path / "crashed", chunks)
    segment_path(path, 2).unlink()
    segment = SegmentWriter(segment_path(path, 2), 2, OPERATIONS)
    segment.append(chunks[2].data)
    segment.append(memoryview(b"half a row"))
    segment.close()
    recording = open_recording(path)
    assert np.array_equal(read_all(recording), rows(*chunks))
    assert any("journal-00002.bin is damaged: chunk 1" in problem for problem in recording.problems)


def test_an_unknown_chunk_format_is_said(tmp_path, chunks, read_all):
    path = unconverted(tmp_path / "crashed", chunks)
    segment_path(path, 4).unlink()
    segment = SegmentWriter(segment_path(path, 4), 4, "os.system")
    segment.append(memoryview(b"true"))
    segment.close()
    recording = open_recording(path)
    assert np.array_equal(read_all(recording), rows(*chunks[:4]))
    assert any("unknown journal format 'os.system'" in problem for problem in recording.problems)


META_DAMAGE = {
    "missing": (lambda path: path.unlink(), "is not a recording: it has no meta.json"),
    "empty": (lambda path: path.write_text(""), "not JSON"),
    "half": (lambda path: os.truncate(path, path.stat().st_size // 2), "not JSON"),
    "another file": (lambda path: path.write_text('{"name": "x"}'), "of something else"),
    "a list": (lambda path: path.write_text("[]"), "of something else"),
    "newer": (lambda path: path.write_text('{"format": "uringtrace recording", "schema": 99}'), "schema 99"),
    "no fields": (lambda path: path.write_text('{"format": "uringtrace recording", "schema": 1}'), "damaged"),
    "not text": (lambda path: path.write_bytes(b"\xff\xfe\0"), "not JSON"),
}


@pytest.mark.parametrize("damage", META_DAMAGE)
def test_a_damaged_meta_json_is_one_clear_line(damaged, damage):
    change, message = META_DAMAGE[damage]
    change(damaged / "meta.json")
    with pytest.raises(RecordingError, match=message) as caught:
        open_recording(damaged)
    assert "\n" not in caught.value.message
    assert caught.value.way_out


@pytest.mark.parametrize(
    ("name", "message"), [("absent", "no such recording"), ("a-file", "not a directory")]
)
def test_what_is_no_directory(tmp_path, name, message):
    (tmp_path / "a-file").write_text("x")
    with pytest.raises(RecordingError, match=message):
        open_recording(tmp_path / name)


def test_a_half_written_meta_json_beside_a_good_one_does_not_matter(damaged, read_all):
    (damaged / "meta.json.partial").write_text('{"format": "urin')
    (damaged / "operations-00009.parquet.partial").write_bytes(b"PAR1")
    recording = open_recording(damaged)
    assert recording.problems == ()
    assert read_all(recording).size == 5000
