"""What rules came to, in sentences: how many could judge, and what the others lack.

Invariant: no sentence says that a target is all right, since no rule can know that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from uringtrace.tracer.findings import Architecture, State, Verdict
from uringtrace.ui.text import numbers
from uringtrace.ui.text.summary_table import counted


def rules_words(verdicts: Sequence[Verdict]) -> str:
    """`25 rules: 3 found something, 9 could judge and found nothing, 13 not applicable`"""
    states = [verdict.state for verdict in verdicts]
    return (
        f"{counted(len(states), 'rule')}: {states.count(State.FOUND)} found something, "
        f"{states.count(State.CLEAR)} could judge and found nothing, "
        f"{states.count(State.NOT_APPLICABLE)} not applicable"
    )


def architecture_words(architecture: Architecture) -> str:
    """`architecture: iterative, confidence high: what decided it`, or what is missing to decide."""
    if architecture.kind is None:
        return f"architecture: {architecture.word}, needs {architecture.missing}"
    seen = "; ".join(each.text for each in architecture.observations)
    return f"architecture: {architecture.word}, confidence {architecture.confidence.value}: {seen}"


def clear_words(verdicts: Iterable[Verdict]) -> str:
    """Which could judge and found nothing; empty without any."""
    tags = [verdict.tag for verdict in verdicts if verdict.state is State.CLEAR]
    return f"could judge and found nothing, which is no proof: {', '.join(tags)}" if tags else ""


def missing_words(verdicts: Iterable[Verdict]) -> list[str]:
    """What there would have to be, and for which rules: one sentence for each thing."""
    needed: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.state is State.NOT_APPLICABLE:
            needed.setdefault(verdict.missing or numbers.UNKNOWN, []).append(verdict.tag)
    return [f"needs {missing}: {', '.join(tags)}" for missing, tags in needed.items()]


def evicted_words(verdicts: Iterable[Verdict]) -> list[str]:
    """Where something was given up so that memory stays bounded."""
    return [
        f"{verdict.tag}: {numbers.count(verdict.evicted)} observations were given up to bound memory, "
        "so there may be more of it"
        for verdict in verdicts
        if verdict.evicted
    ]
