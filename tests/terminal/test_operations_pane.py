"""The table of operations: its order, what a filter leaves of it, and Enter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.fakes import ALL_NAMES, OPCODES
from tests.terminal.pictures import picture
from tests.terminal.running import (
    SIZES,
    SMALL,
    application,
    application_of,
    lines_of,
    open_pane,
    running,
    table_of,
)
from tests.terminal.scenes import busy_picture
from uringtrace.tracer.filter import Condition, parse
from uringtrace.tracer.filter.admission import has_other_words
from uringtrace.ui.terminal.panes.operation_detail import OperationScreen
from uringtrace.ui.terminal.panes.operations import (
    COLUMNS,
    admitted_operations,
    filter_words,
    operation_rows,
)
from uringtrace.ui.terminal.state import Sort

ALL = ["FSYNC", "READ", "RECV", "epoll_wait", "recvfrom", "sendto"]


def condition(text: str) -> Condition:
    return Condition(parse(text), ALL_NAMES)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("op=READ", ["READ"]),
        ("op!=READ", [name for name in ALL if name != "READ"]),
        ("not op=READ,FSYNC", ["RECV", "epoll_wait", "recvfrom", "sendto"]),
        ("%network", ["recvfrom", "sendto"]),
        ("interface=io_uring", ["FSYNC", "READ", "RECV"]),
        ("interface=syscall and op=recv*", ["recvfrom"]),
        ("op=recv*", ["RECV", "recvfrom"]),
        ("latency>1s", ALL),
        ("op=READ and latency>1s", ["READ"]),
        ("not (op=READ and latency>1s)", ALL),
        ("op=READ or latency>1s", ALL),
        ("op=READ or interface=syscall", ["READ", "epoll_wait", "recvfrom", "sendto"]),
        ("not op=READ and not fd=3", [name for name in ALL if name != "READ"]),
        ("op=NOP", []),
    ],
)
def test_operations_that_no_row_of_could_fit_are_left_out(text: str, names: list[str]) -> None:
    left = admitted_operations(busy_picture(), condition(text))
    assert sorted(operation.summary.name for operation in left) == names


def test_the_line_says_what_a_filter_does_not_do_here() -> None:
    shown = busy_picture()
    assert filter_words(shown, None, 6) == ""
    assert (
        filter_words(shown, condition("op=READ"), 1) == "Filtered: 1 of 6 rows, each with all its operations."
    )
    assert filter_words(shown, condition("op=READ and error"), 1).endswith("single operations: see the log.")
    assert has_other_words(parse("not (op=READ and fd!=3)"))
    assert not has_other_words(parse("not (op=READ or interface=syscall)"))


@pytest.mark.parametrize("column", [column.key for column in COLUMNS if column.sortable])
def test_every_column_sorts_both_ways(column: str) -> None:
    operations = busy_picture().operations
    falling = [row.key for row in operation_rows(operations, Sort(column))]
    rising = [row.key for row in operation_rows(operations, Sort(column, descending=False))]
    assert sorted(map(str, falling)) == sorted(map(str, rising))
    if column == "name":
        assert falling == rising[::-1]


@pytest.mark.asyncio
async def test_enter_and_a_second_click_open_the_operation() -> None:
    async with running("operations", busy_picture()) as pilot:
        await pilot.press("down", "enter")
        await pilot.pause()
        screen = pilot.app.screen
        assert isinstance(screen, OperationScreen)
        await pilot.press("escape")
        assert screen.opcode == table_of(pilot).chosen
        await pilot.click(type(table_of(pilot)), offset=(4, 3))
        await pilot.click(type(table_of(pilot)), offset=(4, 3))
        await pilot.pause()
        assert isinstance(pilot.app.screen, OperationScreen)


@pytest.mark.asyncio
async def test_filtering_and_a_small_terminal() -> None:
    async with running("operations", busy_picture()) as pilot:
        app = application_of(pilot)
        app.view = replace(app.view, filter_text="op=FSYNC", condition=condition("op=FSYNC"))
        app.refresh_view()
        await pilot.pause()
        assert [row.key for row in table_of(pilot).rows] == [OPCODES["FSYNC"]]
        assert "Filtered: 1 of 6 rows" in "\n".join(lines_of(pilot.app))
        await pilot.resize_terminal(*SMALL)
        await pilot.pause()
        assert any("FSYNC" in line for line in lines_of(pilot.app))


@pytest.mark.parametrize("size", SIZES)
def test_screen(size: tuple[int, int], snap_compare: Any) -> None:
    async def opened(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "operations")

    assert snap_compare(application(picture()), terminal_size=size, run_before=opened)
