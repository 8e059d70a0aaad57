"""What the comparison's screens say: pure functions of what is known."""

from __future__ import annotations

from uringtrace.tracer.compare.beside import ATTACHED, LETTING_GO, READING, Progress
from uringtrace.tracer.compare.excerpt import Entry, entry_count
from uringtrace.ui.terminal.compare_work import Compared, Question
from uringtrace.ui.text import numbers
from uringtrace.ui.text.compare_columns import Texts
from uringtrace.ui.text.compare_summary import (
    WHY_OURS,
    WHY_THEIRS,
    account_lines,
    clock_line,
    log_line,
    missed_lines,
    name_lines,
    phase_lines,
)
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.summary_table import loss_line

_PLAIN = Style()
_BAR_CELLS = 30
LEAST_SECONDS, MOST_SECONDS = 1.0, 60.0


def question_lines(question: Question, seconds: float) -> list[str]:
    """What strace does to the target, and the keys."""
    if question.obstacle:
        return [f"strace cannot be attached: {question.obstacle}.", "", "Esc closes this."]
    return [
        f"Attach strace to {question.target} for {seconds:.0f} s?",
        "",
        "strace stops the target at every system call, which slows it down, maybe many times. "
        "It is let go afterwards, and before that with Esc, or when this program ends.",
        "",
        "y  attach      + -  longer, shorter      n  Esc  leave it",
    ]


def progress_lines(progress: Progress, seconds: float, *, stopping: bool) -> list[str]:
    """Where it is, and how to end it early."""
    if progress.step == READING:
        return ["Reading what both sides have…"]
    if progress.step == LETTING_GO or stopping:
        return ["strace lets go of the target…"]
    if progress.step == ATTACHED:
        done = min(progress.attached_s / seconds, 1.0) if seconds > 0 else 1.0
        cells = round(done * _BAR_CELLS)
        bar = "█" * cells + "░" * (_BAR_CELLS - cells)
        line = f"strace is attached  {bar}  {progress.attached_s:.1f} of {seconds:.0f} s"
        return [line, "", "Esc lets go of the target now and shows what there is by then."]
    return ["strace is being attached…", "", "Esc lets go of the target."]


def summary_lines(compared: Compared) -> list[str]:
    """What happened while strace was there, and how much of it strace saw."""
    comparison = compared.report.comparison
    return account_lines(comparison, _PLAIN) if comparison is not None else []


def rest_lines(compared: Compared) -> list[str]:
    """What each side missed and why, by name, and how sure all of it is."""
    report, comparison = compared.report, compared.report.comparison
    if comparison is None:
        return [f"No comparison: {report.why_not}"]
    lines = [*missed_lines(comparison, _PLAIN), "", *name_lines(comparison, _PLAIN), ""]
    if report.phases:
        lines += [*phase_lines(report.phases, _PLAIN), ""]
    return [*lines, clock_line(comparison), log_line(report), loss_line(report.losses, _PLAIN)]


def shown_line(compared: Compared) -> str:
    """How many of all the columns have, where they do not have all."""
    comparison, shown = compared.report.comparison, len(compared.report.entries)
    if comparison is None:
        return ""
    most = entry_count(comparison)
    return f"first {numbers.count(shown)} of {numbers.count(most)}" if shown < most else ""


def entry_lines(entry: Entry, texts: Texts) -> tuple[str, str]:
    """In full what each side has of one call, or why it has nothing."""
    left = texts.left.get(entry.line, "") if entry.line is not None else ""
    right = texts.right.get(entry.row, "") if entry.row is not None else ""
    if entry.line is None:
        left = f"nothing: {WHY_OURS.get(entry.only_ours, '')}"
    if entry.row is None:
        right = f"nothing: {WHY_THEIRS.get(entry.only_theirs, '')}"
    return f"strace      {left}", f"uringtrace  {right}"
