"""The benchmark's arithmetic, on programs whose cost is known: shell scripts that claim one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.competitors import REFERENCE, Competitor
from bench.launch import Failed, measured, reason_of
from bench.nop import Row, measure_nop
from bench.table import nop_lines


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


def tracer(folder: Path, name: str, cost_ns: int) -> tuple[str, ...]:
    """A tracer that is told apart only by the cost the program then claims."""
    return (str(script(folder / name, f'echo heading; shift; COST={cost_ns} "$@"')),)


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, Row]:
    claim = 'echo "{\\"operations\\": $1, \\"ns_per_operation\\": $((50 + ${COST:-0}))}"'
    program = script(tmp_path / "program", claim)
    contenders = (
        Competitor("cheap", tracer(tmp_path, "cheap", 30), goal=0.45),
        Competitor(REFERENCE, tracer(tmp_path, "reference", 120)),
        Competitor("broken", (str(script(tmp_path / "broken", "echo no such probe >&2; exit 1")),)),
        Competitor("absent", ("absent",), missing="absent is not installed"),
    )
    measured_rows = measure_nop(program, 32, contenders, 3, lambda text: None)
    return {row.name: row for row in measured_rows}


def test_added_cost_is_against_untraced_and_the_ratio_against_the_reference(rows: dict[str, Row]) -> None:
    assert rows["untraced"].ns_per_operation == 50
    assert (rows["cheap"].added_ns, rows["cheap"].ratio) == (30, 0.25)
    assert (rows[REFERENCE].added_ns, rows[REFERENCE].ratio) == (120, 1.0)
    assert rows["cheap"].rounds == (80, 80, 80)


def test_who_cannot_run_is_shown_with_the_reason(rows: dict[str, Row]) -> None:
    assert (rows["broken"].skipped, rows["broken"].added_ns) == ("no such probe", None)
    assert rows["absent"].skipped == "absent is not installed"
    lines = "\n".join(nop_lines(list(rows.values()), 32, 3))
    assert "– no such probe" in lines
    assert "– absent is not installed" in lines
    assert max(map(len, lines.splitlines())) <= 80


def test_a_run_without_the_programs_line_counts_as_failed() -> None:
    with pytest.raises(Failed):
        measured("Attaching 2 probes...\n")
    assert reason_of(124, "") == "took too long"
