"""A `Summary` as the JSON object of `stat --json`; docs/json.md describes the fields."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from uringtrace.tracer.connections import connection_rows
from uringtrace.tracer.latency import LatencySummary
from uringtrace.tracer.statistics import RESOLUTION
from uringtrace.tracer.summary import OperationSummary, Summary

SCHEMA = 1


def summary_object(summary: Summary, *, interval: bool = False) -> dict[str, Any]:
    """The documented object; `interval` marks a part of a capture, which has no rings."""
    totals = asdict(summary.totals)
    if interval:
        del totals["in_flight"], totals["messages"], totals["overflows"], totals["dropped"]
    return {
        "schema": SCHEMA,
        "type": "interval" if interval else "summary",
        "kernel": summary.kernel,
        "machine": summary.machine,
        "target": summary.target,
        "duration_s": summary.duration_s,
        "quantile_resolution": RESOLUTION,
        "operations": [_operation(operation) for operation in summary.operations],
        **({} if interval else {"rings": [asdict(ring) for ring in summary.rings]}),
        **_details(summary),
        "totals": totals,
        "lost": dict(summary.losses.lost),
        "lost_total": summary.losses.total_lost,
        "untracked": summary.losses.untracked,
    }


def summary_json(summary: Summary, *, interval: bool = False) -> str:
    """One line of JSON, without line end."""
    return json.dumps(summary_object(summary, interval=interval), ensure_ascii=False)


def _details(summary: Summary) -> dict[str, Any]:
    """What is there only where it was asked for."""
    found: dict[str, Any] = {}
    if summary.connections is not None:
        details = summary.connections
        times = ("served_first", "served_last", "asked_first", "asked_last")
        found["connections"] = connection_rows(details.connections)
        found["connection_totals"] = asdict(details.totals)
        found["request_times"] = {name: _latency(getattr(details, name)) for name in times}
    if summary.threads is not None:
        found["threads"] = [asdict(thread) for thread in summary.threads]
    return found


def _latency(latency: LatencySummary | None) -> dict[str, Any] | None:
    return None if latency is None else asdict(latency)


def _operation(operation: OperationSummary) -> dict[str, Any]:
    fields = asdict(operation)
    counts = {name: fields.pop(name) for name in ("inline", "poll", "io_wq")}
    shares = {name: operation.share(count) for name, count in counts.items()}
    return fields | {"paths": counts, "path_shares": shares}
