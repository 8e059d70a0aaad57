"""docs/filters.md: every example is a valid filter, and every word is described."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import ALL_NAMES
from uringtrace.errors import FilterError
from uringtrace.tracer.filter import check_operations, evaluate, parse
from uringtrace.tracer.filter.words import WORDS
from uringtrace.tracer.record import OPERATION
from uringtrace.tracer.records import only_operations

MANUAL = (Path(__file__).parents[2] / "docs" / "filters.md").read_text()
WORD_ROWS = re.findall(r"^\| .* \| `([^`|]+)` \|$", MANUAL, re.M)
STRACE = ["trace=read,write", "read,write", "%network", "trace=!futex", "trace=/regex"]
COMBINATIONS = re.findall(r"^\| `([^`]+)` \| [^|`]+ \|$", MANUAL.partition("## Combining")[2], re.M)


@pytest.mark.parametrize("example", [*WORD_ROWS, *COMBINATIONS, *STRACE, "op=!READ,WRITE"])
def test_examples_are_valid(example: str) -> None:
    tree = parse(example)
    check_operations(tree, ALL_NAMES)
    assert evaluate(tree, only_operations(np.zeros(3, OPERATION)), ALL_NAMES, {}).shape == (3,)


def test_the_examples_were_found() -> None:
    assert len(WORD_ROWS) > 15
    assert len(COMBINATIONS) > 5


def test_every_word_is_described() -> None:
    described = set(re.findall(r"`(\w+)", MANUAL))
    assert set(WORDS) - {"t", "operation"} <= described


def test_the_marked_error_is_the_real_one() -> None:
    with pytest.raises(FilterError) as caught:
        parse("op=READ and latncy>1ms")
    error = caught.value
    shown = [
        f"uringtrace: error: {error.message}",
        f"  {error.expression}",
        "  " + " " * error.position + "^" * error.length,
        f"  {error.way_out}",
    ]
    assert "\n".join(shown) in MANUAL


def table_under(heading: str) -> list[str]:
    """What stands between backquotes in the first column of a section's table."""
    section = MANUAL.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| ([^|]+) \|", section, re.M)))


@pytest.mark.parametrize("address", table_under("Addresses"))
def test_documented_addresses_are_read(address: str) -> None:
    parse(f"peer={address}")


def test_documented_lists_are_read() -> None:
    listed = [
        each for each in table_under("Lists of operations") if each not in ("IORING_OP_", "*", "?", "/")
    ]
    assert len(listed) > 7
    check_operations(parse(f"op={','.join(listed)}"), ALL_NAMES)


def test_every_strace_qualifier_that_is_mentioned_is_refused() -> None:
    mentioned = re.findall(r"`([\w-]+)=`", MANUAL.partition("## Coming from strace\n")[2])
    assert len(mentioned) > 10
    for word in mentioned:
        with pytest.raises(FilterError, match="does not apply here"):
            parse(f"{word}=none")
