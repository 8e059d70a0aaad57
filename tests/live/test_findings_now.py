"""Findings while a capture goes on: those of `diagnose`, or of stretches where there is no time for all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import RING, STARTED_NS, FakeSource, context, row, rows
from tests.findings.diagnosing import PROBES
from tests.live.clock import Clock
from uringtrace.tracer.findings import Diagnosis, State
from uringtrace.tracer.live.findings_now import SAVED_NS, SHARE, FindingsNow, Judged
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.live.playback_feed import PlaybackFeed
from uringtrace.tracer.live.under_way import UnderWay
from uringtrace.tracer.record import OPERATION, Batch, Kind
from uringtrace.tracer.record import Path as IoPath
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.records import only_operations
from uringtrace.tracer.source import Context, File

SECOND = 1_000_000_000
CONTEXT: Context = context(probes=PROBES)
NOTHING = UnderWay(np.zeros(0, OPERATION), STARTED_NS, True)


class Running:
    """A capture that goes on second by second; following a drain costs what the test says."""

    def __init__(self, *, live: bool = True, piece_rows: int = 1) -> None:
        self.clock = Clock()
        self.spent = Clock(0)
        self.facts = FakeSource((), context=CONTEXT, rings=(RING,))
        self.now = FindingsNow(CONTEXT, self.clock, self.spent, live=live, piece_rows=piece_rows)

    def add(self, batch: Batch, *, costs_ns: int = 0, behind: bool = False) -> None:
        self.spent.now_ns = 0
        self.spent._look_ns = costs_ns
        self.now.add(only_operations(batch), self.facts, behind=behind)
        self.spent._look_ns = 0

    def judge(self, at_ns: int, *, ended: bool = False) -> Judged:
        found = self.now.judge(self.facts, at_ns, None if ended else NOTHING, ended=ended)
        assert found is not None
        return found


def full(at_ns: int, count: int = 1) -> Batch:
    """Completions that found the queue full."""
    return rows(*[row(ring=RING.ring, path=IoPath.OVERFLOW, after_ns=at_ns - STARTED_NS, took_ns=0)] * count)


def fine(at_ns: int, count: int = 1) -> Batch:
    return rows(*[row(ring=RING.ring, after_ns=at_ns - STARTED_NS, took_ns=0)] * count)


def tags(judged: Judged) -> list[str]:
    return [finding.tag for finding in judged.findings]


def test_while_there_is_time_it_is_what_diagnose_says_of_the_same_records() -> None:
    running = Running()
    diagnosis = Diagnosis(CONTEXT)
    for second in range(1, 5):
        at_ns = STARTED_NS + second * SECOND
        running.clock.now_ns = at_ns
        for batch in (full(at_ns - 10, 3), fine(at_ns - 5, 2)):
            running.add(batch, costs_ns=1_000_000)
            diagnosis.add(only_operations(batch), running.facts)
        judged = running.judge(at_ns)
        asked = diagnosis.judge(running.facts, at_ns, under_way=np.zeros(0, OPERATION))
        assert (judged.verdicts, judged.architecture) == (asked.verdicts, asked.architecture)
        assert (judged.records, judged.left_out) == (5 * second, 0)
    assert "cq-overflow" in tags(judged)
    assert (judged.started_ns, judged.ended_ns) == (STARTED_NS, at_ns)


def test_small_drains_are_followed_together_at_the_latest_when_a_verdict_is_asked_for() -> None:
    """Each step costs what a test's clock says: two steps for eleven drains."""
    running = Running(piece_rows=10)
    for number in range(11):
        running.add(full(STARTED_NS + number + 1), costs_ns=SAVED_NS // 4)
    judged = running.judge(STARTED_NS + 20)
    assert (judged.records, judged.left_out) == (11, 0)
    assert judged.findings[0].value("overflows") == 11


def test_beyond_its_share_a_stretch_ends_and_what_follows_is_counted_as_left_out() -> None:
    running = Running()
    at_ns = STARTED_NS + SECOND
    running.clock.now_ns = at_ns
    running.add(full(at_ns, 3), costs_ns=2 * SAVED_NS)
    running.add(fine(at_ns + 1, 7), costs_ns=SECOND)
    judged = running.judge(at_ns + SECOND)
    assert (judged.records, judged.left_out) == (3, 7)
    assert judged.ended_ns == at_ns
    assert "cq-overflow" in tags(judged)
    running.add(fine(at_ns + 2, 5))
    assert running.judge(at_ns + SECOND).left_out == 12


def test_where_following_takes_a_quarter_of_the_time_it_stops_at_once() -> None:
    """Long before what was saved is spent: draining needs the processor. The first step is not counted."""
    running = Running()
    for number in range(1, 6):
        running.clock.now_ns += SECOND // 10
        running.add(fine(STARTED_NS + number), costs_ns=SECOND // 30)
    assert running.judge(STARTED_NS + 100).records == 3
    assert running.judge(STARTED_NS + 100).left_out == 2
    slow = Running()
    for number in range(1, 6):
        slow.clock.now_ns += SECOND // 10
        slow.add(fine(STARTED_NS + number), costs_ns=SECOND // 100)
    assert slow.judge(STARTED_NS + 100).left_out == 0


def test_the_next_stretch_begins_when_its_share_is_saved_up_and_unsays_nothing() -> None:
    running = Running()
    first_ns = STARTED_NS + SECOND
    running.clock.now_ns = first_ns
    running.add(full(first_ns, 3), costs_ns=2 * SAVED_NS)
    found = running.judge(first_ns)
    running.clock.now_ns += round(1.9 * SAVED_NS / SHARE)
    running.add(fine(first_ns + 5, 4))
    assert running.judge(first_ns + 5).left_out == 4
    running.clock.now_ns += round(0.2 * SAVED_NS / SHARE)
    began_ns = first_ns + 5
    running.add(fine(began_ns + 10 * SECOND, 6))
    again = running.judge(began_ns + 10 * SECOND)
    assert (again.records, again.left_out) == (9, 4)
    assert (again.started_ns, again.ended_ns) == (began_ns, began_ns + 10 * SECOND)
    assert tags(again) == tags(found) == ["cq-overflow"]
    (verdict,) = [each for each in again.verdicts if each.tag == "cq-overflow"]
    assert verdict.findings == found.findings


def test_rings_of_a_later_stretch_count_from_its_beginning() -> None:
    """And one that rests since is not called unused."""
    running = Running()
    running.facts = replace(
        running.facts, rings=(replace(RING, submitted=500), replace(RING, ring=6, submitted=9))
    )
    running.clock.now_ns += SECOND
    running.add(fine(STARTED_NS + SECOND), costs_ns=2 * SAVED_NS)
    running.judge(STARTED_NS + SECOND)
    running.clock.now_ns += round(3 * SAVED_NS / SHARE)
    running.add(fine(STARTED_NS + 2 * SECOND))
    assert running.now._stretch is not None
    facts = running.now._stretch.facts
    assert facts is not None
    running.facts.rings = (replace(RING, submitted=800), replace(RING, ring=6, submitted=9))
    assert [(ring.ring, ring.submitted) for ring in facts.rings] == [(RING.ring, 300)]
    assert facts.context.started_ns == STARTED_NS + SECOND
    assert facts.interests == ()


def test_what_waits_to_be_counted_is_not_judged() -> None:
    running = Running()
    running.clock.now_ns += SECOND
    running.add(full(STARTED_NS + 1000, 2))
    running.add(fine(STARTED_NS + 2000, 9), behind=True)
    running.add(fine(STARTED_NS + 3000, 1))
    judged = running.judge(STARTED_NS + SECOND)
    assert (judged.records, judged.left_out) == (2, 10)
    assert judged.ended_ns == STARTED_NS + 1000
    running.clock.now_ns += round(0.9 * SAVED_NS / SHARE)
    running.add(fine(STARTED_NS + 4000, 1))
    assert running.judge(STARTED_NS + SECOND).left_out == 11
    running.clock.now_ns += round(0.2 * SAVED_NS / SHARE)
    running.add(fine(STARTED_NS + 5000, 1))
    assert running.judge(STARTED_NS + SECOND).left_out == 11


def test_nothing_of_a_recording_is_left_out() -> None:
    running = Running(live=False)
    for number in range(1, 6):
        running.add(full(STARTED_NS + number), costs_ns=100 * SECOND)
    judged = running.judge(STARTED_NS + SECOND, ended=True)
    assert (judged.records, judged.left_out) == (5, 0)


def test_what_a_recording_ended_later_is_in_flight_at_its_moment() -> None:
    """A request of 30 seconds is a finding at its 20th, though the recording knows its result."""
    running = Running(live=False)
    running.facts.files = {7: File(7, "/var/lib/journal", 8, 12)}
    late = row("FSYNC", file=7, ring=RING.ring, after_ns=SECOND, took_ns=30 * SECOND)
    running.add(fine(STARTED_NS + SECOND))
    at_ns = STARTED_NS + 21 * SECOND
    judged = running.now.judge(running.facts, at_ns, UnderWay(late, at_ns, True), ended=False)
    assert judged is not None
    (verdict,) = [each for each in judged.verdicts if each.tag == "never-completed"]
    assert verdict.state is State.FOUND
    assert late["kind"][0] == Kind.COMPLETION


def test_at_the_end_of_a_recording_it_is_what_diagnose_says(repository: Path) -> None:
    recording = open_recording(repository / "targets/demo/recording")
    diagnosis = Diagnosis(recording.context)
    for records in recording.records():
        diagnosis.add(records, recording)
    asked = diagnosis.judge(recording)
    feed = PlaybackFeed(open_recording(repository / "targets/demo/recording"))
    feed.controls.seek(recording.ended_ns)
    shown: list[Picture] = []

    def post(picture: Picture) -> None:
        shown.append(picture)
        if picture.ended:
            feed.stop()

    feed.run(post)
    judged = shown[-1].judged
    assert judged is not None
    assert judged.verdicts == asked.verdicts
    assert any(verdict.state is not State.NOT_APPLICABLE for verdict in judged.verdicts)


@pytest.mark.parametrize("live", [True, False])
def test_before_anything_was_seen_there_is_nothing_to_say(live: bool) -> None:
    running = Running(live=live)
    assert running.now.judge(running.facts, STARTED_NS, NOTHING, ended=False) is None
