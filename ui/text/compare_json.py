"""A `CompareReport` as the JSON object of `compare --json`; docs/compare.md describes the fields."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from uringtrace.tracer.compare import Comparison
from uringtrace.tracer.compare.account import Part
from uringtrace.tracer.compare.phases import Cost, Phase
from uringtrace.tracer.compare.report import CompareReport
from uringtrace.tracer.statistics import RESOLUTION

SCHEMA = 1


def compare_object(report: CompareReport) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "type": "comparison",
        "kernel": report.context.kernel,
        "machine": report.context.machine,
        "target": report.context.target,
        "duration_s": report.duration_s,
        "quantile_resolution": RESOLUTION,
        "strace": None if report.strace is None else asdict(report.strace),
        "why_not": report.why_not or None,
        "comparison": None if report.comparison is None else _comparison(report.comparison),
        "phases": [_phase(phase) for phase in report.phases],
        "costs": [_cost(cost) for cost in report.costs],
        "lost": dict(report.losses.lost),
        "lost_total": report.losses.total_lost,
        "untracked": report.losses.untracked,
    }


def compare_json(report: CompareReport) -> str:
    """One line of JSON, without line end."""
    return json.dumps(compare_object(report), ensure_ascii=False)


def _comparison(comparison: Comparison) -> dict[str, Any]:
    alignment = comparison.alignment
    return {
        "began_ns": comparison.window_ns[0],
        "ended_ns": comparison.window_ns[1],
        "paired_by": "time" if alignment.by_time else "order",
        "clock": alignment.clock.value,
        "offset_ns": alignment.residual_ns,
        "offset_uncertainty_ns": alignment.uncertainty_ns,
        "strace_calls": comparison.strace_calls,
        "both": comparison.both,
        "different_results": comparison.different_results,
        "operations": _part(comparison.operations),
        "calls": _part(comparison.calls),
        "bytes": _part(comparison.bytes),
        "connections": _part(comparison.connections),
        "only_uringtrace": {why.name.lower(): count for why, count in comparison.only_ours.items()},
        "only_strace": {why.name.lower(): count for why, count in comparison.only_theirs.items()},
        "names": [asdict(each) for each in comparison.names],
    }


def _part(part: Part) -> dict[str, Any]:
    return {"happened": part.happened, "strace": part.seen, "coverage": part.coverage}


def _phase(phase: Phase) -> dict[str, Any]:
    return {
        "observers": phase.observers,
        "seconds": phase.seconds,
        "operations": phase.operations,
        "operations_rate": phase.operations_rate,
        "bytes": phase.bytes,
        "requests": phase.requests,
        "requests_rate": phase.requests_rate,
        "latency": None if phase.latency is None else asdict(phase.latency),
        "target_cpu_s": phase.target_cpu_s,
        "observer_cpu_s": phase.observer_cpu_s,
        "told": phase.told,
    }


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        "observer": cost.observer,
        "happened": cost.happened,
        "told": cost.told,
        "slowdown": cost.slowdown,
        "of": "requests" if cost.of_requests else "operations",
        "latency_factor": cost.latency_factor,
        "cpu_factor": cost.cpu_factor,
    }
