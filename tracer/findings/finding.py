"""What a rule says: findings with their evidence, or that there is nothing to say.

Invariant: a number in an `Evidence` is exact or says in its text that it is not; what was not
observed is absent. Texts may hold what the target chose (names, paths): whoever shows them
makes them harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

Value = int | float | str | bool | None


class Severity(IntEnum):
    """How much it matters, where it is true."""

    INFO = 1
    """Worth knowing; may be as intended."""
    WARNING = 2
    """Costs throughput or latency."""
    CRITICAL = 3
    """Requests or data are lost, or somebody waits for ever."""

    @property
    def word(self) -> str:
        return self.name.lower()


class Confidence(StrEnum):
    """How sure it is that it is true."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class State(StrEnum):
    """What came of a rule."""

    FOUND = "found"
    CLEAR = "clear"
    """It could judge, and found nothing. That is less than health."""
    NOT_APPLICABLE = "not applicable"
    """There was nothing to judge, or too little; `Verdict.missing` says what."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about. None: it is not about such a thing, or which one was not observed."""

    tgid: int | None = None
    tid: int | None = None
    thread: str | None = None
    """The thread's name."""
    fd: int | None = None
    file: str | None = None
    """What the descriptor stands for."""
    ring: int | None = None
    connection: int | None = None
    """Number of the connection in this capture."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation: a sentence, and its numbers by name."""

    text: str
    values: Mapping[str, Value] = field(default_factory=dict)
    """Names end in `_ns` for nanoseconds; counts and shares (0 to 1) have no unit."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the capture, CLOCK_MONOTONIC nanoseconds: where the timeline shows it."""

    start_ns: int
    end_ns: int

    def since(self, started_ns: int) -> tuple[float, float]:
        """Its bounds in seconds since then, at least 0."""
        return max(0.0, (self.start_ns - started_ns) / 1e9), max(0.0, (self.end_ns - started_ns) / 1e9)


@dataclass(frozen=True, slots=True)
class Finding:
    """A named problem."""

    tag: str
    """The rule's; stable."""
    severity: Severity
    confidence: Confidence
    title: str
    subject: Subject
    evidence: tuple[Evidence, ...]
    why: str
    """Why it matters."""
    advice: str
    """What to change."""
    window: Window | None = None

    def value(self, name: str) -> Value:
        """A number of the evidence, by name; None where there is none."""
        return next((each.values[name] for each in self.evidence if name in each.values), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one rule."""

    tag: str
    state: State
    findings: tuple[Finding, ...] = ()
    """Worst first; not empty only where `state` is FOUND."""
    missing: str | None = None
    """Where not applicable: what there would have to be."""
    evicted: int = 0
    """Things given up to keep memory bounded, so that more may be wrong than was found."""


def found(tag: str, findings: list[Finding], *, evicted: int = 0) -> Verdict:
    """The verdict of a rule that could judge: FOUND, or CLEAR without findings."""
    ordered = tuple(sorted(findings, key=lambda each: (-each.severity, each.title)))
    return Verdict(tag, State.FOUND if ordered else State.CLEAR, ordered, evicted=evicted)


def not_applicable(tag: str, missing: str) -> Verdict:
    return Verdict(tag, State.NOT_APPLICABLE, missing=missing)
