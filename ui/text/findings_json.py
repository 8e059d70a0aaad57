"""A diagnosis as the JSON object of `diagnose --json`; docs/json.md describes the fields."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from uringtrace.tracer.findings import Diagnosed, Finding
from uringtrace.tracer.findings.regression import Compared
from uringtrace.ui.text.regression_text import regression_objects

SCHEMA = 1


def diagnosis_object(diagnosed: Diagnosed, compared: Sequence[Compared] = ()) -> dict[str, Any]:
    """The documented object."""
    context, architecture = diagnosed.context, diagnosed.architecture
    return {
        "schema": SCHEMA,
        "type": "diagnosis",
        "kernel": context.kernel,
        "machine": context.machine,
        "target": context.target,
        "started_ns": context.started_ns,
        "duration_s": diagnosed.duration_ns / 1e9,
        "operations": diagnosed.operations,
        "calls": diagnosed.calls,
        "worst": diagnosed.worst.word if diagnosed.worst is not None else None,
        "architecture": {
            "kind": architecture.kind.name.lower() if architecture.kind is not None else None,
            "words": architecture.word,
            "confidence": architecture.confidence.value,
            "observations": [
                {"text": each.text, "values": dict(each.values)} for each in architecture.observations
            ],
            "missing": architecture.missing,
        },
        "findings": [finding_object(finding) for finding in diagnosed.findings],
        "rules": [
            {
                "tag": verdict.tag,
                "state": verdict.state.value,
                "findings": len(verdict.findings),
                "missing": verdict.missing,
                "evicted": verdict.evicted,
            }
            for verdict in diagnosed.verdicts
        ],
        "lost": dict(diagnosed.losses.lost),
        "lost_total": diagnosed.losses.total_lost,
        "untracked": diagnosed.losses.untracked,
        "baseline": regression_objects(compared),
    }


def diagnosis_json(diagnosed: Diagnosed, compared: Sequence[Compared] = ()) -> str:
    """One line of JSON, without line end."""
    return json.dumps(diagnosis_object(diagnosed, compared), ensure_ascii=False)


def finding_object(finding: Finding) -> dict[str, Any]:
    """One finding."""
    return {
        "tag": finding.tag,
        "severity": finding.severity.word,
        "confidence": finding.confidence.value,
        "title": finding.title,
        "subject": asdict(finding.subject),
        "evidence": [{"text": each.text, "values": dict(each.values)} for each in finding.evidence],
        "why": finding.why,
        "advice": finding.advice,
        "window": None if finding.window is None else asdict(finding.window),
    }
