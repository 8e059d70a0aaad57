"""Threads as /proc shows them, from a /proc that the test writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from uringtrace.tracer.live.thread_states import ThreadWatch, look, threads_of, workers_of

SECOND = 1_000_000_000


def write_thread(
    proc: Path,
    pid: int,
    tid: int,
    *,
    name: str = "worker",
    state: str = "S",
    ran_ns: int = 0,
    started: int = 77,
) -> Path:
    folder = proc / str(pid) / "task" / str(tid)
    folder.mkdir(parents=True, exist_ok=True)
    before, after = " ".join(["0"] * 18), "0 0 0"
    (folder / "stat").write_bytes(f"{tid} ({name}) {state} {before} {started} {after}\n".encode())
    (folder / "schedstat").write_text(f"{ran_ns // 2} {ran_ns - ran_ns // 2} 5\n")
    return folder


def test_shares_are_of_the_time_between_two_looks(tmp_path: Path) -> None:
    """Waiting for a processor counts as running."""
    watch = ThreadWatch(tmp_path)
    write_thread(tmp_path, 10, 11, ran_ns=5 * SECOND)
    first = watch.states([10], 0)[11]
    assert (first.running, first.waiting) == (None, None)
    write_thread(tmp_path, 10, 11, ran_ns=5 * SECOND + SECOND // 4, state="R")
    second = watch.states([10], SECOND)[11]
    assert second.running == pytest.approx(0.25)
    assert second.waiting == pytest.approx(0.75)
    assert second.state == "running"


def test_another_thread_of_the_same_number_has_no_shares(tmp_path: Path) -> None:
    """It is told by when it was started."""
    watch = ThreadWatch(tmp_path)
    write_thread(tmp_path, 10, 11, ran_ns=5 * SECOND, started=100)
    watch.states([10], 0)
    write_thread(tmp_path, 10, 11, ran_ns=6 * SECOND, started=900)
    assert watch.states([10], SECOND)[11].running is None


@pytest.mark.parametrize(
    ("letter", "state"),
    [
        ("R", "running"),
        ("S", "waiting"),
        ("D", "blocked"),
        ("Z", "ended"),
        ("T", "unknown"),
        ("?", "unknown"),
    ],
)
def test_the_kernels_letters(tmp_path: Path, letter: str, state: str) -> None:
    write_thread(tmp_path, 10, 11, state=letter)
    assert [each.state for each in threads_of(10, tmp_path)] == [state]


def test_names_may_hold_anything(tmp_path: Path) -> None:
    write_thread(tmp_path, 10, 11, name="a) R (b c")
    write_thread(tmp_path, 10, 12)
    (tmp_path / "10/task/12/stat").write_bytes(b"12 (\xff\x1b[31m) S " + b"0 " * 22)
    names = {each.tid: each.name for each in threads_of(10, tmp_path)}
    assert names == {11: "a) R (b c", 12: "\\xff\x1b[31m"}


@pytest.mark.parametrize("text", ["", "11", "11 (x", "11 (x) S 0 0", "11 (x) S " + "y " * 30])
def test_a_text_that_is_no_stat_is_left_out(tmp_path: Path, text: str) -> None:
    folder = write_thread(tmp_path, 10, 11)
    (folder / "stat").write_text(text)
    assert threads_of(10, tmp_path) == []


def test_a_thread_that_goes_between_listing_and_reading_is_left_out(tmp_path: Path) -> None:
    folder = write_thread(tmp_path, 10, 11)
    (folder / "stat").unlink()
    write_thread(tmp_path, 10, 12)
    assert [each.tid for each in threads_of(10, tmp_path)] == [12]
    assert threads_of(999, tmp_path) == []


def test_without_schedstat_there_are_no_shares(tmp_path: Path) -> None:
    """A kernel without CONFIG_SCHED_INFO has none."""
    folder = write_thread(tmp_path, 10, 11)
    (folder / "schedstat").unlink()
    found = look(11, 10, str(folder))
    assert found is not None
    assert found.ran_ns is None
    watch = ThreadWatch(tmp_path)
    watch.states([10], 0)
    assert watch.states([10], SECOND)[11].waiting is None


def test_workers_are_counted_per_process(tmp_path: Path) -> None:
    for tid, name in ((11, "server"), (12, "iou-wrk-11"), (13, "iou-wrk-11"), (14, "iou-sqp-11")):
        write_thread(tmp_path, 10, tid, name=name)
    write_thread(tmp_path, 20, 20)
    assert workers_of(ThreadWatch(tmp_path).states([10, 20], 0), {10, 20}) == {10: 2, 20: 0}
