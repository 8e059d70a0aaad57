"""The recorder: what it creates, when it closes parts, what it refuses, how it ends."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import time

import numpy as np
import pytest

from tests.fakes import FakeSource, rows
from uringtrace.errors import KernelError, RecordingError, StorageError
from uringtrace.tracer.recording import Writer, check_output, open_recording, writer
from uringtrace.tracer.recording.chunks import OPERATIONS
from uringtrace.tracer.recording.layout import contents, is_held

DEADLINE = 30.0


class Clock:
    """Stands for time.monotonic in the writer; moves when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(writer.time, "monotonic", clock)
    return clock


def wait_until(condition):
    deadline = time.perf_counter() + DEADLINE
    while not condition():
        assert time.perf_counter() < deadline, "the condition was not met in time"
        os.sched_yield()


def modes(path):
    return {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.iterdir()}


def test_only_the_owner_can_read_it_at_every_stage(tmp_path, numbered):
    before = os.umask(0)
    try:
        with Writer(tmp_path / "run", FakeSource([]), OPERATIONS, segment_bytes=100_000) as recorder:
            for first in range(0, 4000, 500):
                recorder.append(numbered(first, 500))
            assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
            assert set(modes(tmp_path / "run").values()) == {0o600}
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    assert set(modes(tmp_path / "run").values()) == {0o600}
    names = set(modes(tmp_path / "run"))
    kept = {"meta.json", "files.jsonl", "connections.parquet", "threads.parquet"}
    assert names > {"meta.json", "files.jsonl"}
    assert all(name in kept or name.startswith("operations-") for name in names), "nothing left behind"


def test_segments_become_parts_while_it_records(tmp_path, numbered):
    path = tmp_path / "run"
    with Writer(path, FakeSource([]), OPERATIONS, segment_bytes=100_000) as recorder:
        for first in range(0, 4000, 500):
            recorder.append(numbered(first, 500))
        wait_until(lambda: contents(path)[1] == {max(contents(path)[1])})
        parts, segments = contents(path)
        assert len(parts) >= 3
        assert len(segments) == 1


def test_a_quiet_capture_closes_a_part_in_time_but_few_in_an_hour(tmp_path, numbered, clock):
    path = tmp_path / "run"
    with Writer(path, FakeSource([]), OPERATIONS) as recorder:
        for second in range(0, 3600, 4):
            clock.now += 4
            recorder.append(numbered(second, 1) if second % 8 == 0 else b"")
            if second == 40:
                assert recorder._segment.number == 3, "every 10 s at first"
    parts, _ = contents(path)
    assert 100 < len(parts) < 200
    assert open_recording(path).problems == ()


def test_idle_time_closes_no_empty_parts(tmp_path, clock):
    with Writer(tmp_path / "run", FakeSource([]), OPERATIONS) as recorder:
        for _ in range(100):
            clock.now += 60
            recorder.append(b"")
    assert contents(tmp_path / "run") == (frozenset(), frozenset())


def test_meta_json_is_current_while_it_records(tmp_path, numbered, clock):
    source = FakeSource([])
    with Writer(tmp_path / "run", source, OPERATIONS) as recorder:
        meta = tmp_path / "run" / "meta.json"
        assert json.loads(meta.read_text())["status"] == "recording"
        source.losses = type(source.losses)({"operations": 4}, 2)
        clock.now += 1.5
        recorder.append(numbered(0, 10))
        found = json.loads(meta.read_text())
        assert (found["lost"], found["untracked"], found["status"]) == ({"operations": 4}, 2, "recording")
    assert json.loads(meta.read_text())["status"] == "complete"


def test_max_size_ends_the_recording_and_is_kept(tmp_path, numbered, read_all):
    limit = 2 << 20
    path = tmp_path / "run"
    kept = []
    with Writer(path, FakeSource([]), OPERATIONS, max_size=limit) as recorder:
        for first in range(0, 10_000_000, 1000):
            chunk = numbered(first, 1000)
            if not recorder.append(chunk):
                break
            kept.append(chunk)
            on_disk = sum(entry.stat().st_size for entry in path.iterdir() if entry.exists())
            assert on_disk <= limit
        else:
            pytest.fail("the limit was never reached")
    assert sum(entry.stat().st_size for entry in path.iterdir()) <= limit
    recording = open_recording(path)
    assert recording.status == "stopped: size limit"
    assert np.array_equal(read_all(recording), rows(*kept))
    assert len(kept) > 5


def test_the_end_of_a_stopped_recording_is_its_last_chunk(tmp_path, numbered):
    source = FakeSource([], ended_ns=10**13)
    with Writer(tmp_path / "run", source, OPERATIONS, max_size=1 << 20) as recorder:
        assert recorder.append(numbered(0, 100))
        source.ended_ns = 2 * 10**13
        assert not recorder.append(np.zeros(2 << 20, np.uint8))
    assert open_recording(tmp_path / "run").ended_ns == 10**13


