"""A diagnosis as GitHub-flavoured Markdown, for the summary of a pull request or a CI job."""

from __future__ import annotations

from uringtrace.tracer.findings import Diagnosed, Finding, State
from uringtrace.ui.report.harmless import markdown_text
from uringtrace.ui.text.findings_text import subject_text
from uringtrace.ui.text.numbers import seconds
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.summary_table import counted, loss_line


def findings_markdown(diagnosed: Diagnosed) -> list[str]:
    """A heading, a table with one row per finding, and what was not found or could not be judged."""
    duration = seconds(diagnosed.duration_ns / 1e9)
    lines = [
        f"### {counted(len(diagnosed.findings), 'finding')} in {markdown_text(diagnosed.context.target)}",
        "",
        f"{duration}, {counted(diagnosed.operations, 'io_uring completion')}, "
        f"{counted(diagnosed.calls, 'system call')}; architecture: {diagnosed.architecture.word}",
        "",
    ]
    if diagnosed.findings:
        lines += ["| severity | confidence | finding | where | seen | change |", "|---|---|---|---|---|---|"]
        lines += [_row(finding) for finding in diagnosed.findings]
        lines.append("")
    clear = [f"`{verdict.tag}`" for verdict in diagnosed.verdicts if verdict.state is State.CLEAR]
    lines.append(
        f"Nothing found by {counted(len(clear), 'rule')} that could judge: {', '.join(clear) or '–'}."
    )
    other = len(diagnosed.verdicts) - diagnosed.judged
    return [*lines, f"Not applicable: {counted(other, 'rule')}. {loss_line(diagnosed.losses, Style())}."]


def _row(finding: Finding) -> str:
    seen = "<br>".join(markdown_text(evidence.text) for evidence in finding.evidence)
    cells = (
        finding.severity.word,
        finding.confidence.value,
        f"`{finding.tag}` {markdown_text(finding.title)}",
        markdown_text(subject_text(finding.subject)),
        seen,
        markdown_text(finding.advice),
    )
    return f"| {' | '.join(cells)} |"
