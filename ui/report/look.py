"""What all figures have in common; the page puts the colours of its own theme over it."""

from __future__ import annotations

from typing import Any

from uringtrace.tracer.report.model import Report
from uringtrace.ui.report.colours import SERIES

FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
_UNITS = ((-9, "ns"), (-6, "µs"), (-3, "ms"), (0, "s"), (3, "ks"))
SECONDS = "seconds since the capture began"


def look() -> dict[str, Any]:
    """Layout of every figure: no background of its own, and no template that would add a page to it."""
    return {
        "template": "none",
        "font": {"family": FONT, "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "colorway": list(SERIES),
        "hoverlabel": {"align": "left", "font": {"family": FONT, "size": 12}},
    }


def latency_axis() -> dict[str, Any]:
    """A logarithmic axis of seconds whose ticks are named as times are everywhere else."""
    ticks = {f"{10**power}{unit}": 10.0 ** (power + size) for size, unit in _UNITS for power in range(3)}
    return {
        "type": "log",
        "tickmode": "array",
        "tickvals": list(ticks.values()),
        "ticktext": list(ticks),
    }


def ordinary(*, height: int = 300, x: str, y: str, **changes: Any) -> dict[str, Any]:
    """Layout of a figure with two named axes."""
    layout: dict[str, Any] = {
        **look(),
        "height": height,
        "margin": {"l": 64, "r": 12, "t": 30, "b": 46},
        "legend": {
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.0,
            "xanchor": "right",
            "x": 1,
            "traceorder": "normal",
        },
        "xaxis": {"title": {"text": x}, "automargin": True, "zeroline": False},
        "yaxis": {"title": {"text": y}, "automargin": True, "zeroline": False},
    }
    for name, change in changes.items():
        layout[name] = {**layout[name], **change} if isinstance(change, dict) and name in layout else change
    return layout


def slider(first_ns: int, ended_ns: int, *, thickness: float) -> dict[str, Any]:
    """A range slider over the whole capture; its thickness is a part of the figure's height."""
    return {"visible": True, "thickness": thickness, "range": [first_ns / 1e9, ended_ns / 1e9]}


def over_time(report: Report, *, y: str, height: int = 300, **changes: Any) -> dict[str, Any]:
    """Layout of a figure over the time of the capture, all of it."""
    xaxis = {"range": [report.first_ns / 1e9, report.ended_ns / 1e9], **changes.pop("xaxis", {})}
    return ordinary(height=height, x=SECONDS, y=y, xaxis=xaxis, hovermode="x unified", **changes)
