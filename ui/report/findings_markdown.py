"""Findings as Markdown, for a report and for the summary of a job of continuous integration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from uringtrace.tracer.findings import Diagnosed, Finding
from uringtrace.tracer.findings.regression import Compared
from uringtrace.ui.report.harmless import markdown_text
from uringtrace.ui.text.findings_text import subject_text
from uringtrace.ui.text.regression_text import regression_markdown
from uringtrace.ui.text.rule_words import (
    architecture_words,
    clear_words,
    evicted_words,
    missing_words,
    rules_words,
)
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.summary_table import loss_line


def findings_markdown(diagnosed: Diagnosed, *, level: int = 3) -> Iterator[str]:
    """Lines; each finding below a heading of this level."""
    yield markdown_text(rules_words(diagnosed.verdicts))
    yield ""
    yield markdown_text(architecture_words(diagnosed.architecture))
    for finding in diagnosed.findings:
        yield ""
        yield from _finding(finding, diagnosed, "#" * level)
    for words in evicted_words(diagnosed.verdicts):
        yield ""
        yield f"**{markdown_text(words)}**"
    clear = clear_words(diagnosed.verdicts)
    if clear:
        yield ""
        yield markdown_text(clear)
    missing = missing_words(diagnosed.verdicts)
    if missing:
        yield ""
        yield "<details><summary>not applicable</summary>"
        yield ""
        for words in missing:
            yield f"- {markdown_text(words)}"
        yield ""
        yield "</details>"


def diagnosis_markdown(diagnosed: Diagnosed, compared: Sequence[Compared] = (), baseline: str = "") -> str:
    """A diagnosis as GitHub shows it in the summary of a job; ends in a line end."""
    lines = [
        f"## Diagnosis of {markdown_text(diagnosed.context.target)}",
        "",
        f"{diagnosed.operations:,} completions of io_uring and {diagnosed.calls:,} system calls in "
        f"{diagnosed.duration_ns / 1e9:.3f} s",
        "",
    ]
    if compared:
        lines += [*regression_markdown(compared, markdown_text(baseline)), ""]
    losses = markdown_text(loss_line(diagnosed.losses, Style()))
    return "\n".join([*lines, *findings_markdown(diagnosed), "", losses]) + "\n"


def _finding(finding: Finding, diagnosed: Diagnosed, heading: str) -> Iterator[str]:
    yield f"{heading} {finding.severity.word}: {markdown_text(finding.title)}"
    yield ""
    yield (
        f"`{finding.tag}`, confidence {finding.confidence.value}; "
        f"{markdown_text(subject_text(finding.subject))}"
    )
    yield ""
    for each in finding.evidence:
        yield f"- {markdown_text(each.text)}"
    if finding.window is not None:
        began, ended = finding.window.since(diagnosed.context.started_ns)
        yield f"- from {began:.6f} s to {ended:.6f} s of the capture"
    yield ""
    yield markdown_text(finding.why)
    yield ""
    yield f"**To change:** {markdown_text(finding.advice)}"
