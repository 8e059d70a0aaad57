"""The benchmark's arithmetic, on programs whose cost is known: shell scripts that claim one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.competitors import REFERENCE, Competitor
from bench.following import CONNECTIONS, FollowedSource, chunks, files, measure_following, nops, sockets
from bench.launch import Failed, measured, reason_of
from bench.nop import Row, measure_nop
from bench.processes import Attacher, attached, running
from bench.shares import Share, measure_shares
from bench.table import bystander_lines, epoll_lines, following_lines, nop_lines
from uringtrace.probes.slots import Slots
from uringtrace.tracer.connections import ConnectionTracker
from uringtrace.tracer.decode import decode_records
from uringtrace.tracer.findings import Diagnosis


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


def test_the_line_of_a_program_is_known_by_its_first_member() -> None:
    assert measured('heading\n{"kind": "pipe", "calls": 2}\n', "kind") == {"kind": "pipe", "calls": 2}


class Rates:
    """The rate of each measurement, by tracer in the order of rounds; without any it fails."""

    def __init__(self, rates: dict[str, list[float]]) -> None:
        self.left = {name: list(values) for name, values in rates.items()}
        self.order: list[str] = []

    def __call__(self, tracer: Attacher) -> float:
        self.order.append(tracer.name)
        if tracer.name not in self.left:
            raise Failed("no such tracepoint")
        return self.left[tracer.name].pop(0)


def attacher(name: str, command: str = "true", *, ready: str = "", missing: str = "") -> Attacher:
    return Attacher(name, lambda pid: ("sh", "-c", command, "sh", str(pid)), ready, 0.9, missing)


def test_shares_are_of_the_untraced_rate_of_the_same_round() -> None:
    """As on a machine that becomes ever slower; and rounds run there and back."""
    rates = Rates({"untraced": [1000, 500, 100], "cheap": [950, 450, 91]})
    plain, cheap = measure_shares([attacher("cheap")], 3, rates)
    assert rates.order == ["untraced", "cheap", "cheap", "untraced", "untraced", "cheap"]
    assert (plain.per_second, plain.share) == (500, None)
    assert (cheap.per_second, cheap.share) == (450, pytest.approx(0.91))
    assert cheap.rounds == (950, 450, 91)


def test_a_tracer_that_cannot_run_is_left_out_and_says_why() -> None:
    rates = Rates({"untraced": [1000, 1000]})
    tracers = [attacher("broken"), attacher("absent", missing="absent is not installed")]
    rows = measure_shares(tracers, 2, rates)
    assert [row.skipped for row in rows] == ["", "no such tracepoint", "absent is not installed"]
    assert all((row.per_second, row.share) == (None, None) for row in rows[1:])
    assert rates.order == ["untraced", "broken", "untraced"]
    lines = list(epoll_lines(rows, 2))
    assert lines[-1] == f"{'absent':<24}  – absent is not installed"
    assert max(map(len, lines)) <= 80


def test_without_the_untraced_rate_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(Failed):
        measure_shares([attacher("cheap")], 1, Rates({"cheap": [1]}))


def test_bystanders_are_shown_side_by_side() -> None:
    def rows(share: float) -> tuple[Share, ...]:
        return (
            Share("untraced", 4e6, None, None, "", ()),
            Share("stat", 2e6, share, 0.97, "", ()),
            Share("absent", None, None, None, "absent is not installed", ()),
        )

    lines = list(bystander_lines({"getppid": rows(0.5), "tcp": rows(0.9)}, 3))
    assert lines[1].split() == ["getppid", "tcp", "goal"]
    assert lines[2].split()[-2:] == ["250", "250"]
    assert lines[3].split() == ["stat", "0.50", "0.90", "≥", "0.97"]
    assert lines[4].endswith("– absent is not installed")
    assert max(map(len, lines)) <= 80


def test_a_tracer_is_waited_for_and_ended() -> None:
    """It says when it is attached, and what it has set up it may take down at SIGINT."""
    command = "trap 'echo ended; exit 0' INT; echo attached to $1; while :; do sleep .01; done"
    with running(["sleep", "60"]) as target:
        with attached(attacher("patient", command, ready=f"attached to {target.pid}"), target.pid):
            pass
        assert target.process.poll() is None
    assert target.process.poll() is not None


@pytest.mark.parametrize("command", ["echo not permitted; exit 1", "echo ready; exit 3"])
def test_a_tracer_that_gives_up_counts_as_failed(command: str) -> None:
    with (
        running(["sleep", "60"]) as target,
        pytest.raises(Failed),
        attached(attacher("brittle", command, ready="ready"), target.pid),
    ):
        pass


@pytest.mark.parametrize(("shape", "requests"), [(sockets, 1_000), (files, 0), (nops, 0)])
def test_what_is_followed_are_the_operations_and_requests_that_were_made_up(
    shape: Callable[[int], Slots], requests: int
) -> None:
    source = FollowedSource()
    diagnosis = Diagnosis(source.context)
    parts = [decode_records(chunk) for chunk in chunks(shape(2_000))]
    for records in parts:
        diagnosis.add(records, source)
    diagnosed = diagnosis.judge(source)
    assert (diagnosed.operations, diagnosed.calls) == (2_000, 0)
    tracker = ConnectionTracker(source.context)
    for records in parts:
        tracker.add(records, source.files, source.open_sockets)
    moved = [each for each in tracker.connections() if each.bytes_in]
    assert sum(each.requests or 0 for each in moved) == requests
    assert sum(each.requests_from_arrival or 0 for each in moved) == requests
    assert sum(each.bytes_in for each in moved) == 120 * requests
    assert len(moved) == (CONNECTIONS if requests else 0)


def test_following_is_shown_with_its_goal() -> None:
    every = measure_following(1, lambda text: None, rows=500)
    assert all(0 < row.decoding_ns < row.ns for row in every)
    lines = list(following_lines(every, 1))
    assert len(lines) == 2 + len(every) + 1
    assert max(map(len, lines)) <= 80
    assert "500,000 operations per second" in lines[-1]
