"""The reader of a BPF ring buffer against a kernel's side written in Python on a memfd."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uringtrace.probes import ring_buffer
from uringtrace.probes.ring_buffer import RingBuffer
from uringtrace.probes.slots import ARGUMENTS_KIND, SEQUENCE_KIND, SLOT_SIZE

PAGE = mmap.PAGESIZE
SIZE = PAGE
SLOTS = SIZE // SLOT_SIZE
BUSY, DISCARD = 1 << 31, 1 << 30


class Producer:
    """The kernel's side (kernel/bpf/ringbuf.c): the second half repeats the first."""

    def __init__(self, size: int = SIZE) -> None:
        self.size = size
        self.descriptor = os.memfd_create("ring buffer")
        os.ftruncate(self.descriptor, 2 * PAGE + 2 * size)
        self.memory = mmap.mmap(self.descriptor, 2 * PAGE + 2 * size)
        self.produced = 0

    def close(self) -> None:
        os.close(self.descriptor)

    @property
    def consumed(self) -> int:
        return int.from_bytes(self.memory[:8], "little")

    def start(self, position: int) -> None:
        """Begin where a ring buffer stands that has been used for long."""
        self.produced = position
        self.memory[:8] = self.memory[PAGE : PAGE + 8] = struct.pack("<Q", position)

    def put(self, at: int, data: bytes) -> None:
        for number, byte in enumerate(data):
            place = (at + number) % self.size
            for half in (0, self.size):
                self.memory[2 * PAGE + half + place] = byte

    def reserve(self, length: int) -> int | None:
        """Reserve a record and return its position; None when there is no room."""
        whole = (length + 8 + 7) & ~7
        if self.produced + whole - self.consumed > self.size - 1:
            return None
        position = self.produced
        self.put(position, struct.pack("<II", length | BUSY, 0))
        self.produced += whole
        self.memory[PAGE : PAGE + 8] = struct.pack("<Q", self.produced)
        return position

    def commit(self, position: int, data: bytes, flags: int = 0) -> None:
        self.put(position + 8, data)
        self.put(position, struct.pack("<I", len(data) | flags))

    def write(self, data: bytes, flags: int = 0) -> bool:
        position = self.reserve(len(data))
        if position is not None:
            self.commit(position, data, flags)
        return position is not None


@pytest.fixture
def producer() -> Iterator[Producer]:
    producer = Producer()
    yield producer
    producer.close()


def operation(number: int, extensions: int = 0) -> bytes:
    """A record of one to three slots, told apart by its number."""
    data = bytes([1]) + bytes(7) + struct.pack("<Q", number) + bytes(40)
    for kind in (ARGUMENTS_KIND, SEQUENCE_KIND)[:extensions]:
        data += struct.pack("<II", 56, 0) + bytes([kind]) + bytes(7) + struct.pack("<Q", number) + bytes(40)
    return data


def numbers(slots: np.ndarray) -> list[int]:
    return slots["completed_ns"].tolist()


def test_nothing_written_is_nothing_read(producer: Producer) -> None:
    reader = RingBuffer(producer.descriptor, SIZE)
    assert len(reader.read_slots()) == 0
    assert list(reader.read_records()) == []
    assert reader.fill == 0


def test_a_full_buffer_is_read_whole_and_is_free_again(producer: Producer) -> None:
    reader = RingBuffer(producer.descriptor, SIZE)
    written = 0
    while producer.write(operation(written)):
        written += 1
    assert written == SLOTS - 1, "the kernel never fills the last slot"
    assert reader.fill == written / SLOTS
    assert numbers(reader.read_slots()) == list(range(written))
    assert reader.fill == 0
    assert producer.write(operation(0))


def test_reading_stops_at_a_record_that_is_being_written(producer: Producer) -> None:
    reader = RingBuffer(producer.descriptor, SIZE)
    producer.write(operation(1))
    position = producer.reserve(56)
    producer.write(operation(3))
    assert numbers(reader.read_slots()) == [1]
    assert numbers(reader.read_slots()) == []
    assert position is not None
    producer.commit(position, operation(2))
    assert numbers(reader.read_slots()) == [2, 3]


