"""Findings: a row for each, and below them how many rules could judge and what the others lack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from uringtrace.tracer.findings import Confidence, Finding, Severity
from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.finding_words import NOT_YET, NOTHING, left_out_line
from uringtrace.ui.terminal.live_table import ALARM, PLAIN, QUIET, Column, LazyRows, LiveTable, TableRow
from uringtrace.ui.terminal.messages import WindowChosen
from uringtrace.ui.terminal.ordering import Value, ordered
from uringtrace.ui.terminal.pane import PaneWidget
from uringtrace.ui.terminal.panes.finding_detail import FindingScreen, finding_key, findings_of
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.terminal.state import Sort, ViewState
from uringtrace.ui.text.findings_text import subject_text
from uringtrace.ui.text.rule_words import architecture_words, evicted_words, missing_words, rules_words

COLUMNS = (
    Column("severity", "SEVERITY", right=False, least=8),
    Column("confidence", "SURE", right=False, least=6, rank=1),
    Column("tag", "TAG", right=False, least=16, rank=2),
    Column("title", "WHAT", right=False, least=24, stretch=True),
    Column("subject", "WHERE", right=False, least=20, stretch=True),
)
_VALUES: Mapping[str, Callable[[Finding], Value]] = {
    "severity": lambda finding: finding.severity,
    "confidence": lambda finding: list(Confidence).index(finding.confidence),
    "tag": lambda finding: finding.tag,
    "title": lambda finding: finding.title,
    "subject": lambda finding: subject_text(finding.subject),
}
DEFAULT_SORT = Sort("severity")
_LOW = 12
"""Lines of the pane below which only the first of the remarks is left."""


class FindingsPane(PaneWidget):
    """The table, and below it what the rules without findings came to."""

    pane = "findings"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("w", "show_window", show=False)]
    DEFAULT_CSS = """
    FindingsPane > LiveTable { min-height: 4; }
    FindingsPane > #judged { height: auto; max-height: 60%; padding: 0 1; border-top: solid $panel; }
    FindingsPane.-low > #judged { max-height: 1; border-top: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._findings: dict[object, Finding] = {}

    def compose(self) -> ComposeResult:
        yield LiveTable(self.pane, COLUMNS)
        yield Static(id="judged", markup=False)

    def on_resize(self) -> None:
        self.set_class(self.size.height < _LOW, "-low")

    def show(self, picture: Picture, view: ViewState) -> None:
        sort = view.sorts.get(self.pane, DEFAULT_SORT)
        findings = sorted_findings(findings_of(picture), sort)
        self._findings = {finding_key(finding): finding for finding in findings}
        note = NOT_YET if picture.judged is None else NOTHING
        self.query_one(LiveTable).show_rows(LazyRows(findings, finding_key, finding_row), sort, note)
        lines = remark_lines(picture)
        self.query_one("#judged", Static).update(Text("\n".join(map(printable, lines))))

    def detail(self, key: object) -> Screen[None] | None:
        finding = self._findings.get(key)
        return FindingScreen(finding_key(finding)) if finding is not None else None

    def action_show_window(self) -> None:
        finding = self._findings.get(self.query_one(LiveTable).chosen)
        if finding is not None and finding.window is not None:
            self.post_message(WindowChosen(finding.window.start_ns, finding.window.end_ns))


def remark_lines(picture: Picture) -> list[str]:
    """What was judged and what was not; the most important first."""
    judged = picture.judged
    if judged is None:
        return []
    left_out = left_out_line(judged, picture.context.started_ns)
    lines = [left_out] if left_out is not None else []
    if picture.losses.total_lost:
        lines.append("! Records were lost, so there may be more of everything that was found.")
    lines += [f"! {words}" for words in evicted_words(judged.verdicts)]
    lines += [rules_words(judged.verdicts), architecture_words(judged.architecture)]
    return [*lines, *missing_words(judged.verdicts)]


def sorted_findings(findings: Sequence[Finding], sort: Sort) -> Sequence[Finding]:
    """In the order of `sort`; among equals by their tags."""
    return ordered(
        findings,
        _VALUES[sort.column],
        descending=sort.descending,
        tie=lambda finding: (-finding.severity, finding.tag, finding.title),
    )


def finding_row(finding: Finding) -> TableRow:
    """All cells of one."""
    return TableRow(
        finding_key(finding),
        (
            finding.severity.word,
            finding.confidence.value,
            finding.tag,
            finding.title,
            subject_text(finding.subject),
        ),
        {Severity.CRITICAL: ALARM, Severity.INFO: QUIET}.get(finding.severity, PLAIN),
    )
