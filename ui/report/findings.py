"""Findings on a page: each with its evidence and the way to the timeline, then what was not judged."""

from __future__ import annotations

from uringtrace.tracer.findings import Finding, Severity, State
from uringtrace.tracer.report.model import Report
from uringtrace.ui.report.harmless import page_text
from uringtrace.ui.text.findings_text import subject_text
from uringtrace.ui.text.rule_words import (
    architecture_words,
    clear_words,
    evicted_words,
    missing_words,
    rules_words,
)


def findings_html(report: Report) -> str:
    """The section, with its heading."""
    diagnosed = report.diagnosed
    parts = ['<h2 id="findings">Findings</h2>', f"<p>{page_text(rules_words(diagnosed.verdicts))}</p>"]
    parts.append(f"<p>{page_text(architecture_words(diagnosed.architecture))}</p>")
    parts += [_finding(finding, report) for finding in diagnosed.findings]
    parts += [f'<p class="alarm">{page_text(words)}</p>' for words in evicted_words(diagnosed.verdicts)]
    clear = clear_words(diagnosed.verdicts)
    if clear:
        parts.append(f'<p class="soft">{page_text(clear)}</p>')
    missing = missing_words(diagnosed.verdicts)
    if missing:
        count = sum(verdict.state is State.NOT_APPLICABLE for verdict in diagnosed.verdicts)
        listed = "".join(f"<li>{page_text(words)}</li>" for words in missing)
        parts.append(f"<details><summary>not applicable: {count}</summary><ul>{listed}</ul></details>")
    return "\n".join(parts)


def _finding(finding: Finding, report: Report) -> str:
    alarm = ' class="alarm"' if finding.severity is Severity.CRITICAL else ""
    seen = "".join(f"<li>{page_text(each.text)}</li>" for each in finding.evidence)
    return (
        f'<article class="finding"><h3><span{alarm}>{finding.severity.word}</span>: '
        f"{page_text(finding.title)}</h3>"
        f'<p class="soft">{page_text(finding.tag)}, confidence {finding.confidence.value}; '
        f"{page_text(subject_text(finding.subject))}</p>"
        f"<ul>{seen}</ul><p>{page_text(finding.why)}</p>"
        f"<p><b>To change:</b> {page_text(finding.advice)}</p>{_window(finding, report)}</article>"
    )


def _window(finding: Finding, report: Report) -> str:
    """The button that zooms the timeline into the time of a finding, where it has one."""
    stretch = window_of(finding, report)
    if stretch is None:
        return ""
    began, ended = stretch
    return (
        f'<p><button type="button" data-moment="{began!r} {ended!r}">'
        f"show on the timeline: {began:.6f} s to {ended:.6f} s</button></p>"
    )


def window_of(finding: Finding, report: Report) -> tuple[float, float] | None:
    """When a finding was, in seconds since the capture began, as far as that is in the report."""
    if finding.window is None:
        return None
    began, ended = (
        min(max(moment - report.context.started_ns, report.first_ns), report.ended_ns) / 1e9
        for moment in (finding.window.start_ns, finding.window.end_ns)
    )
    return began, ended
