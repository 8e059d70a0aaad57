"""The table: what it makes, how its columns share the width, where its cursor stays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tests.terminal.pictures import HOSTILE, HOSTILE_SHOWN
from tests.terminal.running import lines_of
from uringtrace.ui.terminal.fitting import Column, Loses, fit, layout
from uringtrace.ui.terminal.live_table import LazyRows, LiveTable, TableRow
from uringtrace.ui.terminal.messages import CursorMoved, RowChosen, SortChosen
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.terminal.state import Sort

COLUMNS = (
    Column("name", "NAME", right=False),
    Column("size", "SIZE", least=6),
    Column("picture", "PICTURE", right=False, stretch=True, sortable=False, loses=Loses.OLDEST),
)
SORT = Sort("name", descending=False)


def rows_of(names: Sequence[str]) -> list[TableRow]:
    return [TableRow(name, (name, "1", "▁▂▃")) for name in names]


class TableApp(App[None]):
    """One table, and what it told."""

    def __init__(self, table: LiveTable) -> None:
        super().__init__()
        self.table = table
        self.told: list[object] = []

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self.table.focus()

    def on_sort_chosen(self, message: SortChosen) -> None:
        self.told.append(message.sort)

    def on_row_chosen(self, message: RowChosen) -> None:
        self.told.append(message.key)

    def on_cursor_moved(self, message: CursorMoved) -> None:
        self.told.append(("moved", message.key))


@given(st.text(), st.integers(0, 30), st.booleans(), st.sampled_from(Loses))
def test_a_cell_takes_exactly_its_width_and_is_printable(
    text: str, width: int, right: bool, loses: Loses
) -> None:
    shown = fit(text, width, right=right, loses=loses)
    assert cell_len(shown) == width
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("loses", "shown"), [(Loses.END, "abcd…"), (Loses.BEGINNING, "…efgh"), (Loses.OLDEST, "defgh")]
)
def test_what_a_narrow_cell_gives_up(loses: Loses, shown: str) -> None:
    assert fit("abcdefgh", 5, loses=loses) == shown


def test_half_of_a_wide_character_is_a_blank() -> None:
    assert fit("日本語", 5, loses=Loses.OLDEST) == " 本語"
    assert fit("日本語", 4) == "日 …"


def test_nothing_of_a_hostile_name_reaches_the_terminal_as_it_is() -> None:
    assert printable(HOSTILE) == HOSTILE_SHOWN
    assert printable("plain ü 日本") == "plain ü 日本"


@given(
    st.lists(st.integers(0, 40), min_size=5, max_size=5),
    st.integers(10, 250),
)
def test_columns_that_can_be_left_out_never_make_a_table_too_wide(content: list[int], width: int) -> None:
    columns = (
        Column("a", "A", least=1, stretch=True),
        *(Column(str(rank), "B", rank=rank) for rank in range(1, 5)),
    )
    found = layout(columns, content, width)
    assert sum(found.widths) + found.gap * (len(found.widths) - 1) <= width
    assert found.columns[0] == 0
    assert list(found.columns) == sorted(found.columns)


def test_the_highest_rank_is_left_out_first() -> None:
    columns = (
        Column("a", "A", least=10),
        Column("b", "B", least=10, rank=2),
        Column("c", "C", least=10, rank=1),
    )
    assert layout(columns, [0, 0, 0], 35).columns == (0, 1, 2)
    assert layout(columns, [0, 0, 0], 25).columns == (0, 2)
    assert layout(columns, [0, 0, 0], 15).columns == (0,)


def test_the_stretching_column_takes_the_rest_and_gives_first() -> None:
    columns = (Column("a", "A", least=10), Column("b", "B", least=6, stretch=True))
    assert layout(columns, [10, 20], 60).widths == (10, 48)
    assert layout(columns, [10, 20], 20).widths == (10, 8)
    assert layout(columns, [10, 20], 20).gap == 2


@pytest.mark.asyncio
async def test_of_ten_thousand_rows_only_those_near_the_screen_are_made() -> None:
    made: list[int] = []

    def row(number: int) -> TableRow:
        made.append(number)
        return TableRow(number, (str(number), "1", ""))

    app = TableApp(LiveTable("test", COLUMNS))
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.show_rows(LazyRows(range(10_000), lambda number: number, row), SORT)
        await pilot.pause()
        assert set(made) <= set(range(26))
        await pilot.press("end")
        await pilot.pause()
        assert app.table.chosen == 9_999
        app.table.show_rows(LazyRows(range(10_000), lambda number: number, row), SORT)
        assert app.table.chosen == 9_999
        assert len(set(made)) < 80


@pytest.mark.asyncio
async def test_the_cursor_stays_at_the_top_until_it_is_moved_and_then_on_its_row() -> None:
    app = TableApp(LiveTable("test", COLUMNS))
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.show_rows(rows_of("abc"), SORT)
        app.table.show_rows(rows_of("cab"), SORT)
        assert app.table.chosen == "c"
        await pilot.press("down")
        assert app.table.chosen == "a"
        app.table.show_rows(rows_of("xyzcba"), SORT)
        assert app.table.chosen == "a"
        await pilot.press("home")
        app.table.show_rows(rows_of("abc"), SORT)
        assert app.table.chosen == "a"


@pytest.mark.asyncio
async def test_a_row_that_goes_leaves_the_cursor_where_it_was() -> None:
    app = TableApp(LiveTable("test", COLUMNS))
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.show_rows(rows_of("abcd"), SORT)
        await pilot.press("j", "j")
        app.table.show_rows(rows_of("abd"), SORT)
        assert app.table.chosen == "d"
        app.table.show_rows(rows_of("ab"), SORT)
        assert app.table.chosen == "b"
        app.table.show_rows([], SORT, "Nothing.")
        assert app.table.chosen is None
        await pilot.press("enter", "up", "down", "end")
        assert "Nothing." in lines_of(app)[2]


@pytest.mark.asyncio
async def test_the_scroll_bar_that_the_first_rows_need_covers_none_of_their_text() -> None:
    app = TableApp(LiveTable("test", COLUMNS))
    async with app.run_test(size=(80, 12)) as pilot:
        await pilot.pause()
        app.table.show_rows([TableRow(n, ("row", "1", "▁" * 80 + "█")) for n in range(200)], SORT)
        await pilot.pause()
        assert {line.count("█") for line in lines_of(app)[1:]} == {1}


@pytest.mark.asyncio
async def test_the_cursors_row_stays_in_sight_when_the_order_changes() -> None:
    names = [f"{number:03}" for number in range(200)]
    app = TableApp(LiveTable("test", COLUMNS))
    async with app.run_test(size=(80, 12)) as pilot:
        app.table.show_rows(rows_of(names), SORT)
        await pilot.press("down")
        app.table.show_rows(rows_of(names[::-1]), SORT)
        await pilot.pause()
        assert app.table.chosen == "001"
        assert any(line.startswith("001") for line in lines_of(app))


@pytest.mark.asyncio
async def test_a_table_that_follows_stays_at_its_end_until_the_cursor_leaves_it() -> None:
    app = TableApp(LiveTable("test", COLUMNS, follows=True))
    async with app.run_test(size=(80, 12)) as pilot:
        names = [f"{number:03}" for number in range(40)]
        app.table.show_rows(rows_of(names[:30]), SORT)
        await pilot.pause()
        assert any(line.startswith("029") for line in lines_of(app))
        app.table.show_rows(rows_of(names[:35]), SORT)
        await pilot.pause()
        assert app.table.chosen == "034"
        assert any(line.startswith("034") for line in lines_of(app))
        await pilot.press("up")
        app.table.show_rows(rows_of(names), SORT)
        assert app.table.chosen == "033"
        await pilot.press("G")
        assert app.table.chosen == "039"


async def clicked(pilot: Pilot[None], x: int, y: int) -> None:
    await pilot.click(LiveTable, offset=(x, y))
    await pilot.pause()


@pytest.mark.asyncio
async def test_a_heading_sorts_and_a_second_click_turns_the_order_round() -> None:
    app = TableApp(LiveTable("test", COLUMNS))
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.show_rows(rows_of("abc"), SORT)
        await pilot.pause()
        heading = lines_of(app)[0]
        assert "NAME▲" in heading
        await clicked(pilot, heading.index("SIZE"), 0)
        await clicked(pilot, heading.index("NAME"), 0)
        await clicked(pilot, heading.index("PICTURE"), 0)
        sorts = [each for each in app.told if isinstance(each, Sort)]
        assert sorts == [Sort("size", descending=True), Sort("name", descending=True)]


@pytest.mark.asyncio
async def test_a_click_moves_the_cursor_and_a_second_opens_the_row() -> None:
    app = TableApp(LiveTable("test", COLUMNS))
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.show_rows(rows_of("abc"), SORT)
        await clicked(pilot, 1, 2)
        assert app.told[-1] == ("moved", "b")
        await clicked(pilot, 1, 2)
        assert app.told[-1] == "b"
        await clicked(pilot, 1, 20)
        assert app.table.chosen == "b"


@pytest.mark.asyncio
async def test_sorting_by_keys_goes_round_the_columns_that_are_shown() -> None:
    app = TableApp(LiveTable("test", COLUMNS))
    async with app.run_test(size=(80, 24)) as pilot:
        app.table.show_rows(rows_of("abc"), SORT)
        app.table.sort_by_next()
        app.table.show_rows(rows_of("abc"), Sort("size"))
        app.table.sort_by_next()
        app.table.reverse()
        await pilot.pause()
        sorts = [each for each in app.told if isinstance(each, Sort)]
        assert sorts == [Sort("size"), Sort("name", descending=False), Sort("size", descending=False)]
