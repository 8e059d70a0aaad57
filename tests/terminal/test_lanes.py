"""The timeline's cells, from rows written down by hand: what is cut, what is counted, what is not known."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.fakes import ALL_NAMES, OPCODES, STARTED_NS, call, multishot_rows, row
from uringtrace.tracer.filter import Condition, parse
from uringtrace.tracer.live.recent import RecentOperations
from uringtrace.tracer.record import Kind, Path, Wake
from uringtrace.tracer.records import only_operations
from uringtrace.tracer.source import File, Socket
from uringtrace.ui.terminal import lanes
from uringtrace.ui.terminal.lanes import Painted, Window, covering, height_steps, paint, wake_line
from uringtrace.ui.terminal.letters import KINDS, WORDS, letter_of
from uringtrace.ui.terminal.spans import (
    SpanMemory,
    Spans,
    remembered_since,
)

TID = 4243
NS = 1_000


def spans_from(*batches, of="threads", files=None, condition=None) -> Spans:
    recent = RecentOperations()
    for batch in batches:
        recent.add(only_operations(batch))
    return SpanMemory().of(recent.view(files or {}), of, condition)


def window(width: int, first: int = 0, span: int = NS) -> Window:
    """From `first` ns after the start, `span` ns long."""
    return Window(STARTED_NS + first, STARTED_NS + first + span, width)


def painted(spans: Spans, frame: Window, *keys: int, since: int = STARTED_NS) -> Painted:
    return paint(spans, np.array(keys or [TID]), frame, since, ALL_NAMES)


def text(spans: Spans, frame: Window, *keys: int, since: int = STARTED_NS) -> list[str]:
    return ["".join(line) for line in painted(spans, frame, *keys, since=since).signs.tolist()]


def test_a_single_operation_is_a_bar_with_its_name():
    spans = spans_from(row("READ", after_ns=100, took_ns=600))
    assert text(spans, window(20)) == ["  READ────────┤     "]


def test_a_short_bar_has_a_letter():
    spans = spans_from(row("READ", after_ns=100, took_ns=200), row("FSYNC", after_ns=600, took_ns=10))
    assert text(spans, window(20)) == ["  R───┤     F       "]


@pytest.mark.parametrize(
    ("after", "took", "expected"),
    [
        (-100, 200, "‹N        "),
        (900, 500, "         N"),
        (800, 500, "        N›"),
        (-100, 5000, "‹NOP─────›"),
        (0, 1000, "NOP──────┤"),
        (1000, 1, "         N"),
        (1001, 1, "          "),
        (-10, 10, "N         "),
        (-10, 9, "          "),
    ],
)
def test_an_operation_across_an_edge_is_cut_and_not_dropped(after, took, expected):
    """Both edges are part of the window, to the nanosecond."""
    spans = spans_from(row("NOP", after_ns=after + 5_000, took_ns=took))
    assert text(spans, window(10, first=5_000)) == [expected]


def test_several_in_a_cell_are_a_height():
    spans = spans_from(*[row("READ", after_ns=100, took_ns=600)] * 5, row("READ", after_ns=0, took_ns=950))
    [line] = text(spans, window(10))
    assert line == "R▃▃▃▃▃▃▃R┤"
    assert painted(spans, window(10)).counts.tolist() == [[1, 6, 6, 6, 6, 6, 6, 6, 1, 1]]


def test_each_lane_counts_its_own():
    spans = spans_from(row("NOP", tid=1), row("NOP", tid=2), row("NOP", tid=2), row("NOP", tid=9))
    counts = painted(spans, window(1, 0, 2_000_000), 2, 7, 1).counts
    assert counts.tolist() == [[2], [0], [1]]


def test_heights_keep_their_scale_until_it_is_exceeded():
    assert height_steps(0) == height_steps(256) == (2, 4, 8, 16, 32, 64, 128)
    assert height_steps(257) == height_steps(65_536) == (4, 16, 64, 256, 1024, 4096, 16384)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"path": Path.POLL}, "READ╌╌╌╌╌┤"),
        ({"path": Path.IO_WQ}, "READ═════┤"),
        ({"path": Path.IO_WQ | Path.POLL}, "READ═════┤"),
        ({"result": -5}, "READ─────×"),
        ({"kind": Kind.UNFINISHED}, "READ─────›"),
    ],
)
def test_the_line_says_how_and_the_end_says_how_it_ended(fields, line):
    assert text(spans_from(row("READ", after_ns=0, took_ns=1000, **fields)), window(10)) == [line]


def test_a_call_that_slept_shows_when_it_was_woken():
    spans = spans_from(
        call("read", after_ns=0, took_ns=1000, slept=True, wake=Wake.NETWORK, woken_ns=STARTED_NS + 750)
    )
    assert text(spans, window(10)) == ["read╌╌╌^╌┤"]
    assert wake_line(spans, TID, window(10), STARTED_NS) == "       n  "


def test_wakes_of_several_kinds_and_failures():
    woken = [
        call("read", after_ns=0, took_ns=300, slept=True, wake=wake, woken_ns=STARTED_NS + at)
        for wake, at in [(Wake.TIMER, 10), (Wake.THREAD, 110), (Wake.INTERRUPT, 210), (Wake.TIMER, 220)]
    ]
    spans = spans_from(*woken, call("read", after_ns=500, took_ns=50, result=-9))
    assert wake_line(spans, TID, window(10), STARTED_NS) == "t^+  ×    "


def test_nothing_is_claimed_about_what_is_forgotten():
    recent = RecentOperations(2)
    for number in range(4):
        recent.add(only_operations(row("NOP", after_ns=number * 200, took_ns=150)))
    view = recent.view({})
    assert view.dropped
    since = remembered_since(view, STARTED_NS)
    spans = SpanMemory().of(view, "threads", None)
    oldest = min(spans.ended.tolist()) - STARTED_NS
    [line] = text(spans, window(10), since=since)
    cells = -(-oldest // 100)
    assert line[:cells] == "░" * cells
    assert "░" not in line[cells:]
    assert painted(spans, window(10), since=since).counts[0, :cells].sum() == 0


def test_a_bar_that_reaches_into_what_is_forgotten_is_cut_there():
    spans = spans_from(row("READ", after_ns=100, took_ns=1_700))
    assert text(spans, window(20, span=2 * NS), since=STARTED_NS + 500) == ["░░░░░‹READ────────┤ "]


def test_before_the_capture_nothing_is_known_either():
    spans = spans_from(row("NOP", after_ns=200, took_ns=100))
    assert text(spans, window(10, first=-500)) == ["░░░░░  N┤ "]
    assert text(spans, window(10, first=-5_000)) == ["░" * 10]


def test_each_completion_of_a_multishot_is_its_own_stretch():
    """From the completion before it, or all of them would lie over one another."""
    spans = spans_from(multishot_rows("ACCEPT", [7, 8, 9]))
    assert (spans.ended - spans.began).tolist() == [1_000_000] * 3


def test_what_has_no_beginning_or_no_observed_end_is_a_moment():
    spans = spans_from(
        row("NOP", kind=Kind.UNTRACKED, submitted_ns=0),
        row("NOP", kind=Kind.SILENT, after_ns=100, took_ns=500),
    )
    assert (spans.ended == spans.began).all()
    assert spans.ended[1] == STARTED_NS + 100


def test_rings_have_no_lane_for_calls():
    spans = spans_from(row("NOP", ring=5), call("read"), of="rings")
    assert spans.keys.tolist() == [5]
    assert len(spans) == 1


def test_an_accept_belongs_to_the_connection_that_it_brought():
    def socket(number: int, *, listening: bool) -> File:
        return File(number, "TCP", 0, 70 + number, Socket("inet", "tcp", "a", "b", listening))

    files = {1: socket(1, listening=True), 2: socket(2, listening=False), 3: File(3, "/x", 0, 9)}
    spans = spans_from(
        row("ACCEPT", file=1, result_file=2), row("READ", file=3), row("RECV", file=2), of="connections",
        files=files,
    )  # fmt: skip
    assert spans.keys[spans.lane].tolist() == [72, 72]
    assert spans.row.tolist() == [0, 2]


def test_a_filter_chooses_rows():
    condition = Condition(parse("op=FSYNC"), ALL_NAMES)
    spans = spans_from(row("READ"), row("FSYNC"), condition=condition)
    assert spans.opcode.tolist() == [OPCODES["FSYNC"]]


def test_what_is_under_the_cursor():
    spans = spans_from(
        row("READ", after_ns=0, took_ns=500), row("FSYNC", after_ns=450, took_ns=300), row("NOP", tid=9)
    )
    frame = window(10)
    found = [covering(spans, TID, frame, cell).opcode.tolist() for cell in (0, 4, 6, 9)]
    read, fsync = OPCODES["READ"], OPCODES["FSYNC"]
    assert found == [[read], [read, fsync], [fsync], []]
    assert not len(covering(spans, 777, frame, 0))


def test_the_memory_of_spans_forgets_with_the_rows():
    """Parts that went are gone from the spans, and those that stay are not read again."""
    recent, memory = RecentOperations(20_000), SpanMemory()
    seen = []
    for number in range(4):
        recent.add(only_operations(np.repeat(row("NOP", after_ns=number * 1000), 8_000)))
        spans = memory.of(recent.view({}), "threads", None)
        seen.append(len(spans))
        assert len(spans) == recent.view({}).rows
        assert spans.part.max() == len(recent.view({}).parts) - 1
    assert seen[-1] <= 20_000


def test_no_row_and_no_lane():
    spans = spans_from()
    assert text(spans, window(5)) == ["     "]
    assert paint(spans, np.zeros(0, np.int64), window(5), STARTED_NS, ALL_NAMES).signs.shape == (0, 5)


def test_cells_begin_where_the_window_says():
    frame = window(7, span=1_001)
    for cell in range(7):
        first = frame.first_ns(cell)
        around = np.array([first - 1, first])
        assert frame.cells(around).tolist() == [max(cell - 1, 0), cell]


def test_as_brute_force_has_it():
    """Counts in all cells against a loop over all rows."""
    random = np.random.default_rng(5)
    batch = np.repeat(row("READ"), 400)
    batch["submitted_ns"] = STARTED_NS + random.integers(0, 2_000, 400)
    batch["completed_ns"] = batch["submitted_ns"] + random.integers(0, 300, 400).astype(np.uint64)
    batch["tid"] = random.integers(1, 4, 400)
    frame = window(37, first=500, span=997)
    counts = painted(spans_from(batch), frame, 1, 2, 3).counts
    expected = np.zeros_like(counts)
    for each in batch:
        began, ended = int(each["submitted_ns"]), int(each["completed_ns"])
        if began <= frame.end_ns and ended >= frame.start_ns:
            first, last = frame.cells(np.array([began, ended]))
            expected[each["tid"] - 1, first : last + 1] += 1
    assert (counts == expected).all()


def test_two_hundred_thousand_rows_in_time():
    """Within 50 ms of processor time where nothing else runs; here the bound is loose, for any machine."""
    random = np.random.default_rng(1)
    count = 200_000
    batch = np.repeat(row("READ"), count)
    batch["completed_ns"] = STARTED_NS + np.arange(count) * 5_000 + 20_000
    batch["submitted_ns"] = batch["completed_ns"] - random.integers(1_000, 20_000, count).astype(np.uint64)
    batch["tid"] = random.integers(4_000, 4_060, count)
    recent = RecentOperations()
    recent.add(only_operations(batch))
    view = recent.view({})
    best = 1.0
    for _ in range(5):
        begin = time.thread_time()
        spans = SpanMemory().of(view, "threads", None)
        result = painted(spans, window(200, span=1_000_000_000), *range(4_000, 4_060))
        best = min(best, time.thread_time() - begin)
    assert result.counts.sum() >= count
    assert best < 0.25


def test_letters_tell_kinds_apart():
    assert [letter_of(name) for name in ("READ", "recvfrom", "RENAMEAT", "renameat2", "poll")] == [
        "R",
        "R",
        "r",
        "r",
        "P",
    ]
    assert KINDS.keys() == WORDS.keys()
    assert letter_of("") == "?"


def test_signs_take_one_column_each():
    from rich.cells import cell_len

    signs = [*lanes.HEIGHTS, *lanes.FILLS.values(), *lanes.WAKE_SIGNS.values()]
    signs += [lanes.END, lanes.FAILED, lanes.GOES_ON, lanes.CUT, lanes.FORGOTTEN, lanes.WOKEN]
    assert {cell_len(sign) for sign in signs} == {1}