def test_what_ended_the_capture_is_in_the_status(tmp_path, numbered):
    def capture():
        with Writer(tmp_path / "run", FakeSource([]), OPERATIONS) as recorder:
            recorder.append(numbered(0, 10))
            raise KernelError("the map is gone")

    with pytest.raises(KernelError):
        capture()
    recording = open_recording(tmp_path / "run")
    assert recording.status == "stopped: the map is gone"
    assert recording.problems


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_stops_it_and_keeps_what_is_there(tmp_path, numbered, read_all, monkeypatch, number):
    path = tmp_path / "run"
    writev = os.writev

    def full(descriptor, parts):
        raise OSError(number, os.strerror(number))

    def capture():
        with Writer(path, FakeSource([]), OPERATIONS) as recorder:
            recorder.append(numbered(0, 500))
            monkeypatch.setattr(os, "writev", full)
            try:
                recorder.append(numbered(500, 500))
            finally:
                monkeypatch.setattr(os, "writev", writev)

    with pytest.raises(StorageError, match="the disk is full") as caught:
        capture()
    assert caught.value.exit_code == 1
    recording = open_recording(path)
    assert recording.status == "stopped: disk full"
    assert "disk full" in recording.problems[0]
    assert np.array_equal(read_all(recording), numbered(0, 500))


def test_no_room_at_the_start_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor, offset, length):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageError, match="No space left"):
        Writer(tmp_path / "run", FakeSource([]), OPERATIONS)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """An 8 MiB file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", mounted]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.strip()}")
    yield mounted
    subprocess.run(["umount", mounted], check=True)


def test_a_disk_that_is_really_full(small_disk, numbered, read_all):
    path = small_disk / "run"
    kept = []

    def capture():
        with Writer(path, FakeSource([]), OPERATIONS, segment_bytes=1 << 20) as recorder:
            ballast = os.open(small_disk / "ballast", os.O_WRONLY | os.O_CREAT)
            os.posix_fallocate(ballast, 0, 5 << 20)
            os.close(ballast)
            for first in range(0, 10_000_000, 500):
                chunk = numbered(first, 500)
                chunk["addr"] = np.random.default_rng(first).integers(2**64, size=500, dtype=np.uint64)
                chunk["has_arguments"] = True
                recorder.append(chunk)
                kept.append(chunk)

    with pytest.raises(StorageError, match="the disk is full"):
        capture()
    recording = open_recording(path)
    assert recording.status == "stopped: disk full"
    assert len(kept) > 10
    assert np.array_equal(read_all(recording), rows(*kept))
    assert recording.segments == (), "the reserve was room enough to convert what was there"
    assert json.loads((path / "meta.json").read_text())["parts"]


def test_a_converter_that_dies_loses_nothing(tmp_path, numbered, read_all):
    path = tmp_path / "run"
    chunks = [numbered(first, 500) for first in range(0, 4000, 500)]

    def capture():
        with Writer(path, FakeSource([]), OPERATIONS, segment_bytes=100_000) as recorder:
            recorder.append(chunks[0])
            os.kill(recorder._converter._process.pid, signal.SIGKILL)
            for chunk in chunks[1:]:
                recorder.append(chunk)

    with pytest.raises(StorageError, match="not converted"):
        capture()
    recording = open_recording(path)
    assert recording.status == "complete"
    assert np.array_equal(read_all(recording), rows(*chunks))


def test_a_long_conversion_is_said_once(tmp_path, numbered, monkeypatch):
    said = []
    answers = iter([False, False, True])
    with Writer(tmp_path / "run", FakeSource([]), OPERATIONS, on_wait=said.append) as recorder:
        recorder.append(numbered(0, 10))
        wait = recorder._converter.wait
        monkeypatch.setattr(recorder._converter, "wait", lambda seconds: next(answers) and wait(DEADLINE))
    assert len(said) == 1


def test_an_existing_recording_is_replaced_with_force_only(make_recording, numbered, read_all):
    path = make_recording([numbered(0, 100)])
    with pytest.raises(RecordingError, match="exists") as caught:
        make_recording([])
    assert "--force" in caught.value.way_out
    make_recording([numbered(7, 1)], force=True)
    assert np.array_equal(read_all(open_recording(path)), numbered(7, 1))


def outputs_that_stay(tmp_path, recording):
    (tmp_path / "file").write_text("x")
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "precious").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(recording)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "meta.json").write_text('{"format": "something"}')
    (recording / "notes.txt").write_text("x")
    return ["file", "directory", "empty", "link", "dangling", "other", recording.name]


def test_force_replaces_nothing_but_a_recording(tmp_path, make_recording, numbered):
    recording = make_recording([numbered(0, 10)])
    for name in outputs_that_stay(tmp_path, recording):
        before = sorted(path for path in tmp_path.rglob("*"))
        with pytest.raises(RecordingError):
            Writer(tmp_path / name, FakeSource([]), OPERATIONS, force=True)
        assert sorted(path for path in tmp_path.rglob("*")) == before, name


def test_a_recording_in_the_making_is_not_replaced(tmp_path):
    with Writer(tmp_path / "run", FakeSource([]), OPERATIONS):
        assert is_held(tmp_path / "run")
        with pytest.raises(RecordingError, match="being recorded"):
            check_output(tmp_path / "run", force=True)
    check_output(tmp_path / "run", force=True)


def test_the_folder_must_be_there(tmp_path):
    with pytest.raises(RecordingError, match="no such directory"):
        check_output(tmp_path / "absent" / "run", force=False)
