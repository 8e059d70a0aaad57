"""Runs the real diagnosis over rows that a test writes down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes import FakeSource, context
from uringtrace.tracer.findings import Diagnosed, Diagnosis, Finding, State, Verdict
from uringtrace.tracer.record import Batch
from uringtrace.tracer.records import Records

PROBES = ("io_uring_submit_req", "io_uring_complete", "sys_enter", "sys_exit", "inet_sock_set_state")


def diagnosed(*parts: Batch | Records, probes: Sequence[str] = PROBES, **facts: Any) -> Diagnosed:
    """What a source of these parts comes to."""
    source = FakeSource(parts=parts, context=context(probes=tuple(probes)), **facts)
    diagnosis = Diagnosis(source.context)
    for records in source.records():
        diagnosis.add(records, source)
    return diagnosis.judge(source)


def verdict(result: Diagnosed, tag: str) -> Verdict:
    (found,) = [each for each in result.verdicts if each.tag == tag]
    return found


def finding(result: Diagnosed, tag: str) -> Finding:
    """The only finding of a rule."""
    (found,) = verdict(result, tag).findings
    return found


def state(result: Diagnosed, tag: str) -> State:
    return verdict(result, tag).state
