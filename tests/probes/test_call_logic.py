"""System calls: the probes' C code, driven by the threads of a fake kernel."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.probes.engine import CPUS, Engine
from tests.probes.fake_threads import MACHINE, TGID, Threads
from uringtrace.probes.compiler import PID_PLACEHOLDER
from uringtrace.probes.slots import CALL_LIMIT, CallFlag, Counter
from uringtrace.tracer.decode import decode_records
from uringtrace.tracer.record import FIRST_CALL, Kind, Wake
from uringtrace.tracer.records import ENTERED, IOVEC, NAME, Memory, Records, SocketEventKind
from uringtrace.tracer.statistics import BUCKETS, CALL_COUNTS
from uringtrace.tracer.syscalls.numbers import system_call_names

NUMBERS = {name: number for number, name in system_call_names(MACHINE).items()}
CALL_ROWS = 128
SOCKET_MODE, REGULAR = 0o140777, 0o100644


@pytest.fixture
def threads(arguments: Engine) -> Threads:
    return Threads(arguments)


def seen(threads: Threads) -> Records:
    return decode_records(threads.engine.slots())


def only_row(records: Records) -> np.void:
    [row] = records.operations
    return row


def only_memory(records: Records) -> dict[int, Memory]:
    [found] = records.memory_by_row().values()
    return found


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


def test_whoever_gave_up_the_processor_slept(threads: Threads) -> None:
    threads.enter(701, NUMBERS["epoll_wait"])
    threads.sleep(701)
    threads.leave(701, 0)
    assert only_row(seen(threads))["slept"]


def test_the_waker_is_named_with_the_call_it_is_in(threads: Threads) -> None:
    threads.open(702, 7, REGULAR, 4711)
    threads.enter(701, NUMBERS["epoll_wait"])
    threads.enter(702, NUMBERS["write"], 7, 0x1000, 8)
    woken = threads.wake(701, by=702)
    threads.leave(702, 8)
    threads.leave(701, 1)
    waker, sleeper = seen(threads).operations
    assert (waker["woke"], waker["woke_count"], waker["tid"]) == (701, 1, 702)
    assert (sleeper["wake"], sleeper["waker"], sleeper["wakes"]) == (Wake.THREAD, 702, 1)
    assert (sleeper["waker_opcode"], sleeper["waker_argument"]) == (FIRST_CALL + NUMBERS["write"], 7)
    assert sleeper["woken_ns"] == woken
    assert sleeper["waker_file"] == waker["file"] != 0


def test_the_last_wake_up_counts(threads: Threads) -> None:
    threads.enter(701, NUMBERS["epoll_wait"])
    threads.wake(701, by=702)
    threads.engine.fire("hrtimer_expire_entry", 0, 0)
    threads.wake(701, by=702)
    threads.engine.fire("hrtimer_expire_exit", 0)
    threads.leave(701, 0)
    row = only_row(seen(threads))
    assert (row["wake"], row["wakes"], row["waker"], row["waker_opcode"]) == (Wake.TIMER, 2, 0, 0)


@pytest.mark.parametrize(
    ("vector", "wake"), [(3, Wake.NETWORK), (2, Wake.NETWORK), (1, Wake.TIMER), (4, Wake.INTERRUPT)]
)
def test_in_a_softirq_the_current_thread_is_not_the_waker(threads: Threads, vector: int, wake: Wake) -> None:
    """On loopback the sender's own call runs the receiving softirq."""
    threads.enter(701, NUMBERS["recvfrom"])
    threads.enter(702, NUMBERS["sendto"])
    threads.engine.fire("softirq_entry", vector)
    threads.wake(701, by=702)
    threads.engine.fire("softirq_exit", vector)
    threads.leave(702, 1)
    threads.leave(701, 1)
    sender, receiver = seen(threads).operations
    assert (receiver["wake"], receiver["waker"]) == (wake, 0)
    assert sender["woke"] == 0


