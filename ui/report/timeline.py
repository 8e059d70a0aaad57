"""The timeline: swim lanes per thread, ring and connection.

Of a window with few enough operations every one is a bar; else cells show how many ended in a
lane and step of time, and the slowest are bars all the same. The figure says which it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from uringtrace.tracer.recording.columns import PATHS
from uringtrace.tracer.report.lanes_model import Lanes
from uringtrace.tracer.report.model import FAMILIES
from uringtrace.ui.report.bar_words import bar_words
from uringtrace.ui.report.colours import FAILED, FAMILY_COLOURS, PATH_PATTERNS, pale
from uringtrace.ui.report.harmless import figure_text
from uringtrace.ui.report.look import look, slider
from uringtrace.ui.text import numbers

MOST_DRAWN = 2_500
"""A window with more operations shows cells."""
LANE_HEIGHT = 22
"""Pixels."""
_ROUNDING_NS = 0.5
"""By which a moment in seconds may be off."""
_FILLED = 0.84
"""Of a lane's height."""
_NAME_MOST = 34
_SHALLOWEST, _DEEPEST = 0.25, 1.0
"""Opacities of a cell with one operation, and of the fullest one."""


def timeline_figure(lanes: Lanes, window: tuple[float, float] | None = None) -> go.Figure:
    """The whole capture, or a window of it: two moments in seconds since the start."""
    began, ended = window or (lanes.first_ns / 1e9, lanes.ended_ns / 1e9)
    figure = go.Figure(layout=timeline_layout(lanes, began, ended))
    chosen = bars_within(lanes, began, ended)
    if chosen is None:
        chosen = np.flatnonzero(lanes.bars.slowest)
        figure.add_trace(cells_trace(lanes))
        figure.update_layout(title={"text": cells_words(lanes)})
    else:
        figure.update_layout(title={"text": f"each of {len(chosen):,} operations is a bar"})
        figure.add_traces(mark_traces(lanes, chosen, began, ended))
    figure.add_traces(bar_traces(lanes, chosen))
    figure.add_traces(legend_traces(lanes))
    return figure


def bars_within(lanes: Lanes, began: float, ended: float) -> NDArray[np.intp] | None:
    """Indices of all bars in a window; None where they are too many, or not all of them are known."""
    low, high = began * 1e9, ended * 1e9
    covered = any(
        window.began_ns - _ROUNDING_NS <= max(low, lanes.first_ns)
        and min(high, lanes.ended_ns) <= window.ended_ns + _ROUNDING_NS
        for window in lanes.windows
    )
    inside = np.flatnonzero((lanes.bars.ended_ns >= low) & (lanes.bars.began_ns <= high))
    return inside if covered and len(inside) <= MOST_DRAWN else None


def cells_words(lanes: Lanes) -> str:
    """What the cells show, since they show no single operation."""
    step = numbers.duration(lanes.cells.step_ns)
    return f"aggregated: a cell is the operations that ended in its {step}; the slowest are bars"


