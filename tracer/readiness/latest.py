"""The newest of what happened to something before a moment: as-of joins, batch after batch.

Invariant: `Latest` answers for moments in the batch it was last given; of earlier batches it
keeps the newest item of each key, so that an answer is never newer than the moment asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_KEYS_KEPT = 1 << 18


def as_of(
    keys: NDArray[np.uint64],
    times: NDArray[np.uint64],
    asked_keys: NDArray[np.uint64],
    asked_times: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """For each question the index of the newest item of its key at or before its time; -1: none.

    Of items with one time the last given counts.
    """
    items, questions = keys.size, asked_keys.size
    if not items:
        return np.full(questions, -1)
    key, time = np.concatenate([keys, asked_keys]), np.concatenate([times, asked_times])
    asking = np.concatenate([np.zeros(items, np.bool_), np.ones(questions, np.bool_)])
    order = np.lexsort((asking, time, key))
    place = np.arange(order.size)
    newest = np.maximum.accumulate(np.where(asking[order], -1, place))
    candidate = order[np.maximum(newest, 0)]
    same = (newest >= 0) & (key[candidate] == key[order])
    found = np.full(order.size, -1)
    found[order] = np.where(same, candidate, -1)
    return found[items:]


class Latest:
    """Items of a dtype with the fields `key` (u8) and `ns` (u8): the newest of each key."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._items: NDArray[np.void] = np.zeros(0, dtype)
        self._one_each = True
        """Of no key there are several."""

    def add(self, items: NDArray[np.void]) -> None:
        """Take in a batch; of those before it only the newest of each key remain."""
        if not (self._one_each and not items.size):
            self._items = np.concatenate([self._newest(), items])
        self._one_each = not items.size

    def at(self, keys: NDArray[np.uint64], times: NDArray[np.uint64]) -> NDArray[np.void]:
        """The newest item of each key at or before each time; all zero where there is none."""
        index = as_of(self._items["key"], self._items["ns"], keys, times)
        found: NDArray[np.void] = np.zeros(keys.size, self._items.dtype)
        found[index >= 0] = self._items[index[index >= 0]]
        return found

    def forget(self, keys: NDArray[np.bool_]) -> None:
        """Drop the items for which the mask over `items` holds."""
        self._items = self._items[~keys]

    @property
    def items(self) -> NDArray[np.void]:
        return self._items

    def _newest(self) -> NDArray[np.void]:
        items = self._items
        order = np.lexsort((items["ns"], items["key"]))
        key = items["key"][order]
        last = np.concatenate([key[1:] != key[:-1], [True]])[: key.size]
        kept: NDArray[np.void] = items[order[last]]
        if kept.size > _KEYS_KEPT:
            kept = kept[np.argsort(kept["ns"], kind="stable")[-_KEYS_KEPT:]]
        return kept
