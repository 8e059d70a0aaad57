"""Sums, extremes and orders by small numbers, as those of sockets: without sorting where it can be done.

`numpy.ufunc.at` costs many times what a count over dense numbers does. Invariant: all results are exact, and
equal what `at` gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_EXACT = 1 << 53
"""Up to here a float64 holds every integer: numpy's weighted counts add up in float64."""
_SMALL = 1 << 16


def order_of(numbers: NDArray[Any]) -> NDArray[np.intp]:
    """The stable order of numbers from 0 on, shape (n,); numpy sorts 16 bits by counting."""
    if len(numbers) and int(numbers.max()) < _SMALL:
        numbers = numbers.astype(np.uint16)
    return np.argsort(numbers, kind="stable")


def dense(numbers: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What `numpy.unique(numbers, return_inverse=True)` gives, for numbers from 0 to `size` - 1."""
    if size > 4 * len(numbers):
        unique, inverse = np.unique(numbers, return_inverse=True)
        return unique, inverse.astype(np.int64)
    there = np.zeros(size, bool)
    there[numbers] = True
    unique = np.flatnonzero(there)
    place = np.zeros(size, np.int64)
    place[unique] = np.arange(len(unique))
    return unique, place[numbers]


def add_counts(table: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
    """Add 1 to `table` at each of `numbers`."""
    if len(table) > 4 * len(numbers):
        np.add.at(table, numbers, 1)
    else:
        table += np.bincount(numbers, minlength=len(table))


def add_sums(table: NDArray[np.int64], numbers: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    """Add `values`, none negative, to `table` at `numbers`; both of shape (n,)."""
    if len(table) > 4 * len(numbers) or int(values.max()) >= _EXACT // len(values):
        np.add.at(table, numbers, values)
    else:
        table += np.bincount(numbers, values, len(table)).astype(np.int64)


def groups(numbers: NDArray[Any]) -> NDArray[np.intp]:
    """Where each group of equal neighbours begins, shape (groups,)."""
    fresh = np.ones(len(numbers), bool)
    fresh[1:] = numbers[1:] != numbers[:-1]
    return np.flatnonzero(fresh)
