"""The texts of a comparison's entries: strace's from its log, ours as `uringtrace log` writes them."""

from __future__ import annotations

import re
from pathlib import Path

from uringtrace.tracer.compare.excerpt import records_of_rows
from uringtrace.tracer.compare.read import texts_of
from uringtrace.tracer.compare.report import CompareReport
from uringtrace.tracer.source import Source
from uringtrace.ui.text.compare_columns import Texts
from uringtrace.ui.text.operation_line import LineFormatter

_WHO = re.compile(r"\[pid \S+ tid \S+\] ")


def texts(report: CompareReport, log_path: Path | None, source: Source) -> Texts:
    """Reads both files once more, as far as the entries go."""
    if log_path is None or not report.entries:
        return Texts({}, {})
    lines = {entry.line for entry in report.entries if entry.line is not None}
    rows = {entry.row for entry in report.entries if entry.row is not None}
    formatter = LineFormatter(source.context, source.files)
    right: dict[int, str] = {}
    for numbers, records in records_of_rows(source.records(), report.ours, rows):
        written = formatter.lines(records, source.files, source.threads)
        without = (_WHO.sub("", line, count=1) for line in written)
        right.update(zip(numbers.tolist(), without, strict=True))
    return Texts(texts_of(log_path, lines), right)
