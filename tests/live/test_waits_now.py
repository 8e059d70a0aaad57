"""What the waits in memory were about: the same as the log says, however the rows were cut and joined."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes import FakeSource, context, row
from tests.live.clock import Clock
from tests.readiness.build import ADD, EPOLLIN, epoll_ctl, epoll_wait, joined
from tests.recording.scene import source
from uringtrace.tracer.live.model import LiveModel
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.live.recent import Recent
from uringtrace.tracer.records import Records, empty_records, only_operations
from uringtrace.ui.terminal.log_rows import LogRows
from uringtrace.ui.text.readiness_text import ReadinessText, ReadinessWords

CALLS = context(probes=("sys_enter", "sys_exit"))


def model_of(facts: FakeSource, *parts: Records, rows: int = 100_000) -> tuple[LiveModel, Picture]:
    model = LiveModel(facts.context, rows, clock=Clock(), cost=Clock())
    for part in parts:
        model.add(part, facts)
    return model, model.picture(facts, facts.ended_ns)


def words_of(recent: Recent) -> Iterator[str]:
    """Of each row, empty where there is nothing to say."""
    words = ReadinessWords(CALLS)
    for part, explained in zip(recent.parts, recent.explained, strict=True):
        told = {} if explained is None else words.lines(explained, recent.files, {})
        yield from (told.get(row, "") for row in range(len(part.operations)))


def many_waits(count: int) -> list[Records]:
    """A change of the interest list, then waits, of which every third reports two descriptors."""
    parts = [epoll_ctl(ADD, 7, 70, at=1), epoll_ctl(ADD, 8, 80, at=2)]
    for number in range(count):
        ready = [(EPOLLIN, 70), (EPOLLIN, 80)] if number % 3 == 0 else [(EPOLLIN, 99)] * (number % 3 - 1)
        parts.append(epoll_wait(ready, at=10 + 2 * number))
    return parts


@pytest.mark.parametrize("size", [1, 7, 700, 30_000])
def test_the_log_says_the_same_of_every_row(size: int) -> None:
    """Drains of any size: small ones are joined, large ones are cut."""
    parts = many_waits(200) if size < 700 else many_waits(300) * 40
    drains = [joined(parts[start : start + size]) for start in range(0, len(parts), size)]
    facts = FakeSource([], context=CALLS)
    _, shown = model_of(facts, *drains)
    text = ReadinessText(CALLS, ())
    expected = []
    for drain in drains:
        told = text.lines(drain, {}, {})
        expected += [told.get(row, "") for row in range(len(drain.operations))]
    found = list(words_of(shown.recent))
    assert found == expected
    assert sum("7:EPOLLIN" in each for each in found) > 60
    assert any("?data=0x63" in each for each in found)


def test_a_whole_capture_reads_as_the_log_prints_it() -> None:
    """With what was there before it began, causes, and what was kept of the first rows only."""
    facts = source()
    _, shown = model_of(facts, *facts.records())
    lines = LogRows()
    lines.update(shown, None)
    text = ReadinessText(facts.context, facts.interests)
    expected = [
        told for drain in facts.records() for told in text.lines(drain, facts.files, facts.threads).values()
    ]
    found = [line.text for line in lines.lines(0, len(lines))]
    assert [line[line.index(" ready=") :] for line in found if " ready=" in line] == expected
    assert len(expected) == 3


def test_an_arrival_that_comes_alone_counts() -> None:
    facts = source()
    first, second = facts.records()
    alone = Records(empty_records().operations, empty_records().memory, second.socket_events)
    after = Records(second.operations, second.memory, empty_records().socket_events)
    _, apart = model_of(facts, first, alone, after)
    _, together = model_of(facts, first, second)
    assert list(words_of(apart.recent)) == list(words_of(together.recent))
    assert any("arrived" in each for each in words_of(apart.recent))


def test_after_a_gap_nothing_is_said_that_depends_on_what_came_before() -> None:
    facts = FakeSource([], context=CALLS)
    model, _ = model_of(facts, epoll_ctl(ADD, 7, 70, at=1))
    model.add(epoll_wait([(EPOLLIN, 70)], at=10), facts, keep=False)
    model.add(epoll_wait([(EPOLLIN, 70)], at=20), facts)
    model.add(joined([epoll_ctl(ADD, 9, 90, at=30), epoll_wait([(EPOLLIN, 90)], at=40)]), facts)
    found = list(words_of(model.picture(facts, facts.ended_ns).recent))
    assert [each.strip() for each in found] == ["", "ready=?data=0x46:EPOLLIN", "", "ready=9:EPOLLIN"]


def test_a_target_that_only_uses_rings_costs_nothing_until_it_makes_a_call() -> None:
    facts = source()
    alone = only_operations(row("SEND", file=41, fd=7, result=5))
    _, shown = model_of(facts, alone)
    assert shown.recent.explained == (None,)
    _, later = model_of(facts, alone, *facts.records())
    _, without = model_of(facts, *facts.records())
    assert list(words_of(later.recent))[1:] == list(words_of(without.recent))


def test_what_holds_no_calls_is_not_looked_at() -> None:
    facts = FakeSource([], context=context(probes=("io_uring_complete",)))
    _, shown = model_of(facts, *many_waits(3))
    assert set(shown.recent.explained) == {None}
