"""What was still in flight when a capture ended, read from the probes' table.

An operation that asked for no CQE on success and posted none has ended or is open:
nobody can tell, so it is `SILENT`; every other one is `UNFINISHED`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uringtrace.probes.rows import take_rows
from uringtrace.probes.slots import (
    ARGUMENTS_KIND,
    ARGUMENTS_SEEN,
    ARGUMENTS_SLOT,
    CALL_ARGUMENTS_KIND,
    CALL_ARGUMENTS_SLOT,
    CALL_ENTRY,
    CALL_KIND,
    CALL_SLOT,
    OPERATION_SLOT,
    REQUEST_CALL,
    CallState,
    Slots,
)
from uringtrace.tracer.procfs import CurrentCall
from uringtrace.tracer.record import SQE_CQE_SKIP_SUCCESS, Kind

_POSTS_MANY = 1
_REQUEST_NONZERO = 2
_REQUEST_BEFORE = 8
"""Its submission was not seen."""
_COPIED = ("ioprio", "len", "off", "addr", "op_flags", "buf_index", "personality", "file_index", "addr3")


def waiting_entries(opens: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zero-copy sends whose notification is still to come, as entries of `dtype`.

    `opens` has dtype `slots.OPEN`. Their request structures are free already, so the
    table of requests in flight has forgotten them, and their SQEs.
    """
    waiting = opens[opens["request"]["flags"] & _POSTS_MANY == 0]
    entries = np.zeros(len(waiting), dtype)
    entries["request"] = waiting["request"]
    entries["request"]["flags"] &= _REQUEST_BEFORE
    entries["request"]["sqe_flags"] &= ~np.uint8(ARGUMENTS_SEEN)
    return np.repeat(entries, waiting["count"])


def unfinished_slots(entries: NDArray[Any], ended_ns: int) -> Slots:
    """Slots, as the probes would write them, for entries of the in-flight table.

    `entries` has dtype `ARGUMENTS_ENTRY` or `STREAM_ENTRY`; the result is in order of
    submission, those begun before the capture first, and has an arguments slot where the SQE or a
    chain is known.
    """
    before = entries["request"]["flags"] & _REQUEST_BEFORE != 0
    order = np.lexsort((entries["request"]["submitted_ns"], ~before))
    entries, before = take_rows(entries, order), before[order]
    request = entries["request"]
    heads = np.zeros(len(entries), OPERATION_SLOT)
    for name in ("opcode", "path", "sqe_flags", "fd", "submitted_ns", "user_data", "ring", "tgid", "tid"):
        heads[name] = request[name]
    heads["submitted_ns"][before] = 0
    heads["completed_ns"] = ended_ns
    heads["length"] = OPERATION_SLOT.itemsize - 8
    silent = request["sqe_flags"] & SQE_CQE_SKIP_SUCCESS != 0
    heads["kind"] = np.where(silent, int(Kind.SILENT), int(Kind.UNFINISHED))

    has_fields = request["flags"] & _REQUEST_NONZERO != 0
    extended = has_fields | (request["chain"] != 0)
    arguments = np.zeros(int(extended.sum()), ARGUMENTS_SLOT)
    arguments["kind"] = ARGUMENTS_KIND
    arguments["length"] = ARGUMENTS_SLOT.itemsize - 8
    arguments["chain"] = request["chain"][extended]
    arguments["chain_position"] = request["chain_position"][extended]
    if "sqe" in (entries.dtype.names or ()):
        known = has_fields[extended]
        for name in _COPIED:
            arguments[name][known] = entries["sqe"][name][extended & has_fields]

    slots = np.zeros(len(heads) + len(arguments), OPERATION_SLOT)
    position = np.arange(len(heads)) + np.concatenate(([0], np.cumsum(extended)[:-1]))[: len(heads)]
    slots[position] = heads
    slots[position[extended] + 1] = arguments.view(OPERATION_SLOT)
    return slots


def split_calls(entries: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Entries of the table taken apart: requests, and system calls as dtype `CALL_ENTRY`.

    `entries` has dtype `ARGUMENTS_ENTRY`.
    """
    calls = entries["request"]["flags"] & REQUEST_CALL != 0
    return take_rows(entries, ~calls), take_rows(entries, calls).view(CALL_ENTRY)


def sitting_calls(calls: Iterable[CurrentCall], tgid: int, descriptors: NDArray[np.uint8]) -> NDArray[Any]:
    """Entries for threads that have been in one call since before the capture began.

    `descriptors` gives, by the call's number, which argument is its first descriptor.
    """
    known = [
        (call, call.number) for call in calls if call.number is not None and call.number < len(descriptors)
    ]
    entries = np.zeros(len(known), CALL_ENTRY)
    for entry, (call, number) in zip(entries, known, strict=True):
        argument = int(descriptors[number])
        entry["tgid"], entry["tid"], entry["number"] = tgid, call.tid, number
        entry["argument"] = call.arguments
        fd = call.arguments[argument] & 0xFFFFFFFF if argument < 6 else 0xFFFFFFFF
        entry["fd"] = fd - (1 << 32) if fd >> 31 else fd
    return entries


def unfinished_call_slots(entries: NDArray[Any], ended_ns: int) -> Slots:
    """Slots, as the probes would write them, for calls that have not returned.

    `entries` has dtype `CALL_ENTRY`; the result is in order of their beginning.
    """
    entries = entries[np.argsort(entries["submitted_ns"], kind="stable")]
    heads = np.zeros(len(entries), CALL_SLOT)
    for name in ("number", "fd", "submitted_ns", "tgid", "tid", "file", "second_file"):
        heads[name] = entries[name]
    heads["kind"] = CALL_KIND
    heads["flags"] = CallState.UNFINISHED
    heads["completed_ns"] = ended_ns
    arguments = np.zeros(len(entries), CALL_ARGUMENTS_SLOT)
    arguments["kind"] = CALL_ARGUMENTS_KIND
    arguments["argument"] = entries["argument"]
    for part in (heads, arguments):
        part["length"] = OPERATION_SLOT.itemsize - 8
    slots = np.zeros(2 * len(entries), OPERATION_SLOT)
    slots[::2] = heads.view(OPERATION_SLOT)
    slots[1::2] = arguments.view(OPERATION_SLOT)
    return slots