def test_an_interrupt_within_a_softirq_is_an_interrupt(threads: Threads) -> None:
    threads.enter(701, NUMBERS["read"])
    threads.engine.fire("softirq_entry", 3)
    threads.engine.fire("irq_handler_entry", 5, 0)
    threads.wake(701, by=702)
    threads.engine.fire("irq_handler_exit", 5, 0, 1)
    threads.engine.fire("softirq_exit", 3)
    threads.leave(701, 1)
    assert only_row(seen(threads))["wake"] == Wake.INTERRUPT


def test_whoever_is_in_no_call_is_not_followed(threads: Threads) -> None:
    threads.wake(701, by=702)
    assert len(threads.engine.slots()) == 0


def test_a_path_is_read_when_the_call_returns(threads: Threads) -> None:
    """Not when it begins: the page it lies in may not be there yet."""
    place = threads.memory(b"\0" * 64)
    threads.enter(701, NUMBERS["openat"], -100, place)
    threads.engine.write_bytes(place, b"/etc/passwd\0")
    threads.leave(701, 3)
    assert only_memory(seen(threads))[1] == Memory(b"/etc/passwd\0", 12)


@pytest.mark.parametrize("length", [0, 1, 46, 47, 48, 49, 95, 96, 97, 500])
def test_strings_of_every_length_are_whole(threads: Threads, length: int) -> None:
    text = (b"0123456789abcdef" * 40)[:length] + b"\0"
    threads.make(701, NUMBERS["openat"], -100, threads.memory(text), result=-2)
    assert only_memory(seen(threads))[1] == Memory(text, length + 1)


def test_memory_that_cannot_be_read_is_absent(threads: Threads) -> None:
    threads.make(701, NUMBERS["openat"], -100, 0x10, result=-14)
    records = seen(threads)
    assert (len(records.operations), len(records.memory)) == (1, 0)


@pytest.mark.parametrize("ready", [1, 4, 5, 64, 600])
def test_every_event_of_epoll_wait_is_read(threads: Threads, ready: int) -> None:
    events = b"".join(struct.pack("<IQ", 1, number) for number in range(ready))
    threads.make(701, NUMBERS["epoll_wait"], 4, threads.memory(events), 1024, -1, result=ready)
    assert only_memory(seen(threads))[1] == Memory(events, len(events))


def test_more_events_than_fit_are_said_to_be_missing(threads: Threads) -> None:
    events = b"".join(struct.pack("<IQ", 1, number) for number in range(1000))
    threads.make(701, NUMBERS["epoll_wait"], 4, threads.memory(events), 1024, -1, result=1000)
    memory = only_memory(seen(threads))[1]
    assert memory.total == len(events)
    assert memory.truncated
    assert memory.data == events[: len(memory.data)]
    assert len(memory.data) > 600 * 12


def test_output_of_a_failed_call_is_not_read(threads: Threads) -> None:
    threads.make(701, NUMBERS["pipe2"], threads.memory(b"\1" * 8), result=-24)
    assert len(seen(threads).memory) == 0


def test_an_address_is_as_long_as_the_kernel_said(threads: Threads) -> None:
    address = threads.memory(b"\2\0\x1f\x90\x7f\0\0\1" + b"x" * 8)
    length = threads.memory(struct.pack("<I", 16))
    threads.make(701, NUMBERS["accept4"], 3, address, length, result=5)
    assert only_memory(seen(threads))[1].data == b"\2\0\x1f\x90\x7f\0\0\1" + b"x" * 8


def test_a_message_is_followed_to_its_name_and_vectors(threads: Threads) -> None:
    vectors = struct.pack("<QQQQ", 0x1000, 5, 0x2000, 6)
    name = b"\1\0/run/x.sock\0"
    message = struct.pack(
        "<QIxxxxQQQQI4x", threads.memory(name), len(name), threads.memory(vectors), 2, 0, 0, 0
    )
    threads.make(701, NUMBERS["sendmsg"], 3, threads.memory(message), 0, result=11)
    memory = only_memory(seen(threads))
    assert (memory[1].data, memory[IOVEC].data, memory[NAME].data) == (message, vectors, name)


