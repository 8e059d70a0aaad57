"""Pictures made of characters say what the numbers say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uringtrace.ui.terminal.marks import activity_bar, bar, level, path_bar, sparkline

SHARES = st.one_of(st.none(), st.floats(0, 1))


def test_a_sparkline_has_its_newest_on_the_right_and_its_greatest_full() -> None:
    assert sparkline((0, 1, 4, 8), 4) == " ▂▅█"
    assert sparkline((8, 1), 4) == "  █▂"
    assert sparkline((9, 0, 0), 2) == "  "


def test_something_small_is_not_drawn_as_nothing() -> None:
    assert sparkline((0.001, 1_000), 2) == "▁█"
    assert path_bar(1, 0, 1_000_000, 8) == "─WWWWWWW"
    assert level(1, 4_096, 6) == "▏     "
    assert activity_bar(0.0001, 0.9999, 0.0, 10) == "█·········"


def test_what_is_not_known_is_blank() -> None:
    assert bar(None, 3) == level(None, 8, 3) == level(3, None, 3) == path_bar(0, 0, 0, 3) == "   "
    assert activity_bar(None, None, None, 3) == "   "


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, "    "), (0.5, "██  "), (0.53, "██▏ "), (1, "████"), (7, "████")]
)
def test_a_bar_is_drawn_in_eighths(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn


@given(SHARES, SHARES, SHARES, st.integers(3, 40))
def test_an_activity_bar_shows_every_share_and_never_grows(
    running: float | None, waiting: float | None, blocked: float | None, width: int
) -> None:
    drawn = activity_bar(running, waiting, blocked, width)
    assert len(drawn) == width
    for share, sign in ((running, "█"), (waiting, "·"), (blocked, "x")):
        assert (sign in drawn) == bool(share)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(3, 40))
def test_a_path_bar_is_full_and_shows_every_path(inline: int, poll: int, io_wq: int, width: int) -> None:
    drawn = path_bar(inline, poll, io_wq, width)
    assert len(drawn) == width
    if inline + poll + io_wq:
        for count, sign in ((inline, "─"), (poll, "p"), (io_wq, "W")):
            assert (sign in drawn) == bool(count)
