"""A comparison with a baseline, as text, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uringtrace.tracer.findings.regression import Compared, difference_words, in_words
from uringtrace.ui.text.summary_table import wrapped

SCHEMA_WORDS = ("worse", "not worse", "not judged")


def state_of(compared: Compared) -> str:
    """One of SCHEMA_WORDS."""
    if compared.missing is not None:
        return SCHEMA_WORDS[2]
    return SCHEMA_WORDS[0] if compared.is_worse else SCHEMA_WORDS[1]


def regression_lines(compared: Sequence[Compared], baseline: str) -> list[str]:
    """Each measure with both values and the interval of their difference."""
    lines = [f"compared with {baseline} (99% confidence):"]
    for each in compared:
        words = f"{each.name}: {_words(each)}; {state_of(each)}"
        lines += wrapped(words.split(" "), "  ")
    return lines


def regression_markdown(compared: Sequence[Compared], baseline: str) -> list[str]:
    """A table; `baseline` is harmless already."""
    lines = [
        f"Compared with {baseline}:",
        "",
        "| measure | baseline | now | difference, 99% confidence | |",
        "|---|---:|---:|---:|---|",
    ]
    for each in compared:
        if each.missing is not None:
            lines.append(f"| {each.name} | | | | not judged: needs {each.missing} |")
            continue
        before, now = in_words(each.before, each.unit), in_words(each.now, each.unit)
        mark = "**worse**" if each.is_worse else state_of(each)
        lines.append(f"| {each.name} | {before} | {now} | {difference_words(each)} | {mark} |")
    return lines


def regression_objects(compared: Sequence[Compared]) -> list[dict[str, Any]]:
    """As `diagnose --baseline --json` has them; docs/json.md describes the fields."""
    return [
        {
            "tag": each.tag,
            "name": each.name,
            "unit": each.unit.value,
            "before": each.before,
            "now": each.now,
            "low": each.low,
            "high": each.high,
            "state": state_of(each),
            "missing": each.missing,
        }
        for each in compared
    ]


def _words(compared: Compared) -> str:
    if compared.missing is not None:
        return f"needs {compared.missing}"
    before, now = (in_words(each, compared.unit) for each in (compared.before, compared.now))
    return f"{before} before, {now} now, {difference_words(compared)}"
