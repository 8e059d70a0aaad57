"""Turns slots, as the probes write them, into batches of operations.

A pure function of one chunk of slots. A chunk always begins with an operation's slot
and contains all slots of its operations, because a ring buffer record is read whole.
"""

from __future__ import annotations

import numpy as np

from uringtrace.probes.slots import (
    ARGUMENTS_KIND,
    ARGUMENTS_SEEN,
    ARGUMENTS_SLOT,
    OPERATION_SLOT,
    SEQUENCE_KIND,
    SEQUENCE_SLOT,
    Slots,
)
from uringtrace.tracer.record import OPERATION, Batch

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


def decode(chunk: Slots | memoryview | bytes) -> Batch:
    """The operations of a chunk, shape (operations,), dtype `OPERATION`.

    `chunk` is an array of dtype `OPERATION_SLOT` or its bytes.
    """
    slots: Slots = chunk if isinstance(chunk, np.ndarray) else np.frombuffer(chunk, OPERATION_SLOT)
    kinds = slots["kind"]
    first = np.flatnonzero(kinds < ARGUMENTS_KIND)
    heads = slots if len(first) == len(slots) else slots[first]
    batch = np.zeros(len(heads), OPERATION)
    for name in _OPERATION_FIELDS:
        batch[name] = heads[name]
    sqe_flags = heads["sqe_flags"]
    batch["has_arguments"] = sqe_flags & ARGUMENTS_SEEN != 0
    batch["sqe_flags"] = sqe_flags & ~np.uint8(ARGUMENTS_SEEN)
    if len(heads) < len(slots):
        _add_extensions(batch, slots, first)
    return batch


def _add_extensions(batch: Batch, slots: Slots, first: np.ndarray) -> None:
    owner = np.zeros(len(slots), np.intp)
    owner[first] = 1
    owner = np.cumsum(owner) - 1
    kinds = slots["kind"]
    where = np.flatnonzero(kinds == ARGUMENTS_KIND)
    arguments = slots[where].view(ARGUMENTS_SLOT)
    for name in _ARGUMENT_FIELDS:
        batch[name][owner[where]] = arguments[name]
    where = np.flatnonzero(kinds == SEQUENCE_KIND)
    sequences = slots[where].view(SEQUENCE_SLOT)
    batch["sequence"][owner[where]] = sequences["sequence"]
    batch["previous_ns"][owner[where]] = sequences["previous_ns"]
