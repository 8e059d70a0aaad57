"""Findings as the terminal words them, and what came too fast to be judged."""

from __future__ import annotations

from collections.abc import Sequence

from uringtrace.tracer.findings import Evidence, Finding
from uringtrace.tracer.findings.finding import Value
from uringtrace.tracer.live.findings_now import Judged
from uringtrace.ui.text import numbers
from uringtrace.ui.text.findings_text import subject_text

NOTHING = "No rule that could judge found anything so far. That is no proof that nothing is wrong."
NOT_YET = "Nothing was judged yet."


def left_out_line(judged: Judged, began_ns: int) -> str | None:
    """What came too fast to be judged; None where everything was."""
    if not judged.left_out:
        return None
    start, end = ((moment - began_ns) / 1e9 for moment in (judged.started_ns, judged.ended_ns))
    return (
        f"! Not everything was judged: {numbers.count(judged.left_out)} of "
        f"{numbers.count(judged.left_out + judged.records)} records came too fast. "
        f"Judged last: {start:.1f} s to {end:.1f} s."
    )


def finding_lines(finding: Finding, began_ns: int) -> list[str]:
    """Everything about one: headings stand at the margin, what belongs to them is indented."""
    lines = ["Where", f"  {subject_text(finding.subject)}", "", "Seen"]
    for evidence in finding.evidence:
        lines += [f"  {evidence.text}", *_values(evidence)]
    lines += ["", "Why it matters", f"  {finding.why}", "", "What to change", f"  {finding.advice}", ""]
    if finding.window is None:
        return [*lines, "When", "  all the time that was judged"]
    start, end = finding.window.since(began_ns)
    return [
        *lines,
        "When",
        f"  {start:.6f} s to {end:.6f} s of the capture: w shows it on the timeline",
    ]


def _values(evidence: Evidence) -> Sequence[str]:
    if not evidence.values:
        return ()
    return (f"    {', '.join(f'{name} {_shown(name, value)}' for name, value in evidence.values.items())}",)


def _shown(name: str, value: Value) -> str:
    if value is None:
        return numbers.UNKNOWN
    if isinstance(value, (bool, str)):
        return str(value)
    if name.endswith("_ns"):
        return numbers.duration(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
