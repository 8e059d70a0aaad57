"""What is in flight, on the timeline: as many as the probes' table has, and only as long as it is."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

from tests.fakes import ALL_NAMES, OPCODES, STARTED_NS, call, multishot_rows, row, rows
from tests.terminal.pictures import (
    AT_NS,
    CONNECTIONS,
    MILLISECOND,
    SECOND,
    TGID,
    UNDER_WAY,
    open_row,
    picture,
    recent,
    ring,
    thread,
    under_way,
)
from uringtrace.tracer.filter import Condition, parse
from uringtrace.tracer.live.picture import Picture
from uringtrace.tracer.record import CQE_F_MORE, SQE_FIXED_FILE, Batch, Kind, Path
from uringtrace.ui.terminal.lanes import Window, covering, paint
from uringtrace.ui.terminal.open_spans import going_on, with_open
from uringtrace.ui.terminal.spans import NO_PART, SpanMemory, Spans
from uringtrace.ui.terminal.under_cursor import words_for
from uringtrace.ui.text.operation_line import LineFormatter


def spans_in(shown: Picture, lanes: str, condition: Condition | None = None) -> Spans:
    ended = SpanMemory().of(shown.recent, lanes, condition)
    return with_open(ended, going_on(shown, condition), shown, lanes)


def lengths(spans: Spans) -> list[tuple[int, int, int]]:
    """Of those in flight the lane, the operation, and for how many milliseconds their stretch goes on."""
    chosen = spans.take(np.flatnonzero(spans.part == NO_PART))
    assert (chosen.ended == AT_NS).all()
    assert chosen.open.all()
    shown = (chosen.keys[chosen.lane], chosen.opcode, (chosen.ended - chosen.began) // MILLISECOND)
    return list(zip(*(column.tolist() for column in shown), strict=True))


def moment(*open_rows: Batch, memory: Batch | None = None, **changes: object) -> Picture:
    """Nothing in memory but what is given."""
    batch = row("NOP") if memory is None else memory
    return picture(batch=batch, **{"under_way": under_way(*open_rows), **changes})


def test_each_is_in_the_lane_of_its_thread_and_its_ring() -> None:
    shown = moment(UNDER_WAY.rows)
    epoll, fsync = OPCODES["epoll_wait"], OPCODES["fsync"]
    assert lengths(spans_in(shown, "threads")) == [
        (TGID, epoll, 105),
        (TGID + 2, fsync, 3_400),
        (TGID + 1, OPCODES["RECV"], 300),
        (TGID + 1, OPCODES["FSYNC"], 60),
    ]
    assert lengths(spans_in(shown, "rings")) == [(5, OPCODES["RECV"], 300), (6, OPCODES["FSYNC"], 60)]


def test_as_many_are_drawn_as_the_table_has() -> None:
    """Of each ring and each operation, also where some have ended with the same user_data before."""
    many = [
        open_row("RECV", since_ns=(number + 1) * MILLISECOND, ring=5 + number % 2, user_data=number % 7)
        for number in range(100)
    ]
    memory = rows(*[row("RECV", after_ns=number, user_data=number % 7) for number in range(50)])
    shown = moment(*many, memory=memory)
    spans = spans_in(shown, "rings")
    drawn = Counter(ring for ring, _, _ in lengths(spans))
    assert shown.under_way is not None
    assert drawn == shown.under_way.per_ring() == {5: 50, 6: 50}
    window = Window(AT_NS - SECOND, AT_NS, 100)
    painted = paint(spans, np.array([5, 6]), window, STARTED_NS, ALL_NAMES)
    assert painted.counts[:, -1].tolist() == [50, 50]


def test_bars_are_open_and_say_how() -> None:
    shown = moment(
        open_row("RECV", since_ns=700, ring=5, path=Path.POLL, took_ns=0),
        open_row("FSYNC", since_ns=700, ring=6, path=Path.IO_WQ),
    )
    window = Window(AT_NS - 1000, AT_NS, 20)
    painted = paint(spans_in(shown, "rings"), np.array([5, 6]), window, STARTED_NS, ALL_NAMES)
    assert ["".join(line) for line in painted.signs.tolist()] == [
        "      RECV╌╌╌╌╌╌╌╌╌›",
        "      FSYNC════════›",
    ]


def test_what_memory_knows_to_have_ended_is_left_out() -> None:
    """The table was read a moment before the picture."""
    one = open_row("RECV", since_ns=50 * MILLISECOND, user_data=1)
    other = open_row("RECV", since_ns=40 * MILLISECOND, user_data=2)
    ended = one.copy()
    ended["kind"], ended["completed_ns"], ended["result"] = Kind.COMPLETION, AT_NS - MILLISECOND, 7
    assert lengths(spans_in(moment(one, other, memory=ended), "rings")) == [(5, OPCODES["RECV"], 40)]
    answered = open_row("read", since_ns=30 * MILLISECOND, tid=TGID)
    returned = answered.copy()
    returned["kind"], returned["completed_ns"] = Kind.COMPLETION, AT_NS - MILLISECOND
    assert lengths(spans_in(moment(answered, memory=returned), "threads")) == []


def test_what_began_after_the_picture_is_not_in_it() -> None:
    assert lengths(spans_in(moment(row("READ", after_ns=8 * SECOND)), "rings")) == []


def test_of_many_completions_only_the_last_stretch_is_open() -> None:
    done = multishot_rows("ACCEPT", [7, 8, 9], user_data=3)
    done["cqe_flags"] |= CQE_F_MORE
    last_ns = int(done["completed_ns"].max())
    still = open_row("ACCEPT", since_ns=AT_NS - int(done["submitted_ns"][0]), user_data=3)
    [(_, _, length)] = lengths(spans_in(moment(still, memory=done), "rings"))
    assert length == (AT_NS - last_ns) // MILLISECOND


def test_what_began_before_the_capture_reaches_back_to_its_beginning() -> None:
    """One that ended before the table was read says nothing of another with the same user_data."""
    before = open_row("RECV", since_ns=1, submitted_ns=0, user_data=0)
    ended = row("RECV", submitted_ns=0, user_data=0)
    assert lengths(spans_in(moment(before, memory=ended), "rings")) == [(5, OPCODES["RECV"], 7_000)]
    late = under_way(before, at_ns=STARTED_NS + 1)
    assert lengths(spans_in(moment(memory=ended, under_way=late), "rings")) == []
    many = row("RECV", submitted_ns=0, user_data=0, cqe_flags=CQE_F_MORE, after_ns=2 * SECOND, took_ns=0)
    assert lengths(spans_in(moment(before, memory=rows(ended, many)), "rings")) == [
        (5, OPCODES["RECV"], 5_000)
    ]
    sitting = open_row("epoll_wait", since_ns=1, submitted_ns=0, tid=TGID)
    assert lengths(spans_in(moment(sitting), "threads")) == [(TGID, OPCODES["epoll_wait"], 7_000)]


def test_what_can_not_be_told_is_not_drawn() -> None:
    """What may have ended without a CQE; anything, where the table was not read or all is over."""
    silent = open_row("READ", since_ns=1, kind=Kind.SILENT)
    assert lengths(spans_in(moment(silent), "rings")) == []
    assert lengths(spans_in(moment(under_way=None), "rings")) == []
    assert lengths(spans_in(moment(UNDER_WAY.rows, ended=True), "rings")) == []


def test_a_thread_that_has_ended_is_in_no_call() -> None:
    gone = thread(TGID, state="ended", call=None, in_call_ns=None)
    shown = moment(
        open_row("read", since_ns=1, tid=TGID), open_row("READ", since_ns=1, tid=TGID), threads=[gone]
    )
    assert [opcode for _, opcode, _ in lengths(spans_in(shown, "threads"))] == [OPCODES["READ"]]


def test_a_recording_says_nothing_of_what_came_later() -> None:
    """Its rows are as they were completed."""
    later = row("READ", after_ns=6 * SECOND, took_ns=9 * SECOND, result=-5, woken_ns=AT_NS + SECOND)
    spans = spans_in(moment(later), "rings")
    chosen = spans.take(np.flatnonzero(spans.part == NO_PART))
    assert (chosen.failed.tolist(), chosen.woken.tolist()) == ([False], [0])
    assert lengths(spans) == [(5, OPCODES["READ"], 1_000)]


def test_the_connection_of_a_descriptor() -> None:
    """Number 3 has descriptor 9 since a second after the start, number 6 has index 2."""
    receiving = open_row("RECV", since_ns=SECOND, fd=9)
    shown = moment(receiving)
    assert [key for key, _, _ in lengths(spans_in(shown, "connections"))] == [9_003]
    elsewhere = [
        open_row("RECV", since_ns=SECOND, fd=77),
        open_row("RECV", since_ns=SECOND, fd=9, tgid=1),
        open_row("RECV", since_ns=6_500 * MILLISECOND, fd=9),
        open_row("RECV", since_ns=SECOND, fd=11, submitted_ns=0),
    ]
    assert lengths(spans_in(moment(*elsewhere), "connections")) == []
    twice = [*CONNECTIONS, *(each for each in CONNECTIONS if each.number == 3)]
    assert lengths(spans_in(moment(receiving, connections=twice), "connections")) == []
    registered = open_row("RECV", since_ns=SECOND, fd=2, sqe_flags=SQE_FIXED_FILE)
    assert lengths(spans_in(moment(registered), "connections")) == []
    alone = moment(registered, rings=[ring(5)])
    assert [key for key, _, _ in lengths(spans_in(alone, "connections"))] == [9_006]


def test_a_filter_leaves_of_it_what_is_known_to_match() -> None:
    only = Condition(parse("op=FSYNC and interface=io_uring"), ALL_NAMES)
    assert [opcode for _, opcode, _ in lengths(spans_in(moment(UNDER_WAY.rows), "threads", only))] == [
        OPCODES["FSYNC"]
    ]
    failed = Condition(parse("error"), ALL_NAMES)
    assert lengths(spans_in(moment(UNDER_WAY.rows), "threads", failed)) == []


def test_it_is_told_as_the_log_does() -> None:
    shown = moment(UNDER_WAY.rows)
    spans = spans_in(shown, "rings")
    found = covering(spans, 6, Window(AT_NS - SECOND, AT_NS, 10), 9)
    formatter = LineFormatter(shown.context, shown.recent.files)
    text = words_for(found, shown, going_on(shown, None).records, formatter)
    assert "FSYNC(fd=5" in text
    assert "<unfinished …> age=0.060000" in text


@pytest.mark.parametrize("lanes", ["threads", "rings", "connections"])
def test_a_hundred_thousand_in_flight_in_time(lanes: str) -> None:
    """Processor time; the bound is loose, for any machine."""
    many = np.repeat(open_row("RECV", since_ns=SECOND, fd=9), 100_000)
    many["submitted_ns"] += np.arange(100_000, dtype=np.uint64)
    done = np.repeat(call("read"), 200_000)
    shown = picture(recent=recent(done), under_way=under_way(many))
    begin = time.thread_time()
    going = going_on(shown, None)
    empty = SpanMemory().of(recent(), lanes, None)
    assert len(with_open(empty, going, shown, lanes)) == 100_000
    assert time.thread_time() - begin < 1.0