def test_the_sets_of_select_are_read_before_and_after(threads: Threads) -> None:
    read = threads.memory(struct.pack("<Q", 0b101000))
    timeout = threads.memory(struct.pack("<QQ", 1, 5))
    threads.enter(701, NUMBERS["select"], 6, read, 0, 0, timeout)
    threads.engine.write_bytes(read, struct.pack("<Q", 0b001000))
    threads.leave(701, 1)
    memory = only_memory(seen(threads))
    assert memory[1].data == struct.pack("<Q", 0b001000)
    assert memory[1 | ENTERED].data == struct.pack("<Q", 0b101000)
    assert memory[4 | ENTERED].data == struct.pack("<QQ", 1, 5)


def test_the_path_of_execve_is_read_before_it_replaces_the_memory(threads: Threads) -> None:
    path = threads.memory(b"/bin/true\0")
    threads.enter(701, NUMBERS["execve"], path)
    threads.engine.write_bytes(path, b"\0" * 10)
    threads.leave(701, 0)
    records = seen(threads)
    assert only_memory(records)[0].data == b"/bin/true\0"


def test_payload_is_never_read(threads: Threads) -> None:
    secret = b"secret" * 8
    place = threads.memory(secret)
    for name in ("read", "write", "sendto", "recvfrom", "pread64", "pwrite64", "getrandom"):
        threads.make(701, NUMBERS[name], 3, place, len(secret), result=len(secret))
    assert secret not in threads.engine.slots().tobytes()


def test_no_more_than_version_and_cipher_of_a_tls_key_is_read(threads: Threads) -> None:
    """setsockopt(SOL_TLS, TLS_TX): the key follows in the same structure (linux/tls.h)."""
    option = struct.pack("<HH", 0x0304, 51) + b"KEYKEYKEYKEYKEYK" * 2
    threads.make(701, NUMBERS["setsockopt"], 3, 282, 1, threads.memory(option), len(option), result=0)
    slots = threads.engine.slots()
    assert b"KEY" not in slots.tobytes()
    assert only_memory(decode_records(slots))[3].data == struct.pack("<HH", 0x0304, 51)


@pytest.mark.parametrize(("level", "option"), [(279, 1), (6, 33)])
def test_options_that_begin_with_a_key_are_not_read(threads: Threads, level: int, option: int) -> None:
    """ALG_SET_KEY and TCP_FASTOPEN_KEY."""
    threads.make(701, NUMBERS["setsockopt"], 3, level, option, threads.memory(b"KEYKEYKEY"), 9)
    slots = threads.engine.slots()
    assert b"KEY" not in slots.tobytes()
    assert len(decode_records(slots).operations) == 1


@pytest.mark.parametrize(("operation", "read"), [(0, True), (9 | 128, True), (1, False), (1 | 128, False)])
def test_a_futex_has_a_timeout_only_when_it_waits(threads: Threads, operation: int, read: bool) -> None:
    """Else the register may hold anything (futex(2))."""
    threads.make(701, NUMBERS["futex"], 0x1000, operation, 1, threads.memory(b"\1" * 16))
    assert (len(seen(threads).memory) > 0) == read


def test_files_are_those_of_the_moment_the_call_began(threads: Threads) -> None:
    threads.open(701, 3, REGULAR, 4711)
    threads.enter(701, NUMBERS["close"], 3)
    threads.close(3)
    threads.leave(701, 0)
    assert only_row(seen(threads))["file"] != 0


def test_the_file_of_a_new_descriptor_is_named(threads: Threads) -> None:
    threads.open(701, 3, REGULAR, 4711)
    threads.enter(701, NUMBERS["dup"], 3)
    threads.engine.put(threads.engine.base + 0x40000 + 0x8000 + 128 + 4 * 8, 8, threads.engine.base + 0x40000)
    threads.leave(701, 4)
    row = only_row(seen(threads))
    assert row["result_file"] == row["file"] != 0


