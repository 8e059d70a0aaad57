"""Rows of structured arrays, moved whole.

numpy copies a structured array field by field; its rows as blocks of bytes take a twentieth of
that time. Invariant: what comes out equals what numpy's own indexing, concatenate and copy give.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def blocks(rows: NDArray[Any]) -> NDArray[np.void]:
    """The same memory as rows without fields, shape (n,)."""
    return rows.view(np.dtype((np.void, rows.itemsize)))


def take_rows(rows: NDArray[Any], where: NDArray[Any]) -> NDArray[Any]:
    """`rows[where]`, shape (m,); `where` is a mask or holds indexes."""
    taken: NDArray[Any] = blocks(rows)[where].view(rows.dtype)
    return taken


def join_rows(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """`np.concatenate(parts)`, which have one dtype; at least one."""
    return np.concatenate([blocks(part) for part in parts]).view(parts[0].dtype)


def copy_rows(rows: NDArray[Any]) -> NDArray[Any]:
    """`rows.copy()`."""
    return blocks(rows).copy().view(rows.dtype)
