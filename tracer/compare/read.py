"""A log on disk, read as one side of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from uringtrace.errors import UsageError
from uringtrace.tracer.compare.excerpt import texts_of_lines
from uringtrace.tracer.compare.sides import Log, log_of
from uringtrace.tracer.strace import End, Record, Tables, Unparsed, batches, lines_of, parse, recognise

_RECOGNISED_LINES = 5_000
"""From so many lines at the beginning the form of a log is recognised."""


def read_log(path: Path) -> Log:
    """The calls of a log, or of the logs `path`.TID of -ff. Raises UsageError."""
    files = log_files(path)
    tables = Tables()
    form = recognise([line for each in files for line in islice(lines_of(each), _RECOGNISED_LINES)])
    parts: list[np.ndarray[tuple[int], np.dtype[np.void]]] = []
    tally = _Tally()
    for each in files:
        tid = _thread_of(each, path)
        for part in batches(tally.counting(parse(lines_of(each), tid=tid)), tables):
            # Lines of several files are told apart by their number, too.
            part["line"] += tally.lines_before
            part["last_line"] += tally.lines_before
            parts.append(part)
        tally.next_file()
    return log_of(
        parts, tables, form, unparsed_lines=tally.unparsed, lines=tally.lines, killed=frozenset(tally.killed)
    )


def log_files(path: Path) -> Sequence[Path]:
    """The log itself, or those of -ff, by thread. Raises UsageError where there is none."""
    if path.is_file():
        return [path]
    pattern = [each for each in path.parent.glob(f"{path.name}.*") if each.suffix[1:].isdecimal()]
    if not pattern:
        raise UsageError(
            f"cannot read {path}: no such log", "with -ff name the file without the thread's number"
        )
    return sorted(pattern, key=lambda each: int(each.suffix[1:]))


def _thread_of(file: Path, path: Path) -> int | None:
    return None if file == path else int(file.suffix[1:])


class _Tally:
    """What is counted while records go by."""

    def __init__(self) -> None:
        self.lines = self.lines_before = self.unparsed = 0
        self.killed: set[int] = set()

    def counting(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            self.lines += len(record.lines)
            match record:
                case Unparsed():
                    self.unparsed += len(record.lines)
                case End(tid=int() as tid, how=how) if how.startswith("killed"):
                    self.killed.add(tid)
            yield record

    def next_file(self) -> None:
        self.lines_before = self.lines


def texts_of(path: Path, wanted: Iterable[int]) -> Mapping[int, str]:
    """What strace wrote of the calls in these lines, numbered as `read_log` does."""
    found: dict[int, str] = {}
    left, before = set(wanted), 0
    for each in log_files(path):
        if not left:
            break
        here = texts_of_lines(parse(lines_of(each), tid=_thread_of(each, path)), {n - before for n in left})
        found.update((number + before, text) for number, text in here.items())
        left -= set(found)
        if left and each != path:
            before += sum(1 for _ in lines_of(each))
    return found
