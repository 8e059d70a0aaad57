"""The rules, each a module of its own; `RULES` is their order in every output."""

from __future__ import annotations

from uringtrace.tracer.findings.rule import Rule
from uringtrace.tracer.findings.rules.cq_overflow import CompletionQueueOverflow
from uringtrace.tracer.findings.rules.io_wq import WorkerPunts
from uringtrace.tracer.findings.rules.one_by_one import OneByOne

RULES: tuple[type[Rule], ...] = (WorkerPunts, OneByOne, CompletionQueueOverflow)
