"""The one analysed result that text, JSON and HTML show."""

from __future__ import annotations

from dataclasses import dataclass

from uringtrace.tracer.compare.account import Comparison
from uringtrace.tracer.compare.excerpt import Entry
from uringtrace.tracer.compare.phases import Cost, Phase
from uringtrace.tracer.compare.sides import Log, Observed
from uringtrace.tracer.source import Context, Losses


@dataclass(frozen=True, slots=True)
class Strace:
    """The strace that wrote the log."""

    version: str | None
    """None where another run wrote it: a log does not say."""
    options: tuple[str, ...]
    """Those that write so, as far as the lines show."""
    lines: int
    unparsed_lines: int


@dataclass(frozen=True, slots=True)
class CompareReport:
    """What `uringtrace compare` shows."""

    context: Context
    losses: Losses
    strace: Strace | None
    """None where strace could not be attached, as is `comparison`; `why_not` says why."""
    comparison: Comparison | None
    why_not: str
    phases: tuple[Phase, ...]
    """Empty for a log and a recording from elsewhere."""
    costs: tuple[Cost, ...]
    """Of each observer beside the capture."""
    entries: tuple[Entry, ...]
    """What is shown in two columns."""
    log: Log | None
    ours: Observed
    duration_s: float
    """Of the capture."""
