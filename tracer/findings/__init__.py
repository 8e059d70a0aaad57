"""Findings: what is wrong with the target's I/O, judged from the records of any source."""

from uringtrace.tracer.findings.architecture import Architecture
from uringtrace.tracer.findings.diagnosis import Diagnosed, Diagnosis
from uringtrace.tracer.findings.finding import (
    Confidence,
    Evidence,
    Finding,
    Severity,
    State,
    Subject,
    Verdict,
    Window,
)

__all__ = [
    "Architecture",
    "Confidence",
    "Diagnosed",
    "Diagnosis",
    "Evidence",
    "Finding",
    "Severity",
    "State",
    "Subject",
    "Verdict",
    "Window",
]
