"""Rows moved as blocks are the rows that numpy's own indexing gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from uringtrace.probes.rows import blocks, copy_rows, join_rows, take_rows
from uringtrace.probes.slots import OPERATION_SLOT
from uringtrace.tracer.record import OPERATION

DTYPES = (OPERATION, OPERATION_SLOT)


def rows_of(data: bytes, dtype: np.dtype[Any]) -> NDArray[np.void]:
    """As many rows as `data` has bytes, each other than the next."""
    filled = np.frombuffer(data * dtype.itemsize, np.uint8) + np.arange(
        len(data) * dtype.itemsize, dtype=np.uint8
    )
    return filled.view(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=["operations", "slots"])
@given(data=st.binary(max_size=20), chance=st.data())
def test_taken_rows_are_those_of_numpy(dtype: np.dtype[Any], data: bytes, chance: st.DataObject) -> None:
    rows = rows_of(data, dtype)
    mask = chance.draw(arrays.arrays(bool, len(rows)))
    order = np.array(chance.draw(st.permutations(range(len(rows)))), np.intp)
    for where in (mask, np.flatnonzero(mask), order):
        taken = take_rows(rows, where)
        assert taken.dtype == dtype
        assert taken.tobytes() == rows[where].tobytes()
        assert not np.shares_memory(taken, rows)


@pytest.mark.parametrize("dtype", DTYPES, ids=["operations", "slots"])
@given(parts=st.lists(st.binary(max_size=8), min_size=1, max_size=4), step=st.integers(1, 3))
def test_joined_and_copied_rows_are_those_of_numpy(
    dtype: np.dtype[Any], parts: list[bytes], step: int
) -> None:
    # Also rows with gaps between them, as a slice with a step has.
    arrays_of = [rows_of(part, dtype)[::step] for part in parts]
    assert join_rows(arrays_of).tobytes() == np.concatenate(arrays_of).tobytes()
    copy = copy_rows(arrays_of[0])
    assert copy.dtype == dtype
    assert copy.tobytes() == arrays_of[0].tobytes()
    assert not np.shares_memory(copy, arrays_of[0])


def test_blocks_are_the_same_memory() -> None:
    rows = np.zeros(3, OPERATION)
    blocks(rows)[1:2] = blocks(np.ones(1, OPERATION))
    assert rows["result"].tolist() == [0, 1, 0]
