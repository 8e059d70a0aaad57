"""One operation at length: its histogram, what the memory tells of it, and that each says what it is of."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot

from tests.fakes import ALL_NAMES, OPCODES, multishot_rows, row, rows
from tests.terminal.pictures import (
    AT_NS,
    FILES,
    HOSTILE,
    HOSTILE_SHOWN,
    SECOND,
    TGID,
    picture,
    recent,
    thread,
)
from tests.terminal.running import (
    SIZES,
    SMALL,
    application,
    application_of,
    lines_of,
    open_pane,
    running,
    show,
)
from tests.terminal.scenes import busy_picture, busy_rows
from uringtrace.tracer.filter import Condition, parse
from uringtrace.tracer.live.recent import Recent
from uringtrace.tracer.record import Kind
from uringtrace.tracer.statistics import BUCKETS, accumulate, bucket, empty_counters, operation_traits
from uringtrace.ui.terminal.latency_rows import latency_lines, latency_rows, shortest_width
from uringtrace.ui.terminal.operation_memory import fields_of, memory_of
from uringtrace.ui.terminal.panes.operation_detail import OperationScreen

READ, FSYNC = OPCODES["READ"], OPCODES["FSYNC"]


def histogram_of(*latencies: int) -> Any:
    return np.bincount(bucket(np.array(latencies, np.uint64)), minlength=BUCKETS).astype(np.uint64)


def test_rows_cover_all_latencies_and_add_up() -> None:
    latencies = [10, 1_000, 1_100, 5_000, 2_000_000, 2_100_000, 9_000_000_000]
    for most in (4, 8, 14, 30):
        found = latency_rows([histogram_of(*latencies)], most)
        assert len(found) <= most + 8
        assert sum(each.counts[0] for each in found) == len(latencies)
        for each in found:
            inside = [ns for ns in latencies if each.low_ns <= ns < (each.high_ns or 2**63)]
            assert each.counts == (len(inside),)
        assert all(one.high_ns == two.low_ns for one, two in pairwise(found))


def test_few_latencies_are_told_apart_finely_and_none_is_none() -> None:
    assert [each.counts for each in latency_rows([histogram_of(1_000, 1_400)], 14)] == [(1,), (0,), (1,)]
    assert latency_rows([histogram_of()], 14) == []
    assert latency_lines({"": histogram_of()}, 14, 60) == []
    [last] = latency_rows([histogram_of(2**50)], 14)
    assert last.high_ns is None


def test_a_line_fits_and_what_is_rare_is_not_blank() -> None:
    lines = latency_lines({"": histogram_of(*[1_000] * 9_999, 4_000)}, 14, 60)
    assert all(len(line) == 60 for line in lines)
    assert "▏" in lines[-1]
    assert lines[-1].endswith("<0.1%")


def test_two_histograms_share_their_rows() -> None:
    """Each with its own counts and shares, and what one lacks is 0 of it."""
    both = {
        "since the start": histogram_of(*[1_000] * 30, *[9_000_000] * 10),
        "in memory": histogram_of(1_000, 70_000),
    }
    for width in (shortest_width(list(both.values())), 76, 116):
        title, *lines = latency_lines(both, 14, width)
        assert max(map(len, lines)) <= width
        assert title.endswith("  in memory")
        column = title.index("in memory")
        shown = [(line[18:column].split()[-2:], line[column:].split()[-2:]) for line in lines]
        assert shown[0] == (["30", "75.0%"], ["1", "50.0%"])
        assert shown[-1] == (["10", "25.0%"], ["0", "0%"])
        assert (["0", "0%"], ["1", "50.0%"]) in shown
    assert len(latency_lines(both, 14, 116)) == len(latency_rows(list(both.values()), 14)) + 1


def test_the_memory_counts_as_the_counters_do() -> None:
    batch = rows(
        busy_rows(),
        multishot_rows("READ", [1, 2]),
        row("READ", kind=Kind.UNFINISHED, took_ns=5 * SECOND),
        row("READ", submitted_ns=0),
    )
    counters = empty_counters()
    accumulate(counters, batch, operation_traits(ALL_NAMES))
    memory = memory_of(picture(batch=batch), READ, None, 3)
    assert (memory.histogram == counters[READ]["histogram"]).all()
    assert memory.latency is not None
    assert memory.latency.max_ns == counters[READ]["max_ns"]
    assert memory.latency.mean_ns == counters[READ]["sum_ns"] / counters[READ]["timed"]
    assert [example.duration_ns for example in memory.slowest] == [5 * SECOND, 17_000_000, 17_000_000]


def test_who_used_it_and_on_what() -> None:
    batch = rows(*[row("READ", tid=7, file=2)] * 3, row("READ", tid=8, file=4), row("READ", tid=8))
    memory = memory_of(picture(batch=batch), READ, None, 1)
    assert memory.threads == [(7, 3), (8, 2)]
    assert memory.files == [(FILES[2].description, 3), (FILES[4].description, 1)]


def test_a_filter_chooses_examples() -> None:
    only = Condition(parse("error"), ALL_NAMES)
    memory = memory_of(busy_picture(), FSYNC, only, 5)
    assert memory.rows == 1
    [fields] = [fields_of(example, busy_picture()) for example in memory.slowest]
    assert {"operation=FSYNC", "error=EIO", "arguments.fd=5", "ring=6"} <= set(fields)


def test_two_hundred_thousand_rows_in_time() -> None:
    """Processor time; the bound is loose, for any machine."""
    shown = picture(recent=recent(np.repeat(row("READ", file=2), 200_000)))
    begin = time.thread_time()
    assert memory_of(shown, READ, None, 5).rows == 200_000
    assert time.thread_time() - begin < 0.5


def newest_rows() -> Recent:
    """A memory that does not hold all of the busy rows."""
    batch = busy_rows()
    return recent(*(batch[start : start + 100] for start in range(0, len(batch), 100)), capacity=200)


async def opened(pilot: Pilot[None], name: str) -> None:
    """The detail of the operation with this name."""
    await open_pane(pilot, "operations")
    application_of(pilot).push_screen(OperationScreen(OPCODES[name]))
    await pilot.pause()
    application_of(pilot).refresh_view()
    await pilot.pause()


def text_of(pilot: Pilot[None]) -> str:
    return "\n".join(lines_of(pilot.app))


@pytest.mark.asyncio
async def test_it_says_what_is_since_the_start_and_what_is_in_memory() -> None:
    kept = newest_rows()
    async with running("operations", busy_picture(recent=kept)) as pilot:
        await opened(pilot, "READ")
        text = text_of(pilot)
        in_memory = int((np.concatenate([part.operations for part in kept.parts])["opcode"] == READ).sum())
        assert "READ (io_uring operation)" in text
        assert "180 results" in text
        assert (
            f"In memory: {in_memory}, among {kept.rows} rows; {kept.dropped} older rows were dropped" in text
        )
        begin, end = text.index("since the start   "), text.index("Threads, in memory")
        counts = [re.findall(r"(\d+) +[<>\d.]+%", line) for line in text[begin:end].splitlines()]
        assert sum(int(found[0]) for found in counts if found) == 180
        assert sum(int(found[1]) for found in counts if found) == in_memory
        assert "4243 worker" in text
        assert "/var/lib/app/journal.db" in text


@pytest.mark.asyncio
async def test_it_follows_the_pictures_and_the_filter() -> None:
    async with running("operations", busy_picture()) as pilot:
        await opened(pilot, "FSYNC")
        assert "In memory: 3, among" in text_of(pilot)
        more = rows(busy_rows(), row("FSYNC", after_ns=100, took_ns=2 * SECOND))
        await show(pilot, picture(batch=more, at_ns=AT_NS + SECOND))
        assert "In memory: 4, among" in text_of(pilot)
        app = application_of(pilot)
        app.view = replace(app.view, filter_text="error", condition=Condition(parse("error"), ALL_NAMES))
        app.refresh_view()
        await pilot.pause()
        assert "In memory: 1 that the filter leaves, among" in text_of(pilot)
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, OperationScreen)


@pytest.mark.asyncio
async def test_keys_scroll_it_in_a_small_terminal() -> None:
    async with running("operations", busy_picture(), SMALL) as pilot:
        await opened(pilot, "FSYNC")
        assert "FSYNC" in text_of(pilot)
        await pilot.press(*["pagedown"] * 4)
        await pilot.pause(0.3)
        assert pilot.app.screen.query_one(VerticalScroll).scroll_y > 0


@pytest.mark.asyncio
async def test_an_operation_that_was_not_seen_yet() -> None:
    async with running("operations", busy_picture()) as pilot:
        await opened(pilot, "NOP")
        assert "Not seen yet." in text_of(pilot)


@pytest.mark.asyncio
async def test_names_from_the_target_are_harmless() -> None:
    files = {2: replace(FILES[2], description=HOSTILE)}
    kept = replace(busy_picture().recent, files=files)
    shown = busy_picture(recent=kept, threads=[thread(TGID + 2, name=HOSTILE)])
    async with running("operations", shown, (200, 60)) as pilot:
        await opened(pilot, "FSYNC")
        text = text_of(pilot)
        assert f"{TGID + 2} {HOSTILE_SHOWN}" in text
        assert f"file={HOSTILE_SHOWN}" in text
        assert f"fd=5<{HOSTILE_SHOWN}>" in text
        assert "\x1b" not in text


@pytest.mark.parametrize("size", SIZES)
def test_screen(size: tuple[int, int], snap_compare: Any) -> None:
    async def reads(pilot: Pilot[None]) -> None:
        await opened(pilot, "READ")

    shown = busy_picture(recent=newest_rows())
    assert snap_compare(application(shown), terminal_size=size, run_before=reads)
