"""Batches as hypothesis draws them: every value the kernel side can deliver."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from uringtrace.tracer.record import OPERATION, Batch, Kind

ARGUMENTS = ("len", "off", "addr", "addr3", "op_flags", "file_index", "ioprio", "buf_index", "personality")
SIGNED_64 = ("submitted_ns", "completed_ns", "previous_ns", "chain")
SIGNED_32 = ("ring", "tgid", "tid", "file", "sequence")


def _values(name: str) -> st.SearchStrategy[int]:
    if name == "kind":
        return st.sampled_from([kind.value for kind in Kind])
    if name == "has_arguments":
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
    small = st.integers(max(low, -200), 200)
    return edges | small | st.integers(low, high)


def _consistent(batch: Batch) -> Batch:
    """Without SQE fields there are none, and who is not in a chain has no position in it."""
    for name in ARGUMENTS:
        batch[name][~batch["has_arguments"]] = 0
    batch["chain_position"][batch["chain"] == 0] = 0
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
    return _consistent(np.repeat(batch, repeat))
