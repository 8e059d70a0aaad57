"""The journal gives back whole frames, whatever is cut off or broken after them."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uringtrace.errors import RecordingError
from uringtrace.tracer.recording.journal import SegmentWriter, open_segment

CHUNKS = (b"first", b"", b"third" * 20, b"\0" * 64)


def write(path, chunks=CHUNKS):
    writer = SegmentWriter(path, 7, "operations-1")
    ends = [writer.bytes]
    for chunk in chunks:
        writer.append(memoryview(chunk))
        ends.append(writer.bytes)
    writer.close()
    assert path.stat().st_size == ends[-1]
    return ends


def test_chunks_come_back_as_they_went_in(tmp_path):
    write(tmp_path / "segment")
    segment = open_segment(tmp_path / "segment")
    assert segment.chunk_format == "operations-1"
    assert tuple(segment.chunks()) == CHUNKS
    assert segment.torn_bytes == 0


def test_cut_at_any_byte_it_keeps_every_whole_frame(tmp_path):
    path = tmp_path / "segment"
    ends = write(path)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        segment = open_segment(path)
        whole = sum(end <= size for end in ends[1:])
        assert tuple(segment.chunks()) == CHUNKS[:whole], f"cut at {size}"
        kept = ends[whole] if size >= ends[0] else 0
        assert segment.torn_bytes == size - kept


@settings(max_examples=200)
@given(st.data())
def test_a_broken_byte_never_invents_a_frame_or_breaks_an_earlier_one(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("journal") / "segment"
    ends = write(path)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(ends[0], len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    chunks = tuple(open_segment(path).chunks())
    before = sum(end <= position for end in ends[1:])
    assert chunks[:before] == CHUNKS[:before]
    assert len(chunks) <= len(CHUNKS)


def test_zeros_after_the_last_frame_are_not_frames(tmp_path):
    path = tmp_path / "segment"
    end = write(path)[-1]
    os.truncate(path, end + 4096)
    segment = open_segment(path)
    assert tuple(segment.chunks()) == CHUNKS
    assert segment.torn_bytes == 4096


@pytest.mark.parametrize(("offset", "message"), [(0, "not a journal segment"), (8, "journal version")])
def test_another_kind_of_file_is_refused(tmp_path, offset, message):
    path = tmp_path / "segment"
    write(path)
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        open_segment(path)


def test_a_failed_write_leaves_no_half_frame(tmp_path, monkeypatch):
    path = tmp_path / "segment"
    writer = SegmentWriter(path, 0, "operations-1")
    writer.append(memoryview(b"kept"))
    size = writer.bytes
    writev = os.writev
    monkeypatch.setattr(os, "writev", lambda descriptor, parts: writev(descriptor, [bytes(parts[0])[:9]]))

    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        writer.append(memoryview(b"refused"))
    monkeypatch.undo()
    assert writer.bytes == path.stat().st_size == size
    writer.append(memoryview(b"next"))
    writer.close()
    assert tuple(open_segment(path).chunks()) == (b"kept", b"next")


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    writev = os.writev
    monkeypatch.setattr(
        os, "writev", lambda descriptor, parts: writev(descriptor, [b"".join(map(bytes, parts))[:11]])
    )
    write(tmp_path / "segment")
    assert tuple(open_segment(tmp_path / "segment").chunks()) == CHUNKS
