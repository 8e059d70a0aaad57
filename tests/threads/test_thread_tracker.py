"""Threads: what each did, waited on, and which others it exchanged wake-ups with."""

import numpy as np

from tests.fakes import STARTED_NS, call, context, multishot_rows, row, rows
from uringtrace.tracer.record import CQE_F_MORE, CQE_F_NOTIF, Batch, Kind, Wake
from uringtrace.tracer.records import only_operations
from uringtrace.tracer.source import File, Thread
from uringtrace.tracer.threads import (
    THREAD_COLUMNS,
    CurrentCall,
    Partner,
    ThreadActivity,
    ThreadTracker,
    Wait,
    thread_rows,
)

THREADS = {1: Thread(1, 1, "main"), 2: Thread(2, 1, "worker")}
FILES = {5: File(5, "TCP 0.0.0.0:80 listening", 0, 0)}


def tracked(*batches: Batch) -> tuple[ThreadActivity, ...]:
    tracker = ThreadTracker(context())
    for batch in batches:
        tracker.add(only_operations(batch), FILES)
    return tracker.threads(THREADS)


def slept(name: str, took_ns: int, tid: int = 1, **fields: object) -> Batch:
    return call(name, took_ns=took_ns, tgid=1, tid=tid, slept=True, **fields)


def test_calls_with_and_without_sleep() -> None:
    (main,) = tracked(
        rows(
            slept("epoll_wait", 5_000, wake=Wake.NETWORK),
            slept("epoll_wait", 3_000, wake=Wake.TIMER),
            slept("futex", 9_000, wake=Wake.THREAD, waker=2),
            slept("read", 10),
            call("read", took_ns=70, tgid=1, tid=1),
            call("write", took_ns=30, tgid=1, tid=1, result=-32),
            call("read", took_ns=1, tgid=1, tid=1, result=-11),
        )
    )
    assert (main.tid, main.tgid, main.name, main.system_calls, main.errors) == (1, 1, "main", 7, 1)
    assert (main.slept_calls, main.slept_ns, main.running_ns) == (4, 17_010, 101)
    assert main.waits == (Wait("futex", 1, 9_000), Wait("epoll_wait", 2, 8_000), Wait("read", 1, 10))
    assert (main.woken_by_network, main.woken_by_timer, main.woken_by_thread) == (1, 1, 1)
    assert (main.woken_by_interrupt, main.current) == (0, None)


def test_who_woke_whom() -> None:
    main, worker = tracked(
        rows(
            *[slept("futex", 10, wake=Wake.THREAD, waker=2)] * 2,
            slept("futex", 10, wake=Wake.THREAD, waker=9),
            slept("futex", 10, wake=Wake.TIMER, waker=0),
            call("futex", tgid=1, tid=2, woke=1, woke_count=3),
            call("write", tgid=1, tid=2, woke=9, woke_count=1),
        )
    )
    assert main.woken_by == (Partner(2, 2), Partner(9, 1))
    assert worker.woke == (Partner(1, 3), Partner(9, 1))
    assert (main.woke, worker.woken_by) == ((), ())


def test_io_uring_operations_belong_to_the_thread_that_submitted() -> None:
    (main,) = tracked(
        rows(
            *[row("READ", tgid=1, tid=1, result=-5)] * 2,
            multishot_rows("RECV", [1, 2, 3], tgid=1, tid=1),
            row("SEND_ZC", tgid=1, tid=1, cqe_flags=CQE_F_MORE),
            row("SEND_ZC", tgid=1, tid=1, cqe_flags=CQE_F_NOTIF),
            row("NOP", tgid=1, tid=1, kind=Kind.SILENT),
            row("READ", tgid=1, tid=1, kind=Kind.UNFINISHED),
            row("", kind=Kind.UNTRACKED, tid=0, submitted_ns=0),
        )
    )
    assert (main.operations, main.errors, main.system_calls, main.current) == (6, 2, 0, None)


def test_a_thread_that_sat_in_one_call_for_the_whole_capture() -> None:
    end = STARTED_NS + 10_000
    (main,) = tracked(
        call("accept4", 3, tgid=1, tid=1, kind=Kind.UNFINISHED, submitted_ns=0, completed_ns=end, file=5)
    )
    assert main.current == CurrentCall("accept4", "TCP 0.0.0.0:80 listening", None, 10_000)
    assert main.system_calls == 0


def test_a_thread_that_is_still_in_a_call() -> None:
    (main,) = tracked(slept("futex", 900, after_ns=100, kind=Kind.UNFINISHED))
    assert main.current == CurrentCall("futex", None, STARTED_NS + 100, 900)
    assert (main.waits, main.slept_calls) == ((Wait("futex", 1, 900),), 1)


def test_only_time_inside_the_capture_counts() -> None:
    (main,) = tracked(slept("epoll_wait", 0, submitted_ns=0, completed_ns=STARTED_NS + 400))
    assert main.slept_ns == 400


def test_a_call_of_a_number_without_a_name() -> None:
    (main,) = tracked(slept("", 10, opcode=1279))
    assert main.waits[0].call == "another call"


def test_where_batches_end_changes_nothing() -> None:
    generator = np.random.default_rng(7)
    one = rows(
        *(
            slept("futex", int(took), tid=int(tid), wake=int(wake), waker=int(waker), woke=int(waker))
            for took, tid, wake, waker in generator.integers(1, [1000, 90, 5, 9], (500, 4))
        )
    )
    whole = tracked(one)
    assert len(whole) == 89
    assert tracked(one[:1], one[1:77], one[77:77], one[77:]) == whole


def test_rows_have_exactly_the_documented_columns() -> None:
    busy, idle = tracked(
        rows(
            slept("futex", 10, wake=Wake.THREAD, waker=2),
            call("futex", tgid=1, tid=2, kind=Kind.UNFINISHED),
        )
    )
    kinds = {"int": int, "str": str}
    for found in thread_rows([busy, idle]):
        assert list(found) == list(THREAD_COLUMNS)
        for name, value in found.items():
            kind, _, null = THREAD_COLUMNS[name].partition(" | ")
            assert isinstance(value, kinds[kind]) or (null == "None" and value is None), name
    first, second = thread_rows([busy, idle])
    assert (first["waited_on"], first["woken_most_by"], first["current_call"]) == ("futex", 2, None)
    assert (second["waited_on"], second["current_call"]) == (None, "futex")
