"""Comparisons for screens: made, and under way for as long as a test wants."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from threading import Event

from tests.compare.test_compare_text import report
from uringtrace.tracer.compare.beside import ATTACHED, ATTACHING, Progress, Tell
from uringtrace.tracer.compare.excerpt import Entry
from uringtrace.tracer.live.picture import Picture
from uringtrace.ui.terminal.compare_work import Compared, Question, Work
from uringtrace.ui.text.compare_columns import Texts

LONG = "GET /bytes/100 HTTP/1.1\\r\\nHost: 127.0.0.1:8080\\r\\nConnection: keep-alive\\r\\n"


def compared(*, entries: int = 1) -> Compared:
    """A thread of calls beside a ring, that many times as long; both sides lack one call."""
    found = report()
    comparison = found.comparison
    assert comparison is not None
    shift_ns = 13_000_000
    longer = tuple(
        replace(entry, at_ns=entry.at_ns + time * shift_ns)
        for time in range(entries)
        for entry in found.entries
    )
    return Compared(replace(found, entries=longer), words_of(longer))


def words_of(entries: Iterable[Entry]) -> Texts:
    left = {each.line: f'recvfrom(5<TCP>, "{LONG}", 65536) = {each.line}' for each in entries if each.line}
    right = {
        each.row: f"recvfrom(5<TCP 10.0.0.1:80>, …, 65536) = {each.row} <0.000012>"
        for each in entries
        if each.row is not None
    }
    return Texts(left, right)


class FakeWork:
    """Implements `Work`: says how far it is, then waits for `go` or `stop`."""

    def __init__(self, *, result: Compared | None = None, error: Exception | None = None) -> None:
        self.result = result
        self.error = error
        self.go = Event()
        self.stopped = Event()
        self.over = False

    def run(self, tell: Tell) -> Compared:
        tell(Progress(ATTACHING))
        tell(Progress(ATTACHED, 2.04))
        self.go.wait()
        self.over = True
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result

    def stop(self) -> None:
        self.stopped.set()
        self.go.set()


class FakeComparing:
    """Implements `Comparing`; `asked` notes for how many seconds strace was wanted."""

    def __init__(self, work: FakeWork, *, question: Question | None = None) -> None:
        self._work = work
        self._question = question
        self.asked: list[float] = []

    def question(self, picture: Picture) -> Question | None:
        return self._question

    def work(self, picture: Picture, seconds: float) -> Work:
        self.asked.append(seconds)
        return self._work
