"""The kept rows that a filter leaves, as lines of the log: only those that are asked for are formatted.

A row has a number that it keeps when others are dropped: rows count from the first that was
ever kept. Invariant: lines are in the order of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uringtrace.tracer.filter import Condition
from uringtrace.tracer.filter.evaluation import MAX_ERRNO
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.readiness.explain import Explained
from uringtrace.tracer.record import Kind
from uringtrace.tracer.records import Records
from uringtrace.tracer.source import Context, Thread
from uringtrace.ui.terminal.lane_list import threads_of
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.text.operation_line import LineFormatter
from uringtrace.ui.text.readiness_text import ReadinessWords

_MICROSECOND = 1_000
_FORMATTED_AT_MOST = 4_096


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, harmless to a terminal."""

    text: str
    failed: bool


@dataclass(slots=True)
class _Part:
    records: Records
    """Held on to, since its `id` is the key."""
    explained: Explained | None
    """What its waits were about."""
    chosen: NDArray[np.intp]
    """Rows that are shown, ascending."""
    lines: dict[int, LogLine] = field(default_factory=dict)
    """Row → its line, of those that were asked for."""


class LogRows:
    """The lines of the newest picture."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._known: dict[int, _Part] = {}
        self._condition: Condition | None = None
        self._context: Context | None = None
        self._formatter: LineFormatter | None = None
        self._words: ReadinessWords | None = None
        self._picture: Picture | None = None
        self._threads: Mapping[int, Thread] = {}
        self._ends = np.zeros(1, np.int64)
        self._firsts = np.zeros(1, np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def update(self, picture: Picture, condition: Condition | None) -> None:
        """Take over this picture's rows. Of parts that were known nothing is read again."""
        if condition is not self._condition or picture.context is not self._context:
            self._known, self._condition = {}, condition
        if self._formatter is None or picture.context is not self._context:
            self._formatter = LineFormatter(picture.context, picture.recent.files)
            self._words = ReadinessWords(picture.context)
            self._context = picture.context
        recent = picture.recent
        self._picture = picture
        self._threads = threads_of(picture)
        both = zip(recent.parts, recent.explained, strict=True)
        self._parts = [self._known.get(id(part)) or self._judged(part, waits) for part, waits in both]
        self._known = {id(part.records): part for part in self._parts}
        self._ends = np.cumsum([0, *(len(part.chosen) for part in self._parts)])
        self._firsts = recent.dropped + np.cumsum([0, *(len(part.operations) for part in recent.parts)])

    def _judged(self, part: Records, explained: Explained | None) -> _Part:
        if self._condition is None or self._picture is None:
            return _Part(part, explained, np.arange(len(part.operations)))
        holds = self._condition.holds(part, self._picture.recent.files)
        return _Part(part, explained, np.flatnonzero(holds))

    def number_of(self, index: int) -> int:
        """The number, for good, of the row in line `index`; beyond the last line that of the next row."""
        if not 0 <= index < len(self):
            return int(self._firsts[-1])
        place = int(np.searchsorted(self._ends, index, side="right")) - 1
        return int(self._firsts[place] + self._parts[place].chosen[index - self._ends[place]])

    def index_of(self, number: int) -> int:
        """The line of the row with this number, or the first line after it; 0 where it was dropped."""
        place = int(np.searchsorted(self._firsts, number, side="right")) - 1
        if place < 0:
            return 0
        if place >= len(self._parts):
            return len(self)
        inside = np.searchsorted(self._parts[place].chosen, number - self._firsts[place])
        return int(self._ends[place] + inside)

    def lines(self, first: int, count: int) -> Sequence[LogLine]:
        """Lines `first` to `first + count` - 1, as far as there are."""
        found: list[LogLine] = []
        last = min(first + count, len(self))
        first = max(first, 0)
        while first < last:
            place = int(np.searchsorted(self._ends, first, side="right")) - 1
            end = min(last, int(self._ends[place + 1]))
            begin = int(self._ends[place])
            found += self._of_part(self._parts[place], first - begin, end - begin)
            first = end
        return found

    def _of_part(self, part: _Part, first: int, end: int) -> Sequence[LogLine]:
        rows = part.chosen[first:end]
        missing = [row for row in rows.tolist() if row not in part.lines]
        if missing:
            if len(part.lines) > _FORMATTED_AT_MOST:
                part.lines.clear()
                missing = rows.tolist()
            for row, line in zip(missing, self._formatted(part, missing), strict=True):
                part.lines[row] = line
        return [part.lines[row] for row in rows.tolist()]

    def _formatted(self, part: _Part, rows: Sequence[int]) -> Sequence[LogLine]:
        if self._formatter is None or self._picture is None or self._words is None:
            return []
        mask = np.zeros(len(part.records.operations), bool)
        mask[rows] = True
        some = part.records.select(mask)
        files = self._picture.recent.files
        texts = self._formatter.lines(some, files, self._threads)
        if part.explained is not None:
            words = self._words.lines(part.explained, files, self._threads, mask)
            texts = [text + words.get(row, "") for row, text in zip(rows, texts, strict=True)]
        batch = some.operations
        started_ns = self._picture.context.started_ns
        failed = (batch["result"] < 0) & (batch["result"] >= -MAX_ERRNO) & (batch["kind"] == Kind.COMPLETION)
        return [
            LogLine(printable(f"{elapsed(completed - started_ns)} {text}"), has_failed)
            for text, completed, has_failed in zip(
                texts, batch["completed_ns"].tolist(), failed.tolist(), strict=True
            )
        ]


def elapsed(nanoseconds: int) -> str:
    """Seconds since the start, to the microsecond: `7.012345`."""
    sign = "-" if nanoseconds < 0 else ""
    seconds, rest = divmod(abs(nanoseconds) // _MICROSECOND, 1_000_000)
    return f"{sign}{seconds}.{rest:06d}"
