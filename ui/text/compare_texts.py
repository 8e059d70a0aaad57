"""The texts of a comparison's entries: strace's from its log, ours as `uringtrace log` writes them."""

from __future__ import annotations

import re
from pathlib import Path

from uringtrace.tracer.compare.excerpt import placed
from uringtrace.tracer.compare.read import texts_of
from uringtrace.tracer.compare.report import CompareReport
from uringtrace.tracer.source import Source
from uringtrace.ui.text.compare_columns import Texts
from uringtrace.ui.text.operation_line import LineFormatter
from uringtrace.ui.text.readiness_text import ReadinessText

_WHO = re.compile(r"\[pid \S+ tid \S+\] ")


def texts(report: CompareReport, log_path: Path | None, source: Source) -> Texts:
    """Reads both sides once more, as far as the entries go."""
    if log_path is None or not report.entries:
        return Texts({}, {})
    lines = {entry.line for entry in report.entries if entry.line is not None}
    rows = {entry.row for entry in report.entries if entry.row is not None}
    return Texts(texts_of(log_path, lines), _ours(report, source, rows))


def _ours(report: CompareReport, source: Source, wanted: set[int]) -> dict[int, str]:
    """Row → its text. What a wait was about follows from calls before it, so all are looked at."""
    formatter = LineFormatter(source.context, source.files)
    readiness = ReadinessText(source.context, source.interests)
    found: dict[int, str] = {}
    for part in placed(source.records(), report.ours, wanted):
        words = readiness.lines(part.records, source.files, source.threads, part.chosen)
        written = formatter.lines(part.records.select(part.chosen), source.files, source.threads)
        for number, place, line in zip(part.numbers, part.places, written, strict=True):
            found[number] = _WHO.sub("", line, count=1) + words.get(place, "")
    return found
