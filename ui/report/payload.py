"""The data of a page: figures and single operations as JSON, compressed, in letters that no parser minds.

gzip and base64: no `<` and no line separator can be in it, so nothing that a program named can
end the element that holds it. `report.js` unpacks it.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly.utils import PlotlyJSONEncoder

from uringtrace.tracer.recording.columns import ERRORS, PATHS
from uringtrace.tracer.report.lanes_model import Lanes
from uringtrace.tracer.report.model import FAMILIES, Report
from uringtrace.ui.report.bar_words import KIND_WORDS, WAKE_WORDS
from uringtrace.ui.report.colours import FAILED, FAMILY_COLOURS, PATH_PATTERNS
from uringtrace.ui.report.figures import FIGURES
from uringtrace.ui.report.harmless import figure_text
from uringtrace.ui.report.latency import heat_choices
from uringtrace.ui.report.timeline import (
    MOST_DRAWN,
    cells_words,
    family_scale,
    lane_places,
    timeline_layout,
)

_EXACT = 2**53
"""Whole numbers below are exact in JavaScript."""


def payload(report: Report, names: Iterable[str]) -> str:
    """The data of these figures."""
    chosen = list(names)
    figures = {name: _figure(report, name) for name in chosen}
    data: dict[str, Any] = {
        "first": report.first_ns / 1e9,
        "ended": report.ended_ns / 1e9,
        "figures": figures,
        "overTime": [name for name in chosen if FIGURES[name].over_time],
    }
    if "timeline" in chosen:
        data["timeline"] = _timeline(report.lanes)
    if "heat-map" in chosen:
        data["heatChoices"] = [name for name, _ in heat_choices(report)]
    return packed(data)


def packed(data: object) -> str:
    """Any data as gzip in base64."""
    text = json.dumps(data, cls=PlotlyJSONEncoder, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode("ascii")


def _figure(report: Report, name: str) -> dict[str, Any]:
    if name == "timeline":
        # Its traces are made in the page, which has the single operations.
        layout = timeline_layout(report.lanes, report.first_ns / 1e9, report.ended_ns / 1e9)
        layout["xaxis"]["rangeslider"] = {"visible": False}
        return {"data": [], "layout": layout}
    drawn: dict[str, Any] = FIGURES[name].draw(report).to_plotly_json()
    drawn["layout"].pop("template", None)
    return drawn


def _timeline(lanes: Lanes) -> dict[str, Any]:
    bars, cells, marks = lanes.bars, lanes.cells, lanes.marks
    top, height = lane_places(lanes)
    has_result = bars.has_result & (np.abs(bars.result) < _EXACT)
    return {
        "mostDrawn": MOST_DRAWN,
        "cellsWords": cells_words(lanes),
        "complete": lanes.complete,
        "families": list(FAMILIES),
        "familyColours": list(FAMILY_COLOURS.values()),
        "familyScale": family_scale(),
        "failed": FAILED,
        "paths": list(PATHS),
        "patterns": [PATH_PATTERNS[path] for path in PATHS],
        "kinds": {int(kind): words for kind, words in KIND_WORDS.items()},
        "wakes": {int(wake): words for wake, words in WAKE_WORDS.items()},
        "errors": {str(number): name for number, name in ERRORS.items()},
        "operations": [figure_text(name) for name in lanes.operations],
        "operationFamily": list(lanes.families),
        "files": [figure_text(name) for name in lanes.files],
        "events": [figure_text(name) for name in lanes.events],
        "lanes": [
            {"group": lane.group, "name": figure_text(lane.name), "count": lane.count, "depth": lane.depth}
            for lane in lanes.lanes
        ],
        "laneTop": top.tolist(),
        "laneHeight": height.tolist(),
        "windows": [[each.began_ns, each.ended_ns, each.rows, each.reason] for each in lanes.windows],
        "cells": {
            "first": cells.first_ns / 1e9,
            "step": cells.step_ns / 1e9,
            "steps": cells.steps,
            "lane": typed(cells.lane),
            "at": typed(cells.step),
            "count": typed(cells.count),
            "family": typed(cells.family),
            "ofFamily": typed(cells.of_family),
        },
        "bars": {
            "began": typed(bars.began_ns.astype(np.float64)),
            "ended": typed(bars.ended_ns.astype(np.float64)),
            "operation": typed(bars.operation),
            "kind": typed(bars.kind),
            "path": typed(bars.path),
            "lane": [typed(bars.lane[:, group]) for group in range(bars.lane.shape[1])],
            "slot": [typed(bars.slot[:, group]) for group in range(bars.slot.shape[1])],
            "result": typed(np.where(has_result, bars.result, 0).astype(np.float64)),
            "hasResult": typed(has_result.astype(np.uint8)),
            "tid": typed(bars.tid.astype(np.int32)),
            "fd": typed(bars.fd.astype(np.int32)),
            "file": typed(bars.file),
            "woken": typed(bars.woken_ns.astype(np.float64)),
            "wake": typed(bars.wake),
            "waker": typed(bars.waker.astype(np.int32)),
            "begunBefore": typed(bars.begun_before.astype(np.uint8)),
            "slowest": typed(bars.slowest.astype(np.uint8)),
        },
        "marks": {
            "at": typed(marks.ns.astype(np.float64)),
            "lane": typed(marks.lane),
            "fd": typed(marks.fd.astype(np.int32)),
            "events": typed(marks.events),
            "file": typed(marks.file),
        },
    }


def typed(array: NDArray[np.generic]) -> dict[str, str]:
    """An array as plotly.js and `report.js` take it: little endian, in base64."""
    little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<")))
    name = f"{array.dtype.kind}{array.dtype.itemsize}"
    return {"dtype": name, "bdata": base64.b64encode(little.tobytes()).decode("ascii")}
