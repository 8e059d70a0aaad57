"""Diagnoses a source from its beginning to its end, as a recording is."""

from __future__ import annotations

from uringtrace.tracer.findings.diagnosis import Diagnosed, Diagnosis
from uringtrace.tracer.source import Source


def diagnosed_whole(source: Source) -> Diagnosed:
    """What there is to say of everything that it holds; reads its records once."""
    diagnosis = Diagnosis(source.context)
    for records in source.records():
        diagnosis.add(records, source)
    return diagnosis.judge(source)