def lane_places(lanes: Lanes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Top and height of each lane on the y axis, which goes down; a deep lane is higher."""
    depth = np.array([lane.depth for lane in lanes.lanes], np.float64)
    height = np.clip(depth / 4, 1.0, 3.0)
    return np.cumsum(height) - height, height


def timeline_layout(lanes: Lanes, began: float, ended: float) -> dict[str, Any]:
    """Everything of the figure but its traces."""
    names = [_shortened(lane.name) for lane in lanes.lanes]
    top, height = lane_places(lanes)
    whole = max(3.0, float(height.sum()))
    shapes = [
        {
            "type": "line",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": top[place],
            "y1": top[place],
            "line": {"width": 1, "color": "#888"},
        }
        for place in range(1, len(lanes.lanes))
        if lanes.lanes[place].group != lanes.lanes[place - 1].group
    ]
    return {
        **look(),
        "height": round(110 + LANE_HEIGHT * whole),
        "margin": {"l": 10, "r": 10, "t": 34, "b": 40},
        "barmode": "overlay",
        "hovermode": "closest",
        "dragmode": "zoom",
        "shapes": shapes,
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "right", "x": 1},
        "title": {
            "font": {"size": 13},
            "x": 0,
            "xanchor": "left",
            "xref": "paper",
            "y": 1,
            "yref": "container",
            "pad": {"t": 8},
        },
        "xaxis": {
            "title": {"text": "seconds since the capture began"},
            "range": [began, ended],
            "rangeslider": slider(lanes.first_ns, lanes.ended_ns, thickness=0.05),
        },
        "yaxis": {
            "range": [whole, 0],
            "tickmode": "array",
            "tickvals": (top + height / 2).tolist(),
            "ticktext": [figure_text(name) for name in names],
            "automargin": True,
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        },
    }


def cells_trace(lanes: Lanes) -> go.Heatmap:
    """The cells as one heat map: the colour of each family, the stronger the more operations."""
    cells = lanes.cells
    shape = (len(lanes.lanes), cells.steps)
    strength = np.log1p(cells.count) / max(np.log1p(cells.count).max(initial=0), 1e-9)
    z = np.full(shape, np.nan, np.float32)
    z[cells.lane, cells.step] = cells.family + 0.01 + 0.98 * strength
    text = np.full(shape, "", object)
    for lane, step, count, family, of_family in zip(
        cells.lane.tolist(),
        cells.step.tolist(),
        cells.count.tolist(),
        cells.family.tolist(),
        cells.of_family.tolist(),
        strict=True,
    ):
        text[lane, step] = f"{count:,} operations ended here, {of_family:,} of them {FAMILIES[family]}"
    step_s = cells.step_ns / 1e9
    top, height = lane_places(lanes)
    return go.Heatmap(
        z=z,
        x0=cells.first_ns / 1e9 + step_s / 2,
        dx=step_s,
        y=np.append(top, top[-1:] + height[-1:]) if len(top) else [],
        zmin=0,
        zmax=len(FAMILIES),
        colorscale=family_scale(),
        showscale=False,
        hoverongaps=False,
        text=text,
        hovertemplate="%{x:.6f} s<br>%{text}<extra></extra>",
        name="aggregated",
    )


def family_scale() -> list[list[Any]]:
    """A colour scale from 0 to the number of families: each one's colour, pale to full, after the other."""
    scale: list[list[Any]] = []
    for place, family in enumerate(FAMILIES):
        colour = FAMILY_COLOURS[family]
        scale.append([place / len(FAMILIES), pale(colour, _SHALLOWEST)])
        scale.append([(place + 1) / len(FAMILIES), pale(colour, _DEEPEST)])
    return scale


def bar_traces(lanes: Lanes, chosen: NDArray[np.intp]) -> list[go.Bar]:
    """One trace per family, with a bar for each of the chosen operations in each lane it is in."""
    bars = lanes.bars
    family = np.array(lanes.families, np.int64)[bars.operation[chosen]]
    traces = []
    for place, name in enumerate(FAMILIES):
        of_family = chosen[family == place]
        lane = bars.lane[of_family]
        row, group = np.nonzero(lane >= 0)
        index = of_family[row]
        y, width = bar_places(lanes, index, group)
        words = {each: bar_words(lanes, each) for each in of_family.tolist()}
        failed = bars.has_result[index] & (bars.result[index] < 0) & (bars.result[index] >= -4095)
        traces.append(
            go.Bar(
                orientation="h",
                base=bars.began_ns[index] / 1e9,
                x=(bars.ended_ns[index] - bars.began_ns[index]) / 1e9,
                y=y,
                width=width,
                marker={
                    "color": FAMILY_COLOURS[name],
                    "line": {"width": 1, "color": np.where(failed, FAILED, FAMILY_COLOURS[name]).tolist()},
                    "pattern": {
                        "shape": [_pattern(path) for path in bars.path[index].tolist()],
                        "fillmode": "overlay",
                        "solidity": 0.35,
                    },
                },
                customdata=index,
                hovertext=[words[each] for each in index.tolist()],
                hoverinfo="text",
                name=name,
                showlegend=False,
            )
        )
    return traces


def legend_traces(lanes: Lanes) -> list[go.Scatter]:
    """The colours of the kinds that occur; a bar's own key would have its pattern and edge."""
    return [
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"symbol": "square", "size": 10, "color": FAMILY_COLOURS[name]},
            name=name,
            hoverinfo="skip",
        )
        for place, name in enumerate(FAMILIES)
        if place in lanes.families
    ]


def bar_places(
    lanes: Lanes, index: NDArray[np.intp], group: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle and height of bars on the y axis; all of one shape."""
    lane = lanes.bars.lane[index, group]
    top, height = lane_places(lanes)
    depth = np.array([each.depth for each in lanes.lanes], np.float64)[lane]
    slot = lanes.bars.slot[index, group]
    filled = _FILLED * height[lane]
    return top[lane] + height[lane] / 2 + filled * ((slot + 0.5) / depth - 0.5), filled / depth


def mark_traces(lanes: Lanes, chosen: NDArray[np.intp], began: float, ended: float) -> list[go.Scatter]:
    """Wake-ups and readiness in a window, as marks on the lanes of threads."""
    bars, marks = lanes.bars, lanes.marks
    woken = chosen[(bars.woken_ns[chosen] >= 0) & (bars.lane[chosen, 0] >= 0)]
    ready = np.flatnonzero((marks.ns >= began * 1e9) & (marks.ns <= ended * 1e9) & (marks.lane >= 0))
    top, height = lane_places(lanes)
    wake_words = [bar_words(lanes, each) for each in woken.tolist()]
    ready_words = [mark_words(lanes, each) for each in ready.tolist()]
    above, below = top[bars.lane[woken, 0]] + 0.05, (top + height)[marks.lane[ready]] - 0.05
    return [
        _marks("wake-up", "triangle-down", bars.woken_ns[woken], above, wake_words),
        _marks("readiness", "diamond", marks.ns[ready], below, ready_words),
    ]


def mark_words(lanes: Lanes, index: int) -> str:
    """What one mark of readiness is about."""
    marks = lanes.marks
    fd = f"fd {marks.fd[index]}" if marks.fd[index] >= 0 else "a descriptor"
    file = f" {figure_text(lanes.files[marks.file[index]])}" if marks.file[index] >= 0 else ""
    return f"{fd}{file} was reported ready: {figure_text(lanes.events[marks.events[index]])}"


def _marks(
    name: str, symbol: str, ns: NDArray[np.int64], y: NDArray[np.float64], words: list[str]
) -> go.Scatter:
    return go.Scatter(
        x=ns / 1e9,
        y=y,
        mode="markers",
        marker={"symbol": symbol, "size": 6, "color": "#888888"},
        hovertext=words,
        hoverinfo="text",
        name=name,
        showlegend=True,
    )


def _pattern(path: int) -> str:
    return PATH_PATTERNS[PATHS[path]] if path >= 0 else ""


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_MOST else name[: _NAME_MOST - 1] + "…"
