"""Columns of text, aligned; the first on the left, numbers on the right."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 80
"""Tables keep to this wherever their content allows."""


def table(rows: Sequence[Sequence[str]], width: int = WIDTH) -> list[str]:
    """One line per row, the first row being the heading; every row has as many cells.

    Columns stand two spaces apart, or one where the table would be wider than `width`.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= width else " "
    return [gap.join(_aligned(row, widths)).rstrip() for row in rows]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    return [row[0].ljust(len(first)), *rest]


def shortened(text: str, width: int) -> str:
    """At most `width` characters, the last an ellipsis where something was left out."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