def test_a_new_eventfd_is_not_an_old_one_at_the_same_address(threads: Threads) -> None:
    """Both share the one inode of all anonymous files."""
    threads.enter(701, NUMBERS["eventfd2"])
    threads.open(701, 5, REGULAR, 1)
    threads.leave(701, 5)
    threads.make(701, NUMBERS["write"], 5)
    threads.make(701, NUMBERS["eventfd2"], result=5)
    threads.make(701, NUMBERS["write"], 5)
    rows = seen(threads).operations
    old, new = rows["result_file"][0], rows["result_file"][2]
    assert rows["file"].tolist() == [0, old, 0, new]
    assert 0 != old != new != 0


def test_both_descriptors_of_a_call_are_named(threads: Threads) -> None:
    threads.open(701, 3, REGULAR, 4711)
    threads.open(701, 4, REGULAR, 4712)
    threads.make(701, NUMBERS["epoll_ctl"], 3, 1, 4, 0)
    row = only_row(seen(threads))
    assert 0 != row["file"] != row["second_file"] != 0


def test_every_new_file_of_a_call_is_described(threads: Threads) -> None:
    threads.open(701, 3, SOCKET_MODE, 11, private=threads.engine.base + 0x50000)
    threads.open(701, 4, SOCKET_MODE, 12, private=threads.engine.base + 0x50000)
    threads.make(701, NUMBERS["sendfile"], 3, 4)
    assert len(list(threads.engine.facts())) == 2
    assert threads.engine.losses() == {}


def test_data_for_a_socket_of_the_target_is_an_event(threads: Threads) -> None:
    engine = threads.engine
    holder, sock = engine.base + 0x50000, engine.base + 0x51000
    engine.write("socket", holder, sk=sock)
    engine.write("sock", sock, sk_socket=holder)
    engine.put(holder + 64, 8, 4711)
    file = threads.open(701, 3, SOCKET_MODE, 4711, private=holder)
    engine.fire("sk_data_ready", sock)
    assert len(engine.slots()) == 0, "not the target's before an operation was seen on it"
    threads.make(701, NUMBERS["recvfrom"], 3)
    number = only_row(seen(threads))["file"]
    when = threads.tick()
    engine.fire("sk_data_ready", sock)
    engine.fire("inet_sock_set_state", sock, 1, 8)
    arrival, change = seen(threads).socket_events
    assert (arrival["kind"], arrival["file"], arrival["ns"]) == (SocketEventKind.ARRIVAL, number, when)
    assert (change["kind"], change["before"], change["after"]) == (SocketEventKind.STATE, 1, 8)
    engine.put(holder + 64, 8, 4712)
    engine.fire("sk_data_ready", sock)
    assert len(engine.slots()) == 0, "another socket has the memory now"
    assert file


def state_changes(threads: Threads, sock: int, *probes: str) -> int:
    """Socket events that one change of a socket's state leaves when the kernel runs these probes for it."""
    for probe in probes:
        threads.engine.fire(probe, sock, 1, 8)
    return len(seen(threads).socket_events)


def test_what_the_kernel_skips_for_a_socket_probe_its_twin_takes(threads: Threads) -> None:
    """The network interrupts a probe on its processor; the kernel then runs the other program alone."""
    engine = threads.engine
    holder, sock = engine.base + 0x50000, engine.base + 0x51000
    engine.write("socket", holder, sk=sock)
    engine.write("sock", sock, sk_socket=holder)
    engine.put(holder + 64, 8, 4711)
    threads.open(701, 3, SOCKET_MODE, 4711, private=holder)
    threads.make(701, NUMBERS["recvfrom"], 3)
    seen(threads)
    probe, twin = "inet_sock_set_state", "inet_sock_set_state_twin"
    assert state_changes(threads, sock, probe, twin) == 1
    assert state_changes(threads, sock, "softirq_entry", twin, twin) == 2, "within the probe"
    assert state_changes(threads, sock, "softirq_exit", twin) == 1, "the interrupted event itself"
    assert state_changes(threads, sock, probe, "softirq_entry", probe, probe) == 3, "within the twin"
    assert state_changes(threads, sock, "softirq_exit", twin) == 0, "the interrupted event is the probe's"
    assert state_changes(threads, sock, "softirq_entry", twin, "softirq_exit", probe, twin) == 2
    assert engine.losses() == {Counter.TWIN_EVENTS: 4}


