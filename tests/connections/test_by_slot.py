"""Sums and orders by small numbers, against what numpy's general ways give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.tracer.connections.by_slot import add_counts, add_sums, dense, groups, order_of

NUMBERS = st.lists(st.integers(0, 40), max_size=60).map(lambda given: np.array(given, np.int64))
SIZES = st.sampled_from([41, 64, 5000, 70_000])


@given(NUMBERS, SIZES)
def test_counts(numbers: np.ndarray, size: int) -> None:
    table, expected = np.arange(size), np.arange(size)
    add_counts(table, numbers)
    np.add.at(expected, numbers, 1)
    assert (table == expected).all()


@given(NUMBERS.filter(len), SIZES, st.integers(0, 2**62 - 1))
def test_sums_are_exact_however_large(numbers: np.ndarray, size: int, largest: int) -> None:
    values = np.full(len(numbers), 3)
    values[0] = largest // len(numbers)
    table, expected = np.zeros(size, np.int64), np.zeros(size, np.int64)
    add_sums(table, numbers, values)
    np.add.at(expected, numbers, values)
    assert (table == expected).all()


def test_a_sum_that_a_float_would_round() -> None:
    table = np.zeros(2, np.int64)
    add_sums(table, np.array([1, 1, 1]), np.array([2**53, 1, 1]))
    assert table.tolist() == [0, 2**53 + 2]


@given(NUMBERS, st.integers(0, 2), SIZES)
def test_dense_numbers_are_those_of_unique(numbers: np.ndarray, times: int, size: int) -> None:
    numbers = numbers * times
    unique, inverse = dense(numbers, max(size, 81))
    expected, expected_inverse = np.unique(numbers, return_inverse=True)
    assert unique.tolist() == expected.tolist()
    assert inverse.tolist() == expected_inverse.tolist()


@given(NUMBERS, st.sampled_from([1, 5000]))
def test_the_order_is_stable(numbers: np.ndarray, times: int) -> None:
    assert order_of(numbers * times).tolist() == np.argsort(numbers, kind="stable").tolist()


@pytest.mark.parametrize(("numbers", "begin"), [([], []), ([3], [0]), ([3, 3, 5, 3], [0, 2, 3])])
def test_groups_of_neighbours(numbers: list[int], begin: list[int]) -> None:
    assert groups(np.array(numbers, np.int64)).tolist() == begin
