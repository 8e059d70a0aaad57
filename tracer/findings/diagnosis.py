"""Runs all rules over the records of one source, live or recorded.

Invariant: `judge` changes nothing, so that a live screen may ask as often as it likes; what
follows is judged together with what came before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from uringtrace.tracer.findings.architecture import Architecture, ArchitectureTracker
from uringtrace.tracer.findings.finding import Finding, Severity, State, Verdict
from uringtrace.tracer.findings.rule import Moment, Rule, Shared
from uringtrace.tracer.findings.rules import RULES
from uringtrace.tracer.findings.step import Step
from uringtrace.tracer.findings.thread_looks import look_at
from uringtrace.tracer.record import OPERATION, Batch, Kind
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, FilesAndFacts, Losses


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """What all rules said."""

    context: Context
    duration_ns: int
    operations: int
    """io_uring completions that were looked at."""
    calls: int
    """System calls that were."""
    verdicts: tuple[Verdict, ...]
    """One per rule, in the order of the rules."""
    losses: Losses
    architecture: Architecture

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, worst first."""
        every = [finding for verdict in self.verdicts for finding in verdict.findings]
        return tuple(sorted(every, key=lambda finding: -finding.severity))

    @property
    def judged(self) -> int:
        """How many rules had something to judge."""
        return sum(verdict.state is not State.NOT_APPLICABLE for verdict in self.verdicts)

    @property
    def worst(self) -> Severity | None:
        return max((finding.severity for finding in self.findings), default=None)


class Diagnosis:
    """Of one capture. One thread adds and judges."""

    def __init__(self, context: Context, rules: Sequence[type[Rule]] = RULES) -> None:
        self._context = context
        self.shared = Shared(context)
        self._rules = [rule(self.shared) for rule in rules]
        self._architecture = ArchitectureTracker(self.shared)
        self._operations = self._calls = 0
        self._unfinished: list[Batch] = []

    def add(self, records: Records, facts: FilesAndFacts) -> None:
        """Take one drain."""
        if not len(records.operations) and not len(records.socket_events):
            return
        step = Step(records, facts)
        self._operations += int(step.operation_completed.sum())
        self._calls += int(step.returned.sum())
        unfinished = step.column("kind") == Kind.UNFINISHED
        if unfinished.any():
            self._unfinished.append(step.rows(unfinished))
        self.shared.observe(step)
        self._architecture.observe(step)
        for rule in self._rules:
            rule.observe(step)

    def look(self, pids: Iterable[int], now_ns: int) -> None:
        """While a capture runs, a few times a second: how the target's threads spend their time."""
        look_at(pids, self.shared.looks, now_ns)

    def judge(
        self, facts: FilesAndFacts, at_ns: int | None = None, *, under_way: Batch | None = None
    ) -> Diagnosed:
        """What is to be said of all that was added.

        Without `under_way` the capture is over: what its end found unfinished was among the records.
        """
        ended = under_way is None
        if under_way is None:
            under_way = np.concatenate([np.zeros(0, OPERATION), *self._unfinished])
        moment = Moment(facts, facts.ended_ns if at_ns is None else at_ns, under_way, ended)
        return Diagnosed(
            self._context,
            moment.duration_ns,
            self._operations,
            self._calls,
            tuple(rule.judge(moment) for rule in self._rules),
            facts.losses,
            self._architecture.decide(moment),
        )

    def architecture(self, facts: FilesAndFacts, at_ns: int) -> Architecture:
        """What kind of server it is so far, without asking the rules."""
        return self._architecture.decide(Moment(facts, at_ns, None, ended=False))