def call_counts(engine: Engine) -> dict[int, np.void]:
    """Number → counts, of the calls that were made."""
    counts = engine.table("call_counts").view(CALL_COUNTS).reshape(CPUS, CALL_LIMIT)[0]
    return {number: counts[number] for number in np.flatnonzero(counts["submitted"]).tolist()}


@dataclass
class Expected:
    submitted: int = 0
    ended: int = 0
    errors: int = 0
    bytes: int = 0
    slept: int = 0
    sum_ns: int = 0
    latencies: list[int] = field(default_factory=list)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([701, 702, 703]),
        st.sampled_from(["read", "write", "close", "futex", "epoll_wait", "mmap"]),
        st.integers(-4096, 2**40),
        st.booleans(),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(STEPS)
def test_counting_adds_up_what_threads_did(counting: Engine, steps: list[tuple[int, str, int, bool]]) -> None:
    """Interleaved threads: each step begins a call of a thread, or ends the one it is in."""
    threads = Threads(counting)
    inside: dict[int, tuple[str, int, bool]] = {}
    expected: dict[int, Expected] = {}
    for tid, name, result, sleeps in steps:
        if tid not in inside:
            began = threads.enter(tid, NUMBERS[name], 3)
            expected.setdefault(NUMBERS[name], Expected()).submitted += 1
            inside[tid] = name, began, sleeps
            continue
        name, began, sleeps = inside.pop(tid)
        if sleeps:
            threads.sleep(tid)
        ended = threads.leave(tid, result)
        total = expected[NUMBERS[name]]
        total.ended += 1
        total.errors += -4096 < result < 0
        total.bytes += result if result > 0 and name in ("read", "write") else 0
        total.slept += sleeps
        total.sum_ns += ended - began
    found = {
        number: Expected(
            *(int(row[name]) for name in ("submitted", "ended", "errors", "bytes", "slept", "sum_ns"))
        )
        for number, row in call_counts(counting).items()
    }
    assert found == expected


def test_every_call_is_counted_by_number_and_the_first_ones_have_histograms(counting: Engine) -> None:
    threads = Threads(counting)
    returning = np.flatnonzero(threads.traits["flags"] & CallFlag.NO_RETURN == 0)[: CALL_ROWS + 20].tolist()
    for number in returning:
        threads.make(701, number)
    counts = call_counts(counting)
    assert sorted(counts) == returning
    assert {int(row["ended"]) for row in counts.values()} == {1}
    histograms = counting.table("call_histograms").view("<u8").reshape(CPUS, CALL_ROWS, BUCKETS)[0]
    assert histograms.sum(axis=1).tolist() == [1] * CALL_ROWS


@pytest.mark.parametrize(("command", "named"), [(0, True), (1030, True), (1, False), (3, False)])
def test_fcntl_names_the_file_of_a_copy_only(threads: Threads, command: int, named: bool) -> None:
    threads.open(701, 3, REGULAR, 4711)
    threads.make(701, NUMBERS["fcntl"], 3, command, 0, result=3)
    assert (only_row(seen(threads))["result_file"] != 0) == named


def test_the_tracer_does_not_trace_itself(threads: Threads) -> None:
    """With the whole machine as target, what it prints would be traced, printed and traced again."""
    threads.enter(701, NUMBERS["write"], 1)
    threads.engine.set(current_pid_tgid=PID_PLACEHOLDER << 32 | 900)
    threads.engine.fire("sys_enter", 0, NUMBERS["write"])
    threads.engine.fire("sys_exit", 0, 1)
    threads.leave(701, 1)
    assert seen(threads).operations["tid"].tolist() == [701]