def test_records_stop_there_too_and_leave_out_what_was_discarded(producer: Producer) -> None:
    reader = RingBuffer(producer.descriptor, SIZE)
    producer.write(b"first")
    producer.write(b"discarded", DISCARD)
    producer.write(b"third")
    position = producer.reserve(6)
    assert list(reader.read_records()) == [b"first", b"third"]
    assert position is not None
    producer.commit(position, b"fourth")
    assert list(reader.read_records()) == [b"fourth"]
    assert producer.consumed == producer.produced


def test_what_was_read_is_a_copy(producer: Producer) -> None:
    reader = RingBuffer(producer.descriptor, SIZE)
    producer.write(operation(7))
    slots = reader.read_slots()
    for number in range(SLOTS):
        producer.write(operation(100 + number))
    assert numbers(slots) == [7]


@pytest.mark.parametrize("before", [0, 1, 2, 3])
@pytest.mark.parametrize("extensions", [0, 1, 2])
def test_a_bounded_read_never_splits_a_record(
    producer: Producer, monkeypatch: pytest.MonkeyPatch, before: int, extensions: int
) -> None:
    """However the bound falls: in a record, at its end, with more behind it or nothing."""
    monkeypatch.setattr(ring_buffer, "LONGEST_RUN", 4)
    reader = RingBuffer(producer.descriptor, SIZE)
    for number in range(before):
        producer.write(operation(number))
    producer.write(operation(before, extensions))
    producer.write(operation(before + 1, extensions))
    read = []
    while len(slots := reader.read_slots()):
        assert slots["kind"][0] == 1, "a piece begins with an operation"
        assert len(slots) <= 4 + 2
        read += numbers(slots[slots["kind"] == 1])
    assert read == list(range(before + 2))
    assert producer.consumed == producer.produced


QUICK = settings(max_examples=60, derandomize=True)


@QUICK
@given(
    start=st.integers(0, 1000).map(lambda slots: slots * SLOT_SIZE),
    steps=st.lists(st.tuples(st.sampled_from(["write", "reserve", "commit", "read"]), st.integers(0, 2))),
    bound=st.integers(1, 8),
)
def test_everything_written_is_read_once_in_order(
    start: int, steps: list[tuple[str, int]], bound: int
) -> None:
    producer = Producer()
    producer.start(start)
    reader = RingBuffer(producer.descriptor, SIZE)
    written, read = 0, []
    reserved: list[tuple[int, bytes]] = []

    def take() -> bool:
        slots = reader.read_slots()
        read.extend(numbers(slots[slots["kind"] == 1]))
        return len(slots) > 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ring_buffer, "LONGEST_RUN", bound)
        for step, extensions in steps:
            if step == "commit" and reserved:
                producer.commit(*reserved.pop(extensions % len(reserved)))
            elif step == "read":
                take()
            elif step in ("write", "reserve"):
                data = operation(written, extensions)
                position = producer.reserve(len(data))
                if position is not None:
                    written += 1
                    reserved.append((position, data))
                    if step == "write":
                        producer.commit(*reserved.pop())
        for position, data in reserved:
            producer.commit(position, data)
        while take():
            pass
    assert read == list(range(written))
    assert producer.consumed == producer.produced
    producer.close()


@QUICK
@given(start=st.integers(0, 10_000).map(lambda words: words * 8), records=st.lists(st.binary(max_size=900)))
def test_records_of_any_size_survive_the_wrap(start: int, records: list[bytes]) -> None:
    producer = Producer()
    producer.start(start)
    reader = RingBuffer(producer.descriptor, SIZE)
    read: list[bytes] = []
    for record in records:
        if not producer.write(record):
            read += reader.read_records()
            assert producer.write(record)
    read += reader.read_records()
    assert read == records
    producer.close()
