"""Records as hypothesis draws them: every value the kernel side can deliver."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from uringtrace.tracer.record import FIRST_CALL, OPCODES, OPERATION, Batch, Kind, Wake, is_call
from uringtrace.tracer.records import (
    CONTROL,
    ENTERED,
    IOVEC,
    MEMORY,
    MEMORY_BYTES,
    NAME,
    SOCKET_EVENT,
    Records,
    SocketEventKind,
)

ARGUMENTS = ("len", "off", "addr", "addr3", "op_flags", "file_index", "ioprio", "buf_index", "personality")
CALL_ARGUMENTS = tuple(f"arg{number}" for number in range(6))
WAKER_FIELDS = ("waker_file", "waker_argument")
CALL_FIELDS = (
    *CALL_ARGUMENTS,
    "second_file",
    "slept",
    "wake",
    "wakes",
    "waker",
    "waker_opcode",
    *WAKER_FIELDS,
    "woken_ns",
    "woke",
    "woke_count",
)
RING_FIELDS = (
    *ARGUMENTS,
    "user_data",
    "previous_ns",
    "chain",
    "chain_position",
    "ring",
    "cqe_flags",
    "sequence",
    "path",
    "sqe_flags",
)
SIGNED_64 = ("submitted_ns", "completed_ns", "previous_ns", "chain", "woken_ns")
SIGNED_32 = (
    "ring",
    "tgid",
    "tid",
    "file",
    "sequence",
    "second_file",
    "result_file",
    "waker",
    "waker_file",
    "woke",
)
CALL_OPCODES = st.integers(FIRST_CALL, OPCODES - 1)


def _values(name: str) -> st.SearchStrategy[int]:
    if name == "kind":
        return st.sampled_from([kind.value for kind in Kind])
    if name == "wake":
        return st.sampled_from([wake.value for wake in Wake])
    if name == "opcode":
        return st.integers(0, FIRST_CALL - 1) | CALL_OPCODES
    if name == "waker_opcode":
        return st.just(0) | CALL_OPCODES
    if OPERATION[name] == np.bool_:
        return st.integers(0, 1)
    if name in SIGNED_64:
        low, high = 0, 2**63 - 1
    elif name in SIGNED_32:
        low, high = 0, 2**31 - 1
    else:
        type = OPERATION[name]
        low, high = np.iinfo(type).min, np.iinfo(type).max
    # The edges are where a type or a NULL goes wrong; errno values are small.
    edges = st.sampled_from(sorted({0, max(low, -1), low, high, min(high, 255)}))
    small = st.integers(max(low, -600), 200)
    return edges | small | st.integers(low, high)


def consistent(batch: Batch) -> Batch:
    """Each interface has its own fields; without arguments there are none, as without a chain and a waker."""
    call = is_call(batch)
    for name in RING_FIELDS:
        batch[name][call] = 0
    for name in CALL_FIELDS:
        batch[name][~call] = 0
    for name in (*ARGUMENTS, *CALL_ARGUMENTS):
        batch[name][~batch["has_arguments"]] = 0
    batch["chain_position"][batch["chain"] == 0] = 0
    for name in WAKER_FIELDS:
        batch[name][batch["waker_opcode"] == 0] = 0
    return batch


_ROWS = st.fixed_dictionaries({name: _values(name) for name in OPERATION.names or ()})


@st.composite
def batches(draw: st.DrawFn, min_rows: int = 0, max_rows: int = 20) -> Batch:
    """A batch of `min_rows` to `max_rows`, in which a row may repeat, as constants do."""
    rows = draw(st.lists(_ROWS, min_size=min_rows, max_size=max_rows))
    repeat = draw(st.integers(1, 3))
    batch = np.zeros(len(rows), OPERATION)
    for position, row in enumerate(rows):
        for name, value in row.items():
            batch[name][position] = value
    return consistent(np.repeat(batch, repeat))


_CODES = (0, 1, 2, 3, 4, 5, IOVEC, NAME, CONTROL, 1 | ENTERED, 3 | ENTERED)


def pieces(row: int, argument: int, data: bytes, total: int) -> np.ndarray:
    """One argument's memory as the kernel side cuts it, dtype MEMORY."""
    parts = [data[start : start + MEMORY_BYTES] for start in range(0, max(len(data), 1), MEMORY_BYTES)]
    cut = np.zeros(len(parts), MEMORY)
    for position, part in enumerate(parts):
        cut[position] = (row, argument, len(part), total, part.ljust(MEMORY_BYTES, b"\0"))
    return cut


def memory(*given: tuple[int, int, bytes]) -> np.ndarray:
    """Memory of (row, argument, data), all of it read."""
    return np.concatenate([np.zeros(0, MEMORY), *(pieces(*each, total=len(each[2])) for each in given)])


@st.composite
def memories(draw: st.DrawFn, rows: int) -> np.ndarray:
    """Memory of some of `rows` operations, in the order of the rows."""
    found = [np.zeros(0, MEMORY)]
    for row in range(rows):
        for argument in draw(st.lists(st.sampled_from(_CODES), unique=True, max_size=3)):
            data = draw(st.binary(max_size=200) | st.sampled_from([b"/etc/passwd\0", b"/tmp/\xff\\\0", b"/"]))
            total = len(data) + draw(st.sampled_from([0, 0, 1, 2**31]))
            found.append(pieces(row, argument, data, total))
    return np.concatenate(found)


_EVENT = st.tuples(
    st.integers(1, 2**62),
    st.integers(0, 2**31 - 1),
    st.sampled_from([kind.value for kind in SocketEventKind]),
    st.integers(0, 255),
    st.integers(0, 255),
)


@st.composite
def records(draw: st.DrawFn, min_rows: int = 0, max_rows: int = 8) -> Records:
    """Operations with the memory of some and with socket events."""
    operations = draw(batches(min_rows, max_rows))
    events = np.array(draw(st.lists(_EVENT, max_size=5)), SOCKET_EVENT)
    return Records(operations, draw(memories(operations.size)), events)
