"""Slots to batches and the table of requests in flight to slots, against a plain decoder."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.probes.slots import (
    ARGUMENTS_ENTRY,
    ARGUMENTS_KIND,
    ARGUMENTS_SEEN,
    OPEN,
    OPERATION_SLOT,
    SEQUENCE_KIND,
    STREAM_ENTRY,
)
from uringtrace.tracer.decode import decode
from uringtrace.tracer.in_flight import unfinished_slots, waiting_entries
from uringtrace.tracer.record import OPERATION, SQE_CQE_SKIP_SUCCESS, Batch, Kind

_SLOT = struct.Struct("<IIBBBBiQQQIIIiII")
_ARGUMENTS = struct.Struct("<IIBBHIQQIHHIHHQQ")
_SEQUENCE = struct.Struct("<IIB3xIQ40x")
_SLOT_FIELDS = [
    "kind",
    "opcode",
    "path",
    "sqe_flags",
    "fd",
    "completed_ns",
    "submitted_ns",
    "user_data",
    "ring",
    "tgid",
    "tid",
    "result",
    "cqe_flags",
    "file",
]
_ARGUMENT_FIELDS = [
    "kind",
    "reserved",
    "ioprio",
    "len",
    "off",
    "addr",
    "op_flags",
    "buf_index",
    "personality",
    "file_index",
    "chain_position",
    "reserved2",
    "addr3",
    "chain",
]

U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
S32 = st.integers(-(2**31), 2**31 - 1)


@dataclass(frozen=True)
class Record:
    """One record of the ring buffer, as the probes write it."""

    operation: tuple[int, ...]
    arguments: tuple[int, ...] | None
    sequence: tuple[int, int] | None

    def encode(self) -> bytes:
        data = _SLOT.pack(56, 0, *self.operation)
        if self.arguments is not None:
            data += _ARGUMENTS.pack(56, 0, ARGUMENTS_KIND, *self.arguments)
        if self.sequence is not None:
            data += _SEQUENCE.pack(56, 0, SEQUENCE_KIND, *self.sequence)
        return data

    def row(self) -> dict[str, int]:
        row = dict(zip(_SLOT_FIELDS, self.operation, strict=True))
        row["has_arguments"] = row["sqe_flags"] >> 7
        row["sqe_flags"] &= 0x7F
        if self.arguments is not None:
            row |= zip(_ARGUMENT_FIELDS[1:], self.arguments, strict=True)
        if self.sequence is not None:
            row["sequence"], row["previous_ns"] = self.sequence
        return row


KINDS = st.sampled_from([int(kind) for kind in Kind])
OPERATIONS = st.tuples(KINDS, U8, U8, U8, S32, U64, U64, U64, U32, U32, U32, S32, U32, U32)
ARGUMENTS = st.tuples(st.just(0), U16, U32, U64, U64, U32, U16, U16, U32, U16, st.just(0), U64, U64)
RECORDS = st.builds(Record, OPERATIONS, st.none() | ARGUMENTS, st.none() | st.tuples(U32, U64))


def naive(records: list[Record]) -> Batch:
    batch = np.zeros(len(records), OPERATION)
    for index, record in enumerate(records):
        for name, value in record.row().items():
            if name in (OPERATION.names or ()):
                batch[name][index] = value
    return batch


@given(st.lists(RECORDS, max_size=30))
def test_decoding_agrees_with_one_record_at_a_time(records: list[Record]) -> None:
    data = b"".join(record.encode() for record in records)
    expected = naive(records).tolist()
    assert decode(data).tolist() == expected
    assert decode(memoryview(data)).tolist() == expected
    assert decode(np.frombuffer(data, OPERATION_SLOT)).tolist() == expected


def test_the_result_is_no_view_of_the_slots() -> None:
    slots = np.zeros(1, OPERATION_SLOT)
    slots["kind"] = 1
    batch = decode(slots)
    slots["user_data"] = 9
    assert batch["user_data"][0] == 0


def test_half_a_slot_is_an_error() -> None:
    with pytest.raises(ValueError, match="size"):
        decode(bytes(96))


ENTRIES = st.lists(
    st.fixed_dictionaries(
        {
            "submitted_ns": st.integers(1, 2**63),
            "user_data": U64,
            "tgid": U32,
            "tid": U32,
            "fd": S32,
            "opcode": U8,
            "path": U8,
            "sqe_flags": U8,
            "flags": st.integers(0, 3),
            "chain": st.just(0) | U64,
            "chain_position": U16,
            "ring": U16,
        }
    ),
    max_size=20,
    unique_by=lambda entry: entry["submitted_ns"],
)
SQE_FIELDS = ("ioprio", "len", "off", "addr", "op_flags", "buf_index", "personality", "file_index", "addr3")


@given(ENTRIES, st.sampled_from([STREAM_ENTRY, ARGUMENTS_ENTRY]), st.integers(1, 2**63))
def test_what_is_unfinished_is_told_in_order_of_submission(
    requests: list[dict[str, int]], dtype: np.dtype[np.void], ended_ns: int
) -> None:
    entries = np.zeros(len(requests), dtype)
    for index, request in enumerate(requests):
        for name, value in request.items():
            entries["request"][name][index] = value
        if dtype is ARGUMENTS_ENTRY:
            for number, name in enumerate(SQE_FIELDS):
                entries["sqe"][name][index] = number + 1
    batch = decode(unfinished_slots(entries, ended_ns))

    assert len(batch) == len(requests)
    for row, request in zip(batch, sorted(requests, key=lambda each: each["submitted_ns"]), strict=True):
        silent = bool(request["sqe_flags"] & SQE_CQE_SKIP_SUCCESS)
        assert row["kind"] == (Kind.SILENT if silent else Kind.UNFINISHED)
        assert row["completed_ns"] == ended_ns
        assert row["result"] == row["cqe_flags"] == row["sequence"] == 0
        for name in ("submitted_ns", "user_data", "tgid", "tid", "fd", "opcode", "path", "ring"):
            assert row[name] == request[name], name
        assert row["sqe_flags"] == request["sqe_flags"] & 0x7F
        assert row["has_arguments"] == bool(request["sqe_flags"] & ARGUMENTS_SEEN)
        assert row["chain"] == request["chain"]
        if request["chain"]:
            assert row["chain_position"] == request["chain_position"]
        known = dtype is ARGUMENTS_ENTRY and request["flags"] & 2
        assert [row[name] for name in SQE_FIELDS] == [
            number + 1 if known else 0 for number in range(len(SQE_FIELDS))
        ]


def test_nothing_unfinished_is_no_slot() -> None:
    assert len(unfinished_slots(np.zeros(0, ARGUMENTS_ENTRY), 1)) == 0


def test_zero_copy_sends_that_wait_are_told_and_open_multishots_are_not_told_twice() -> None:
    opens = np.zeros(3, OPEN)
    opens["count"] = [1, 2, 1]
    opens["request"]["flags"] = [1, 2, 0]
    opens["request"]["sqe_flags"] = ARGUMENTS_SEEN | 4
    opens["request"]["submitted_ns"] = [10, 20, 30]
    entries = waiting_entries(opens, ARGUMENTS_ENTRY)
    batch = decode(unfinished_slots(entries, 99))
    assert batch["submitted_ns"].tolist() == [20, 20, 30]
    assert batch["sqe_flags"].tolist() == [4, 4, 4]
    assert not batch["has_arguments"].any()
