"""A figure as an image file for papers; kaleido, which is not always installed, draws it."""

from __future__ import annotations

from importlib.util import find_spec

import plotly.graph_objects as go

from uringtrace.errors import CapabilityError, Error, UsageError

FORMATS = ("svg", "png", "pdf")
WIDTH = 1200
"""Pixels."""


def image_format(path: str) -> str:
    """By the ending of a path; raises UsageError for others than FORMATS."""
    ending = path.rpartition(".")[2].lower()
    if ending not in FORMATS:
        raise UsageError(
            f"cannot tell the format of {path}", f"end it in {', '.join(f'.{each}' for each in FORMATS)}"
        )
    return ending


def require_kaleido() -> None:
    """Raise CapabilityError where kaleido is not installed."""
    if find_spec("kaleido") is None:
        raise CapabilityError(
            "images need kaleido, which is not installed",
            "pip install kaleido; it uses an installed Chromium",
        )


def image(figure: go.Figure, ending: str) -> bytes:
    """The figure on white; raises CapabilityError without kaleido, and Error where it fails."""
    require_kaleido()
    figure.update_layout(paper_bgcolor="white", plot_bgcolor="white")
    figure.update_xaxes(rangeslider_visible=False)
    try:
        drawn: bytes = figure.to_image(format=ending, width=WIDTH, scale=2 if ending == "png" else 1)
    except Exception as error:  # whatever its browser throws
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Error(
            f"kaleido could not draw the figure: {lines[0]}", "it needs an installed Chromium"
        ) from None
    return drawn
