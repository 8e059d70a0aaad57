"""What only one side has is given with the reason, and the account is that of the window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.compare.scene import Done, capture, captured, log
from tests.compare.test_matching import life
from tests.fakes import OPCODES, RING, STARTED_NS, call, context, multishot_rows, row, rows
from uringtrace.tracer.compare import Log, OnlyOurs, OnlyTheirs, compare
from uringtrace.tracer.compare.sides import slim
from uringtrace.tracer.record import CQE_F_NOTIF, Kind, Path
from uringtrace.tracer.source import File, Losses, Socket
from uringtrace.tracer.statistics import accumulate, empty_counters, operation_traits

WINDOW = (STARTED_NS + 1_000_000, STARTED_NS + 100_000_000)


def test_operations_of_io_uring_by_who_did_them() -> None:
    """Of the kernel's submitting thread, of a worker, and others; strace has a line of none."""
    ours = capture(
        row("RECV", after_ns=2_000_000, tid=RING.sq_thread, result=10),
        row("FSYNC", after_ns=3_000_000, path=Path.IO_WQ),
        row("SEND", after_ns=4_000_000, path=Path.POLL, result=20),
        row("NOP", after_ns=200_000_000),
        row("NOP", after_ns=100_000),
        rings=(RING,),
    )
    comparison = compare(log([]), ours, WINDOW)
    assert comparison.only_ours == {
        OnlyOurs.SQPOLL: 1, OnlyOurs.WORKER: 1, OnlyOurs.IO_URING: 1, OnlyOurs.BEFORE: 1, OnlyOurs.AFTER: 1,
    }  # fmt: skip
    assert comparison.operations.happened == 3
    assert comparison.operations.coverage == 0
    assert (comparison.bytes.happened, comparison.bytes.seen) == (30, 0)
    assert comparison.calls.coverage is None, "there were none to see"


def test_calls_that_strace_has_no_line_of() -> None:
    done = life(10, 20, 1)
    foreign = max(code for code in context().operation_names) + 100
    ours = capture(
        *(each.row() for each in done),
        call("getpid", after_ns=3_000_000, tid=10),
        call("read", after_ns=3_000_000, tid=11),
        call("read", after_ns=3_000_000, tid=10, opcode=foreign),
    )
    written = [each for each in done if each.name != "close"]
    comparison = compare(log(each.line() for each in written), ours)
    assert comparison.both == len(written)
    assert comparison.only_ours[OnlyOurs.THREAD] == 1
    assert comparison.only_ours[OnlyOurs.NAME] == 2 + len(done) - len(written)


def test_a_line_that_is_lost_in_the_middle_is_unexplained() -> None:
    done = life(10, 20, 1)
    first = next(place for place, each in enumerate(done) if done[place - 1].name != each.name and place > 2)
    lines = [each.line() for place, each in enumerate(done) if place != first]
    comparison = compare(log(lines), captured(done))
    assert comparison.only_ours == {OnlyOurs.UNEXPLAINED: 1}
    assert comparison.only_theirs == {}


def test_lines_that_the_capture_has_no_row_of() -> None:
    done = life(10, 30, 1)
    before = Done(10, "read", 0, STARTED_NS - 5_000_000, STARTED_NS - 4_000_000)
    after = Done(10, "read", 0, STARTED_NS + 10_100_000_000, STARTED_NS + 10_200_000_000)
    stranger = Done(12, "read", 0, STARTED_NS + 5_000_000, STARTED_NS + 5_100_000)
    late = done[-1].completed_ns
    unknown = Done(10, "brand_new_call", 0, late + 100_000, late + 200_000)
    injected = Done(10, "chmod", -1, late + 300_000, late + 400_000)
    killed = Done(10, "???", 0, late + 500_000, late + 600_000)
    lines = [
        before.line(),
        *(each.line() for each in done),
        stranger.line(),
        unknown.line(),
        injected.line() + " EIO (Input/output error) (INJECTED)",
        killed.line().replace("(3) = 0", "( <unfinished ...>) = ?"),
        killed.line().replace("???(3) = 0", "+++ killed by SIGKILL +++"),
        after.line(),
    ]
    comparison = compare(_with_killed(lines, 10), captured(done))
    assert comparison.both == 30
    assert comparison.only_theirs == {
        OnlyTheirs.BEFORE: 1, OnlyTheirs.AFTER: 1, OnlyTheirs.THREAD: 1, OnlyTheirs.UNKNOWN_NAME: 1,
        OnlyTheirs.INJECTED: 1, OnlyTheirs.KILLED: 1,
    }  # fmt: skip


