"""The life of a system call in the probes' C code, driven by the threads of a fake kernel."""

from __future__ import annotations

from tests.probes.fake_threads import TGID, Threads
from tests.probes.seen_calls import NUMBERS, only_row, seen
from uringtrace.probes.compiler import PID_PLACEHOLDER
from uringtrace.probes.slots import CALL_LIMIT
from uringtrace.tracer.record import FIRST_CALL, Kind, Wake


def test_entry_and_exit_make_one_operation(threads: Threads) -> None:
    began, ended = threads.make(701, NUMBERS["read"], 3, 0x7F00, 4096, result=17)
    row = only_row(seen(threads))
    assert (row["opcode"], row["kind"]) == (FIRST_CALL + NUMBERS["read"], Kind.COMPLETION)
    assert (row["submitted_ns"], row["completed_ns"]) == (began, ended)
    assert (row["tgid"], row["tid"], row["ring"], row["fd"]) == (TGID, 701, 0, 3)
    assert [int(row[f"arg{index}"]) for index in range(6)] == [3, 0x7F00, 4096, 0, 0, 0]
    assert (row["result"], row["slept"], row["wake"], row["has_arguments"]) == (17, False, Wake.NONE, True)


def test_results_are_not_cut_to_32_bits(threads: Threads) -> None:
    threads.make(701, NUMBERS["mmap"], result=0x7FFF_1234_5000)
    assert only_row(seen(threads))["result"] == 0x7FFF_1234_5000


def test_calls_of_several_threads_do_not_mix(threads: Threads) -> None:
    threads.enter(701, NUMBERS["epoll_wait"], 4)
    threads.enter(702, NUMBERS["futex"], 0x1000)
    threads.leave(701, 1)
    threads.leave(702, 0)
    rows = seen(threads).operations
    assert rows["tid"].tolist() == [701, 702]
    assert (rows["opcode"] - FIRST_CALL).tolist() == [NUMBERS["epoll_wait"], NUMBERS["futex"]]


def test_a_call_that_began_before_the_capture_is_known_but_for_its_start(threads: Threads) -> None:
    """The registers still have its number and arguments when it returns."""
    threads.leave(701, 5, NUMBERS["read"])
    row = only_row(seen(threads))
    assert (row["submitted_ns"], row["result"], row["opcode"]) == (0, 5, FIRST_CALL + NUMBERS["read"])
    assert not row["slept"]


def test_what_returns_while_probes_come_and_go_is_not_counted(threads: Threads) -> None:
    threads.engine.table("started").view("<u8")[0] = 0
    threads.leave(701, 5, NUMBERS["read"])
    assert len(seen(threads).operations) == 0


def test_the_second_return_of_a_fork_is_no_call_of_the_child(threads: Threads) -> None:
    threads.enter(701, NUMBERS["clone"])
    threads.leave(702, 0, NUMBERS["clone"])
    threads.leave(701, 702)
    rows = seen(threads).operations
    assert rows["tid"].tolist() == [701]
    threads.make(702, NUMBERS["getpid"], result=TGID)
    assert len(seen(threads).operations) == 1, "the child's own calls are seen"


def test_a_call_that_does_not_return_is_told_at_once(threads: Threads) -> None:
    threads.enter(701, NUMBERS["exit_group"], 3)
    row = only_row(seen(threads))
    assert (row["kind"], row["arg0"]) == (Kind.SILENT, 3)


def test_a_thread_that_ends_in_a_call_leaves_it_unfinished(threads: Threads) -> None:
    began = threads.enter(701, NUMBERS["futex"], 0x1000)
    ended = threads.end(701)
    row = only_row(seen(threads))
    assert (row["kind"], row["submitted_ns"], row["completed_ns"]) == (Kind.UNFINISHED, began, ended)
    threads.end(701)
    assert len(seen(threads).operations) == 0, "and is forgotten"


def test_calls_of_another_table_of_numbers_are_not_taken_for_ours(threads: Threads) -> None:
    task = threads.run(701)
    threads.engine.put(task + 40, 4, 2)
    threads.make(701, NUMBERS["read"])
    assert only_row(seen(threads))["opcode"] == FIRST_CALL + CALL_LIMIT - 1


def test_a_number_that_no_table_has_takes_the_last_row(threads: Threads) -> None:
    threads.make(701, 400_000)
    assert only_row(seen(threads))["opcode"] == FIRST_CALL + CALL_LIMIT - 1


def test_the_tracer_does_not_trace_itself(threads: Threads) -> None:
    """With the whole machine as target, what it prints would be traced, printed and traced again."""
    threads.enter(701, NUMBERS["write"], 1)
    threads.engine.set(current_pid_tgid=PID_PLACEHOLDER << 32 | 900)
    threads.engine.fire("sys_enter", 0, NUMBERS["write"])
    threads.engine.fire("sys_exit", 0, 1)
    threads.leave(701, 1)
    assert seen(threads).operations["tid"].tolist() == [701]
