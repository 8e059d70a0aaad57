"""The order of a table's rows: by a column, what is not known last, ties by a fixed key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Value = float | str | None


def ordered(
    items: Iterable[Item],
    value: Callable[[Item], Value],
    *,
    descending: bool,
    tie: Callable[[Item], Any],
) -> Sequence[Item]:
    """`items` by `value`, which has one type but for None: that comes last whichever way.

    Ties by `tie`, always ascending.
    """
    known: list[Item] = []
    unknown: list[Item] = []
    for item in sorted(items, key=tie):
        (unknown if value(item) is None else known).append(item)
    known.sort(key=value, reverse=descending)  # type: ignore[arg-type]  # None is sorted out above
    return known + unknown
