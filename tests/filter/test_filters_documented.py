"""docs/filters.md: every example is a valid filter, and every word is described."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import OPERATION_NAMES
from uringtrace.errors import FilterError
from uringtrace.tracer.filter import check_operations, evaluate, parse
from uringtrace.tracer.filter.words import WORDS
from uringtrace.tracer.record import OPERATION

MANUAL = (Path(__file__).parents[2] / "docs" / "filters.md").read_text()
WORD_ROWS = re.findall(r"^\| .* \| `([^`|]+)` \|$", MANUAL, re.M)
COMBINATIONS = re.findall(r"^\| `([^`]+)` \| [^|`]+ \|$", MANUAL, re.M)


@pytest.mark.parametrize(
    "example", [*WORD_ROWS, *COMBINATIONS, "op=!READ,WRITE", "trace=read,write", "read,write"]
)
def test_examples_are_valid(example: str) -> None:
    tree = parse(example)
    check_operations(tree, OPERATION_NAMES)
    assert evaluate(tree, np.zeros(3, OPERATION), OPERATION_NAMES).shape == (3,)


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