def _with_killed(lines: list[str], tid: int) -> Log:
    return replace(log(lines), killed=frozenset({tid}))


def test_what_the_capture_lost_explains_a_line_without_a_row() -> None:
    done = life(10, 20, 1)
    comparison = compare(
        log(each.line() for each in done), captured(done[:19], losses=Losses({"operations": 1}))
    )
    assert comparison.only_theirs == {OnlyTheirs.LOST: 1}


def test_a_capture_of_io_uring_alone_has_no_calls() -> None:
    lines = [each.line() for each in life(10, 5, 1)]
    ours = capture(row("NOP", after_ns=2_000_000))
    assert compare(log(lines), replace(ours, has_calls=False)).only_theirs == {OnlyTheirs.CLASS: 5}


def test_connections_are_counted_once_however_many_files_they_are() -> None:
    """One socket before and after it got its addresses; and one that only io_uring used."""
    tcp = Socket("inet", "tcp", "127.0.0.1:80", "127.0.0.1:4000")
    files = {
        1: File(1, "TCP", 8, 71, tcp),
        2: File(2, "TCP", 8, 71, tcp),
        3: File(3, "TCP", 8, 72, tcp),
        4: File(4, "/etc/hosts", 8, 73),
        5: File(5, "TCP", 8, 74, Socket("inet", "tcp", "127.0.0.1:80", None, listening=True)),
    }
    done = [
        Done(10, "read", 5, STARTED_NS + n * 1_000_000, STARTED_NS + n * 1_000_000 + 5_000) for n in (2, 3)
    ]
    parts = [each.row() for each in done]
    for number, part in enumerate(parts, 1):
        part["file"] = number
    ours = capture(
        *parts,
        row("RECV", after_ns=2_500_000, file=3, result=7),
        row("READ", after_ns=2_500_000, file=4, result=7),
        row("ACCEPT", after_ns=2_500_000, file=5),
        files=files,
    )
    comparison = compare(log(each.line() for each in done), ours)
    assert (comparison.connections.happened, comparison.connections.seen) == (2, 1)
    assert (comparison.bytes.happened, comparison.bytes.seen) == (24, 10)
    assert comparison.names[0].name == "read"
    assert (comparison.names[0].happened, comparison.names[0].strace, comparison.names[0].both) == (2, 2, 2)


def test_operations_and_bytes_are_those_of_stat() -> None:
    """The counts of a comparison are the counts of the counters, from the same rows."""
    batch = rows(
        row("RECV", result=10),
        row("SEND_ZC", result=12, sequence=1, cqe_flags=2),
        row("SEND_ZC", result=0, sequence=2, cqe_flags=CQE_F_NOTIF),
        row("NOP", kind=Kind.MESSAGE, result=99),
        row("OPENAT", result=7),
        multishot_rows("RECV", [5, 6, -105]),
        call("read", 3, result=4),
        call("write", 3, result=-11),
        call("openat", 3, result=9),
    )
    traits = operation_traits(context().operation_names)
    counters = empty_counters()
    accumulate(counters, batch, traits)
    found = slim(batch, traits)
    for opcode in np.unique(batch["opcode"]).tolist():
        assert found["bytes"][found["opcode"] == opcode].sum() == counters["bytes"][opcode]
    kept = found[found["kind"] == Kind.COMPLETION]
    assert len(kept) == counters["completions"].sum()
    assert OPCODES["SEND_ZC"] in kept["opcode"]
