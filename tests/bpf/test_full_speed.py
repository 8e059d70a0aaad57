"""At full speed nothing is lost without being counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bpf.processes import URINGTRACE, Held, Process, Tracer, counts, json_lines
from uringtrace.tracer.record import Kind, is_call
from uringtrace.tracer.recording import open_recording

pytestmark = pytest.mark.bpf

OPERATIONS = 3_000_000


def test_what_is_recorded_and_what_is_lost_add_up(nop: Path, tmp_path: Path) -> None:
    """And the counting of it in the kernel is what SQL finds, and what `stat` reads out of it."""
    path = tmp_path / "recording"
    options = ("--interface", "io_uring", "-o", path)
    with Tracer(tmp_path / "record", "record", *options, "--", nop, str(OPERATIONS)) as tracer:
        assert tracer.wait() == 0, tracer.notices()
    recording = open_recording(path)
    assert recording.status == "complete"
    rows = sum(int((batch["kind"] == Kind.COMPLETION).sum()) for batch in recording.batches())
    lost = recording.losses.total_lost
    assert rows + lost == OPERATIONS
    assert set(recording.losses.lost) <= {"operations"}
    assert recording.losses.untracked == 0
    [ring] = recording.rings
    assert (ring.submitted, ring.completions) == (OPERATIONS, OPERATIONS)
    assert f"lost {lost:,}" in tracer.notices()

    sql = "SELECT count(*) AS n, (SELECT lost FROM meta) AS lost FROM operations WHERE operation = 'NOP'"
    with Process([*URINGTRACE, "query", path, sql, "--json"], tmp_path / "query") as query:
        assert query.wait() == 0, query.notices()
    assert json_lines(query.output()) == [{"n": rows, "lost": lost}]

    with Tracer(tmp_path / "stat", "stat", "--json", path) as stat:
        report = stat.report()
    assert [(each["name"], each["count"]) for each in report["operations"]] == [("NOP", rows)]
    assert report["lost_total"] == lost


def test_with_system_calls_too_what_is_recorded_and_what_is_lost_add_up(nop: Path, tmp_path: Path) -> None:
    """To what counting mode, which loses nothing, counted beside it: both waited for the same target."""
    path = tmp_path / "recording"
    with Held([nop, "--pause", str(OPERATIONS)], tmp_path / "target") as target:
        pid = str(target.pid)
        with (
            Tracer(tmp_path / "stat", "stat", "--json", "-p", pid) as stat,
            Tracer(tmp_path / "record", "record", "-o", path, "-p", pid) as record,
        ):
            stat.attached()
            record.attached()
            target.go()
            report = stat.report()
            assert record.wait() == 0, record.notices()
    assert counts(report) == {"NOP": OPERATIONS}
    called = counts(report, "syscall")
    assert called["io_uring_enter"] >= OPERATIONS // 32

    recording = open_recording(path)
    assert recording.status == "complete"
    assert set(recording.losses.lost) <= {"operations", "arguments"}
    completed = [batch[batch["kind"] == Kind.COMPLETION] for batch in recording.batches()]
    nops = sum(int((~is_call(batch)).sum()) for batch in completed)
    calls = sum(int(is_call(batch).sum()) for batch in completed)
    assert nops <= OPERATIONS
    assert calls <= sum(called.values())
    assert nops + calls + recording.losses.lost.get("operations", 0) == OPERATIONS + sum(called.values())
    [ring] = recording.rings
    assert (ring.submitted, ring.completions) == (OPERATIONS, OPERATIONS)


@pytest.mark.parametrize("interface", ["io_uring", "all"])
def test_counting_loses_nothing(nop: Path, tmp_path: Path, interface: str) -> None:
    """Counting mode hands nothing over, so there is nothing to lose."""
    options = ("--interface", interface, "--json")
    with Tracer(tmp_path, "stat", *options, "--", nop, str(OPERATIONS)) as stat:
        report = stat.report()
    [operation] = [each for each in report["operations"] if each["interface"] == "io_uring"]
    assert (len(report["operations"]) > 1) == (interface == "all")
    assert (operation["count"], operation["submitted"], operation["ended"]) == (OPERATIONS,) * 3
    assert operation["latency"]["count"] == OPERATIONS
    assert operation["paths"] == {"inline": OPERATIONS, "poll": 0, "io_wq": 0}
    assert (report["lost"], report["untracked"]) == ({}, 0)
