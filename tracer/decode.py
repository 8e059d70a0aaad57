"""Turns slots, as the probes write them, into records.

A pure function of one chunk of slots. A chunk always begins with the first slot of a
record and contains all slots of its records, because a ring buffer record is read whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.rows import blocks, take_rows
from uringtrace.probes.slots import (
    ARGUMENTS_KIND,
    ARGUMENTS_SEEN,
    ARGUMENTS_SLOT,
    CALL_ARGUMENTS_KIND,
    CALL_ARGUMENTS_SLOT,
    CALL_KIND,
    CALL_LIMIT,
    CALL_SLOT,
    MEMORY_KIND,
    MEMORY_SLOT,
    NO_CALL,
    OPERATION_SLOT,
    SEQUENCE_KIND,
    SEQUENCE_SLOT,
    SOCKET_EVENT_KIND,
    SOCKET_EVENT_SLOT,
    WAKE_KIND,
    WAKE_SLOT,
    CallState,
    Slots,
)
from uringtrace.tracer.record import FIRST_CALL, OPERATION, Batch, Kind
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records

Indexes = NDArray[np.intp]

_OPERATION_FIELDS = (
    "submitted_ns",
    "completed_ns",
    "user_data",
    "ring",
    "tgid",
    "tid",
    "result",
    "cqe_flags",
    "fd",
    "file",
    "opcode",
    "kind",
    "path",
)
_ARGUMENT_FIELDS = (
    "ioprio",
    "len",
    "off",
    "addr",
    "op_flags",
    "buf_index",
    "personality",
    "file_index",
    "addr3",
    "chain",
    "chain_position",
)
_CALL_FIELDS = (
    "submitted_ns",
    "completed_ns",
    "result",
    "tgid",
    "tid",
    "fd",
    "file",
    "second_file",
    "result_file",
)
_WAKE_FIELDS = ("wake", "wakes", "waker", "waker_file", "waker_argument", "woken_ns", "woke", "woke_count")


def decode(chunk: Slots | memoryview | bytes) -> Batch:
    """The operations of a chunk, shape (operations,), dtype `OPERATION`."""
    return decode_records(chunk).operations


def decode_records(chunk: Slots | memoryview | bytes) -> Records:
    """Everything in a chunk, which is an array of dtype `OPERATION_SLOT` or its bytes."""
    slots: Slots = chunk if isinstance(chunk, np.ndarray) else np.frombuffer(chunk, OPERATION_SLOT)
    kinds = slots["kind"]
    first = np.flatnonzero((kinds < ARGUMENTS_KIND) & (kinds != SOCKET_EVENT_KIND))
    heads = slots if len(first) == len(slots) else take_rows(slots, first)
    head_kinds = heads["kind"]
    calls = np.flatnonzero(head_kinds == CALL_KIND)
    batch = np.zeros(len(heads), OPERATION)
    if 2 * len(calls) < len(heads):
        # Whole columns cost a third of chosen rows: what they put into those of calls is taken out again.
        _add_requests(batch, heads, None)
        blocks(batch)[calls] = blocks(np.zeros(1, OPERATION))
    elif len(calls) < len(heads):
        _add_requests(batch, heads, np.flatnonzero(head_kinds != CALL_KIND))
    if len(calls):
        _add_calls(batch, heads, calls)
    if len(heads) == len(slots):
        return Records(batch, np.zeros(0, MEMORY), np.zeros(0, SOCKET_EVENT))
    owner = np.zeros(len(slots), np.intp)
    owner[first] = 1
    owner = np.cumsum(owner) - 1
    _add_extensions(batch, slots, owner)
    return Records(batch, _memory(slots, owner), _socket_events(slots))


def _add_requests(batch: Batch, heads: Slots, where: Indexes | None) -> None:
    """io_uring's operations; `where` None: all rows."""
    rows = slice(None) if where is None else where
    for name in _OPERATION_FIELDS:
        batch[name][rows] = heads[name][rows]
    sqe_flags = heads["sqe_flags"][rows]
    batch["has_arguments"][rows] = sqe_flags & ARGUMENTS_SEEN != 0
    batch["sqe_flags"][rows] = sqe_flags & ~np.uint8(ARGUMENTS_SEEN)


def _add_calls(batch: Batch, heads: Slots, where: Indexes) -> None:
    slots = take_rows(heads, where).view(CALL_SLOT)
    for name in _CALL_FIELDS:
        batch[name][where] = slots[name]
    batch["opcode"][where] = np.uint16(FIRST_CALL) + slots["number"]
    flags = slots["flags"]
    batch["slept"][where] = flags & CallState.SLEPT != 0
    kind = np.full(len(where), int(Kind.COMPLETION), np.uint8)
    kind[flags & CallState.NO_RESULT != 0] = Kind.SILENT
    kind[flags & CallState.UNFINISHED != 0] = Kind.UNFINISHED
    batch["kind"][where] = kind
    batch["has_arguments"][where] = True


def _add_extensions(batch: Batch, slots: Slots, owner: Indexes) -> None:
    kinds = slots["kind"]
    where = np.flatnonzero(kinds == ARGUMENTS_KIND)
    arguments = take_rows(slots, where).view(ARGUMENTS_SLOT)
    rows = owner[where]
    for name in _ARGUMENT_FIELDS:
        batch[name][rows] = arguments[name]
    where = np.flatnonzero(kinds == SEQUENCE_KIND)
    sequences = take_rows(slots, where).view(SEQUENCE_SLOT)
    for name in ("sequence", "previous_ns", "result_file", "second_file"):
        batch[name][owner[where]] = sequences[name]
    where = np.flatnonzero(kinds == CALL_ARGUMENTS_KIND)
    words = take_rows(slots, where).view(CALL_ARGUMENTS_SLOT)["argument"]
    for index in range(6):
        batch[f"arg{index}"][owner[where]] = words[:, index]
    where = np.flatnonzero(kinds == WAKE_KIND)
    wakes = take_rows(slots, where).view(WAKE_SLOT)
    for name in _WAKE_FIELDS:
        batch[name][owner[where]] = wakes[name]
    batch["waker_opcode"][owner[where]] = waker_opcode(wakes["waker_number"])


def waker_opcode(number: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The opcode of a system call by its number, 0 for none; same shape."""
    known = number < CALL_LIMIT
    return np.where(known & (number != NO_CALL), number + np.uint16(FIRST_CALL), np.uint16(0))


def _memory(slots: Slots, owner: Indexes) -> NDArray[np.void]:
    where = np.flatnonzero(slots["kind"] == MEMORY_KIND)
    pieces = take_rows(slots, where).view(MEMORY_SLOT)
    memory = np.zeros(len(where), MEMORY)
    memory["row"] = owner[where]
    memory["argument"] = pieces["argument"]
    memory["length"] = pieces["bytes"]
    memory["total"] = pieces["total"]
    memory["data"] = pieces["data"]
    return memory


def _socket_events(slots: Slots) -> NDArray[np.void]:
    found = take_rows(slots, slots["kind"] == SOCKET_EVENT_KIND).view(SOCKET_EVENT_SLOT)
    events = np.zeros(len(found), SOCKET_EVENT)
    events["kind"] = found["event"]
    for name in ("ns", "file", "before", "after"):
        events[name] = found[name]
    return events
