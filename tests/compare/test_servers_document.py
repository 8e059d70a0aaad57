"""The table of all servers in docs/compare.md, and how it is made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.compare_servers import (
    BEGIN,
    END,
    ComparedRow,
    Seen,
    compared,
    section,
    slowdown,
    table_lines,
    with_section,
)
from uringtrace.targets.catalogue import ARCHITECTURES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "compare.md").read_text()
ROWS = [
    ComparedRow("one", Seen(3000, 3000, 1.0, 1.0, 1.0, 0, 0), 12.345, 1.1),
    ComparedRow("two", Seen(1, 3001, 1 / 3001, 0.0, None, 2, 3), 1.0, None),
    ComparedRow("three", None, None, None, "needs a thing"),
]


def cells(name: str) -> list[str]:
    """Of the server's row in the document."""
    (row,) = re.findall(rf"^\| `{re.escape(name)}` \| (.*) \|$", DOCUMENT, re.M)
    return row.split(" | ")


def test_the_table_names_every_server() -> None:
    table = DOCUMENT.partition(BEGIN)[2].partition(END)[0]
    assert re.findall(r"^\| `(\S+)` ", table, re.M) == list(ARCHITECTURES)


def test_the_table_has_what_it_is_about() -> None:
    """Of calls strace sees everything, of SQPOLL nothing, and nothing is unexplained or lost."""
    assert cells("uring-sqpoll")[:3] == ["0", cells("uring-sqpoll")[1], "0%"]
    assert cells("epoll")[0] == cells("epoll")[1]
    assert cells("epoll")[2:5] == ["100%"] * 3
    assert "for no known reason: 0. Records lost: 0." in DOCUMENT


def test_the_table_is_made_of_the_rows() -> None:
    one, two, three = list(table_lines(ROWS))[2:]
    assert one == "| `one` | 3,000 | 3,000 | 100% | 100% | 100% | 12.3× | 1.10× |"
    assert two == "| `two` | 1 | 3,001 | 0.1% | 0% | – | 1.00× | – |"
    assert three.endswith("| needs a thing |")
    text = section(ROWS, "6.1", 3)
    assert "for no known reason: 2. Records lost: 3." in text
    assert with_section(f"a\n{BEGIN}\nold\n{END}\nb\n", text) == f"a\n{text}\nb\n"


def test_a_slowdown_is_told_only_where_the_rounds_tell() -> None:
    assert slowdown([90, 100, 110], [40, 50, 60]) == 2
    assert slowdown([40, 50, 60], [90, 100, 110]) == 0.5
    assert slowdown([90, 100, 110], [80, 95, 85]) is None
    assert slowdown([1], [1]) is None


@pytest.mark.bpf
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "poll" else pytest.mark.long) for name in ARCHITECTURES]
)
def test_nothing_of_a_server_is_unexplained_or_lost(name: str) -> None:
    """Under an exact load: of calls both sides have all, and each is paired or has a reason."""
    from tests.strace.runs import strace_or_skip
    from uringtrace.targets.support import support

    strace_or_skip()
    if lacks := support(ARCHITECTURES[name]).lacks:
        pytest.skip(lacks)
    seen = compared(ARCHITECTURES[name], 100)
    assert seen.unexplained == seen.lost == 0
    assert seen.operations >= 200, "each request was read and answered"
    if not ARCHITECTURES[name].io_uring:
        assert seen.by_count == seen.by_bytes == seen.by_connections == 1
