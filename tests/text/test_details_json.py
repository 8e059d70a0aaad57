"""The connections and threads of `stat --json` against docs/json.md."""

import json
from dataclasses import replace

import pytest

from tests.connections.scene import Scene
from tests.fakes import FakeSource, call, context, row, rows
from tests.text.test_json_documented import check_object
from uringtrace.tracer.record import Batch, Kind, Wake
from uringtrace.tracer.replayed_counting import ReplayedCounting
from uringtrace.tracer.source import Thread
from uringtrace.tracer.summary import Summary, summary_of
from uringtrace.ui.text.summary_json import summary_json

BOTH = ("io_uring_complete", "sys_exit")


def summary(*batches: Batch, probes: tuple[str, ...] = BOTH, scene: Scene | None = None) -> Summary:
    parts = [scene.records()] if scene else list(batches)
    source = FakeSource(
        parts,
        context=context(probes=probes),
        files=scene.files if scene else {},
        threads={4243: Thread(4243, 4242, "main")},
    )
    counting = ReplayedCounting(source, connections=True, threads=True)
    while not counting.wait(3600):
        pass
    return replace(summary_of(counting), connections=counting.connections(), threads=counting.threads())


def scene() -> Scene:
    made = Scene()
    for file in (2, 3):
        made.accepted(file, at=100, fd=5 + file, remote=f"10.0.0.9:{file}")
    made.arrival(2, 200)
    made.read(2, 10, at=210)
    made.write(2, 100, at=260)
    made.io_uring("SEND", 300, file=2, fd=7, result=50)
    made.call("futex", 1, at=400, slept=True, wake=Wake.THREAD, waker=9, woke=8, woke_count=1)
    made.call("epoll_wait", 4, at=900, kind=Kind.UNFINISHED)
    return made


def test_connections_and_threads_are_as_documented() -> None:
    printed = json.loads(summary_json(summary(scene=scene())))
    check_object(printed, "summary")
    first, second = printed["connections"]
    assert (first["bytes_out"], first["requests"], first["request_first_sum_ns"]) == (150, 1, 60)
    assert (second["requests"], second["request_first_sum_ns"], second["last_in_ns"]) == (0, None, None)
    assert printed["connection_totals"]["open"] == 2
    assert printed["request_times"]["served_first"]["max_ns"] == 60
    assert printed["request_times"]["asked_first"] is None
    (thread,) = printed["threads"]
    assert (thread["name"], thread["operations"], thread["system_calls"]) == ("main", 1, 5)
    assert thread["waits"][0]["call"] == "futex"
    assert (thread["woken_by"], thread["woke"]) == ([{"tid": 9, "count": 1}], [{"tid": 8, "count": 1}])
    assert thread["current"]["call"] == "epoll_wait"


def test_nothing_seen_is_as_documented() -> None:
    printed = json.loads(summary_json(summary()))
    check_object(printed, "summary")
    assert (printed["connections"], printed["threads"]) == ([], [])
    assert printed["totals"]["share_visible_to_strace"] is None


MIXED = rows(
    row("READ", result=5), *[call("read", 3, result=10, slept=slept) for slept in (True, False, True)]
)


@pytest.mark.parametrize(
    ("probes", "share"), [(BOTH, 0.75), (("sys_exit",), 0.75), (("io_uring_complete",), 0.75)]
)
def test_both_interfaces_are_told_apart(probes: tuple[str, ...], share: float) -> None:
    """What was seen was captured, whatever the list of tracepoints says."""
    printed = json.loads(summary_json(summary(MIXED, probes=probes)))
    calls, io_uring = printed["operations"]
    assert (calls["interface"], calls["opcode"], calls["slept"], calls["bytes"]) == ("syscall", 256, 2, 30)
    assert (io_uring["interface"], io_uring["slept"]) == ("io_uring", None)
    totals = printed["totals"]
    assert (totals["completions"], totals["bytes"], totals["share_visible_to_strace"]) == (4, 35, share)
    assert (totals["io_uring"]["completions"], totals["syscall"]["completions"]) == (1, 3)


@pytest.mark.parametrize(
    ("batch", "probes", "expected"),
    [
        (call("read", 3), BOTH, 1.0),
        (row("READ"), BOTH, 0.0),
        (call("read", 3), ("sys_exit",), None),
        (row("READ"), ("io_uring_complete",), None),
    ],
)
def test_the_share_is_known_only_where_both_interfaces_are_captured(
    batch: Batch, probes: tuple[str, ...], expected: float | None
) -> None:
    totals = json.loads(summary_json(summary(batch, probes=probes)))["totals"]
    assert totals["share_visible_to_strace"] == expected
    assert (totals["io_uring"] is None) == ("io_uring_complete" not in probes)
    assert (totals["syscall"] is None) == ("sys_exit" not in probes)
