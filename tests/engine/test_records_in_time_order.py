"""`Records.sorted_by_completion`: a stable order by time that takes the memory of calls along."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import STARTED_NS, call, rows
from uringtrace.tracer.records import MEMORY, SOCKET_EVENT, Records, empty_records

TIMES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=12)


def records(times: list[tuple[int, int]]) -> Records:
    """Calls that took no time, known by `tid`, each with some pieces of memory that say whose they are."""
    batch = rows(*[call("read", after_ns=at, took_ns=0, tid=100 + row) for row, (at, _) in enumerate(times)])
    memory = [
        (row, 1, 2, 2 * pieces, bytes([row, piece]))
        for row, (_, pieces) in enumerate(times)
        for piece in range(pieces)
    ]
    return Records(batch, np.array(memory, MEMORY), np.zeros(0, SOCKET_EVENT))


@given(TIMES)
def test_rows_are_in_time_order_and_keep_their_memory(times: list[tuple[int, int]]) -> None:
    found = records(times).sorted_by_completion()
    expected = sorted(range(len(times)), key=lambda row: times[row][0])
    assert (found.operations["tid"] - 100).tolist() == expected
    assert (found.operations["completed_ns"] - STARTED_NS).tolist() == [times[row][0] for row in expected]
    assert (np.diff(found.memory["row"].astype(int)) >= 0).all()
    whose = {
        row: b"".join(bytes([expected[row], piece]) for piece in range(times[expected[row]][1]))
        for row in range(len(times))
        if times[expected[row]][1]
    }
    assert {row: memory[1].data for row, memory in found.memory_by_row().items()} == whose


def test_what_is_in_order_is_not_copied() -> None:
    ordered = records([(1, 1), (1, 2), (4, 0)])
    assert ordered.sorted_by_completion() is ordered
    empty = empty_records()
    assert empty.sorted_by_completion() is empty
