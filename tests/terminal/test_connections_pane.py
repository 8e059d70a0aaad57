"""The connections and the timeline of one: what is shown, in which order, and that it stays quick."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.fakes import STARTED_NS, call, row, rows
from tests.terminal.pictures import (
    AT_NS,
    CONNECTIONS,
    HOSTILE,
    HOSTILE_SHOWN,
    MILLISECOND,
    connection,
    many_connections,
    operations,
    picture,
    recent,
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
    table_of,
)
from uringtrace.tracer.connections import Connection
from uringtrace.tracer.filter import parse
from uringtrace.tracer.source import File, Socket
from uringtrace.ui.terminal.address_filter import ConnectionFilter
from uringtrace.ui.terminal.own_timeline import SocketFiles, moments_of
from uringtrace.ui.terminal.panes import connections as pane
from uringtrace.ui.terminal.panes.connection_detail import ConnectionScreen
from uringtrace.ui.terminal.state import Sort


def in_order(sort: Sort, *chosen: Connection) -> list[int]:
    ordered = pane.sorted_connections(chosen or CONNECTIONS, sort, STARTED_NS, AT_NS)
    return [each.number for each in ordered]


def filtered(text: str) -> list[int]:
    chosen = ConnectionFilter(parse(text))
    first = [each.number for each in chosen.left(CONNECTIONS)]
    assert [each.number for each in chosen.left(CONNECTIONS)] == first
    return first


def test_who_waits_longest_is_on_top_and_what_is_closed_at_the_end() -> None:
    assert in_order(pane.DEFAULT_SORT) == [3, 2, 1, 4, 6, 7, 5]


@pytest.mark.parametrize("column", [column.key for column in pane.COLUMNS if column.sortable])
def test_every_column_sorts_both_ways_with_what_is_not_known_last(column: str) -> None:
    falling, rising = in_order(Sort(column)), in_order(Sort(column, descending=False))
    assert sorted(falling) == sorted(rising) == [1, 2, 3, 4, 5, 6, 7]
    unknown = {"waits": 5, "requests": 7, "first": 7, "idle": 5, "tls": 5, "role": 7, "cipher": 5}
    if column in unknown:
        assert falling[-1] == rising[-1] == unknown[column]


def test_a_number_that_is_a_lower_bound_says_so() -> None:
    cells = pane.connection_row(CONNECTIONS[1], STARTED_NS, AT_NS).cells
    assert "≥234B" in cells
    before = pane.connection_row(CONNECTIONS[3], STARTED_NS, AT_NS).cells
    assert "≥7.00s" in before


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("peer=192.0.2.0/24", [1, 2, 3, 5]),
        ("peer!=192.0.2.0/24", [4, 6, 7]),
        ("not peer=192.0.2.0/24", [4, 6, 7]),
        ("local=:8080", [1, 2, 3, 4, 5]),
        ("peer=unix or local=unix", [7]),
        ("op=READ", [1, 2, 3, 4, 5, 6, 7]),
        ("error and latency>1ms", [1, 2, 3, 4, 5, 6, 7]),
        ("op=READ and peer=192.0.2.0/24", [1, 2, 3, 5]),
        ("op=READ or peer=192.0.2.0/24", [1, 2, 3, 4, 5, 6, 7]),
        ("not (op=READ or peer=192.0.2.0/24)", [4, 6, 7]),
    ],
)
def test_a_filter_hides_only_what_its_addresses_rule_out(text: str, shown: list[int]) -> None:
    assert filtered(text) == shown


@pytest.mark.asyncio
async def test_what_a_filter_hides_is_counted() -> None:
    async with running("connections") as pilot:
        await pilot.press("slash", *"peer=unix", "enter")
        await pilot.pause()
        assert table_of(pilot).chosen == 7
        assert "6 open, 2 waiting for an answer, 1 closed · 6 hidden by the filter" in "".join(
            lines_of(pilot.app)
        )


@pytest.mark.asyncio
async def test_of_ten_thousand_connections_only_those_that_are_seen_become_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    row_of = pane.connection_row

    def counting(chosen: Connection, started_ns: int, now_ns: int) -> Any:
        made.append(chosen.number)
        return row_of(chosen, started_ns, now_ns)

    monkeypatch.setattr(pane, "connection_row", counting)
    async with running("connections", picture(connections=many_connections(10_000)), (80, 24)) as pilot:
        assert table_of(pilot).chosen == 10_000
        await pilot.press("end")
        await pilot.pause()
        assert table_of(pilot).chosen == 9_999
        assert "10,000 open, 1,000 waiting for an answer" in lines_of(pilot.app)[-2]
    assert 0 < len(set(made)) < 100


@pytest.mark.asyncio
async def test_the_cursor_keeps_its_connection_while_others_come_and_go() -> None:
    async with running("connections") as pilot:
        await pilot.press("down", "down")
        assert table_of(pilot).chosen == 1
        await show(pilot, picture(connections=[connection(8), *CONNECTIONS[:1], *many_connections(40)[9:]]))
        assert table_of(pilot).chosen == 1


@pytest.mark.asyncio
async def test_keys_and_clicks_sort() -> None:
    async with running("connections") as pilot:
        await pilot.press("o")
        await pilot.pause()
        assert table_of(pilot).sort == Sort("requests")
        await pilot.press("O")
        await pilot.pause()
        assert table_of(pilot).sort == Sort("requests", descending=False)
        table = table_of(pilot)
        heading = lines_of(pilot.app)[table.region.y]
        await pilot.click(table, offset=(heading.index("PEER"), 0))
        await pilot.pause()
        assert table_of(pilot).sort == Sort("peer", descending=False)
        assert "PEER▲" in lines_of(pilot.app)[table.region.y]


@pytest.mark.asyncio
async def test_enter_opens_the_timeline_of_the_connection_and_escape_closes_it() -> None:
    async with running("connections") as pilot:
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ConnectionScreen)
        text = "\n".join(lines_of(pilot.app))
        assert "waiting 2.30s for the first byte of an answer" in text
        assert "ACCEPT(fd=3<TCP *:8080>, flags=0) = 9<this>" in text
        assert "WRITE" not in text
        assert text.index("sendto(9<this>") < text.index("recvfrom(9<this>")
        await pilot.press("escape")
        await pilot.pause()
        assert len(pilot.app.screen_stack) == 1
        assert table_of(pilot).has_focus


@pytest.mark.asyncio
async def test_what_would_change_the_pane_behind_a_detail_does_nothing() -> None:
    async with running("connections") as pilot:
        await pilot.press("enter", "o", "3", "slash")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ConnectionScreen)
        assert application_of(pilot).active_pane.pane == "connections"
        assert not application_of(pilot).view.sorts


@pytest.mark.asyncio
async def test_a_timeline_follows_the_pictures_at_its_end_and_keeps_its_row_elsewhere() -> None:
    async with running("connections") as pilot:
        await pilot.press("enter")
        await pilot.pause()
        later = rows(operations(), call("shutdown", 9, 1, after_ns=6_900 * MILLISECOND, fd=9, file=1))
        await show(pilot, picture(batch=later))
        table = table_of(pilot)
        assert table.chosen_row is not None
        assert table.chosen_row.cells[-1].startswith("shutdown(9<this>, SHUT_WR)")
        await pilot.press("up", "up")
        kept = table.chosen
        await show(
            pilot, picture(batch=rows(later, row("CLOSE", after_ns=6_950 * MILLISECOND, file=1, fd=9)))
        )
        assert table.chosen == kept
        gone = picture(connections=CONNECTIONS[:1])
        await show(pilot, gone)
        assert "At this moment of the recording there is no such connection." in "\n".join(
            lines_of(pilot.app)
        )


def test_the_timeline_has_all_on_the_socket_in_the_order_of_time_and_nothing_else() -> None:
    batch = operations()
    # Two drains, the later one bringing what another processor saw first.
    kept = recent(batch[3:], batch[:3])
    numbers = SocketFiles(9_003).of(kept)
    assert numbers == {1}
    moments = moments_of(kept, numbers, 100)
    results = [int(each.records.operations["result"][each.row]) for each in moments]
    assert results == [9, 78, 1058, -104, 78]
    assert moments[0].since_ns is None
    assert moments[1].since_ns == 1_003 * MILLISECOND - 1_000 * MILLISECOND - 12_000
    assert [each.key for each in moments_of(kept, numbers, 2)] == [each.key for each in moments[-2:]]
    assert moments_of(kept, SocketFiles(1).of(kept), 100) == []


def test_a_file_that_is_no_socket_may_have_the_same_inode() -> None:
    kept = replace(
        recent(operations()),
        files={1: File(1, "/x", 8, 5), 2: File(2, "s", 0, 5, Socket("inet", "tcp", None, None))},
    )
    assert SocketFiles(5).of(kept) == {2}


def test_files_that_are_met_later_are_found() -> None:
    files = {1: File(1, "TCP", 0, 5, Socket("inet", "tcp", None, None))}
    kept, known = replace(recent(), files=files), SocketFiles(5)
    assert known.of(kept) == {1}
    files[9] = File(9, "TCP", 0, 5, Socket("inet", "tcp", None, "192.0.2.1:1"))
    assert known.of(kept) == {1, 9}


@pytest.mark.asyncio
async def test_hostile_addresses_and_files_are_harmless() -> None:
    evil = connection(3, protocol="unix", remote=HOSTILE, local=HOSTILE)
    base = picture(connections=[evil])
    files = {**base.recent.files, 3: File(3, HOSTILE, 8, 8_000)}
    told = replace(base, recent=replace(base.recent, files=files))
    async with running("connections", told, (200, 60)) as pilot:
        assert any(HOSTILE_SHOWN in line for line in lines_of(pilot.app))
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("home")
        await pilot.pause()
        text = "".join(lines_of(pilot.app))
        assert f"Connection 3  {HOSTILE_SHOWN}" in text
        assert r"\x1b[31m[red]\u202eevil\x0a\x09\xff\x00>" in text
        assert text.isprintable()


@pytest.mark.asyncio
async def test_a_small_terminal_still_says_who_waits_and_how_long() -> None:
    async with running("connections", size=SMALL) as pilot:
        assert any(
            "192.0.2.4:40003" in line and "waiting" in line and "2.30s" in line
            for line in lines_of(pilot.app)
        )
        await pilot.press("enter")
        await pilot.pause()
        assert "waiting 2.30s" in lines_of(pilot.app)[1]
        assert any("recvfrom" in line for line in lines_of(pilot.app))
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        await pilot.resize_terminal(*SMALL)
        await pilot.pause()
        assert "waiting 2.30s" in lines_of(pilot.app)[1]


@pytest.mark.asyncio
async def test_without_colour_every_state_is_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running("connections", size=(80, 24)) as pilot:
        assert pilot.app.no_color
        text = "\n".join(lines_of(pilot.app))
        assert all(word in text for word in ("waiting", "open", "by peer"))
        cursor = pilot.app.screen.query_one("#connections LiveTable").get_component_rich_style(
            "live-table--cursor"
        )
        assert cursor.reverse


@pytest.mark.parametrize("size", SIZES)
def test_screen(size: tuple[int, int], snap_compare: Any) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "connections")

    assert snap_compare(application(), terminal_size=size, run_before=shown)


@pytest.mark.parametrize("size", SIZES)
def test_screen_of_one(size: tuple[int, int], snap_compare: Any) -> None:
    async def shown(pilot: Pilot[None]) -> None:
        await open_pane(pilot, "connections")
        await pilot.press("enter")
        await pilot.pause()

    assert snap_compare(application(), terminal_size=size, run_before=shown)
