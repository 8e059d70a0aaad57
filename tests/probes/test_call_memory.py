"""The memory that a system call points to: read as far as it goes, and never payload or keys."""

from __future__ import annotations

import struct

import pytest

from tests.probes.fake_threads import Threads
from tests.probes.seen_calls import NUMBERS, only_memory, seen
from uringtrace.tracer.decode import decode_records
from uringtrace.tracer.records import ENTERED, IOVEC, NAME, Memory


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
