"""One finding: what was seen with its numbers, why it matters, what to change, and when it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from uringtrace.tracer.findings import Finding, Subject
from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.detail import DetailScreen
from uringtrace.ui.terminal.finding_words import finding_lines
from uringtrace.ui.terminal.messages import WindowChosen
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.terminal.state import ViewState

FindingKey = tuple[str, Subject, str]


class FindingScreen(DetailScreen):
    """Of the finding with this key. One that is not found any more stays as it was, and says so."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("w", "show_window", show=False)]
    DEFAULT_CSS = """
    FindingScreen > VerticalScroll { height: 1fr; padding: 0 1; }
    """

    def __init__(self, key: FindingKey) -> None:
        super().__init__()
        self._key = key
        self._finding: Finding | None = None

    def body(self) -> Sequence[Widget]:
        return (VerticalScroll(Static(id="story", markup=False)),)

    def show(self, picture: Picture, view: ViewState) -> None:
        found = next((each for each in findings_of(picture) if finding_key(each) == self._key), None)
        self._finding = found or self._finding
        finding = self._finding
        if finding is None:
            self.set_title(f"{self._key[0]}: not at this moment", picture, view)
            self.set_facts(["At this moment there is no such finding."])
            return
        self.set_title(f"{finding.severity.word.upper()}  {finding.title}", picture, view)
        facts = f"{finding.tag}, confidence {finding.confidence.value}; docs/findings.md has a section on it"
        self.set_facts([facts if found else f"Not found at this moment any more; as it was: {facts}"])
        lines = finding_lines(finding, picture.context.started_ns)
        self.query_one("#story", Static).update(Text("\n".join(map(printable, lines))))

    def action_show_window(self) -> None:
        if self._finding is not None and self._finding.window is not None:
            self.post_message(WindowChosen(self._finding.window.start_ns, self._finding.window.end_ns))


def findings_of(picture: Picture) -> Sequence[Finding]:
    """Worst first; none before anything was judged."""
    return picture.judged.findings if picture.judged is not None else ()


def finding_key(finding: Finding) -> FindingKey:
    return finding.tag, finding.subject, finding.title
