"""Every number of every kind of operation is the one that the program itself counted.

In counting mode, in streaming mode, and out of a recording. `kinds` is checked by
independent observers in its own tests.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bpf.conftest import Recorded, Seen, subject_names
from tests.bpf.ground_truth import expected, observed
from tests.bpf.processes import URINGTRACE, Process, json_lines
from uringtrace.tracer.recording import open_recording

pytestmark = pytest.mark.bpf

subjects = pytest.mark.parametrize("subject", subject_names())


def compare(seen: Seen) -> None:
    expectation = expected(seen.said)
    names = seen.context.operation_names
    assert observed(seen.counters, names, seen.rings, seen.losses, expectation) == expectation


@subjects
def test_counting_mode_counts_what_the_program_did(count: Callable[[str], Seen], subject: str) -> None:
    compare(count(subject))


@subjects
def test_streaming_mode_shows_what_the_program_did(stream: Callable[[str], Seen], subject: str) -> None:
    compare(stream(subject))


@subjects
def test_a_recording_holds_what_the_program_did(recorded: Recorded, subject: str) -> None:
    compare(recorded.subjects[subject])


def test_sql_counts_what_the_program_did(recorded: Recorded) -> None:
    completions = sum(seen.said["cqe_total"] + seen.said["abandoned"] for seen in recorded.subjects.values())
    silent = sum(seen.said["silent"] for seen in recorded.subjects.values())
    sql = (
        "SELECT kind = 'SILENT' AS silent, count(*) FROM operations WHERE interface = 'io_uring' "
        "GROUP BY 1 ORDER BY 1"
    )
    with open_recording(recorded.path).query(sql) as result:
        assert [tuple(row) for row in result.rows()] == [(False, completions), (True, silent)]


def test_sql_finds_the_system_call_that_made_each_ring(recorded: Recorded) -> None:
    rings = sum(seen.said["rings"] for seen in recorded.subjects.values())
    sql = "SELECT count(*) FROM operations WHERE operation = 'io_uring_setup' AND result >= 0"
    with open_recording(recorded.path).query(sql) as result:
        assert [tuple(row) for row in result.rows()] == [(rings,)]


def test_each_of_many_rings_has_its_own_numbers(kinds: Path, tmp_path: Path) -> None:
    """In one capture of all subjects: a ring that is new at the address of a closed one, and
    takes over its request structures, takes over none of its numbers."""
    with Process([*URINGTRACE, "stat", "-f", "--json", "--", kinds], tmp_path) as tracer:
        assert tracer.wait() == 0, tracer.notices()
        said, report = json_lines(tracer.output())
    rings = sorted((ring for ring in report["rings"] if ring["ring"]), key=lambda ring: ring["ring"])
    different = {}
    for subject in said["subjects"]:
        own, rings = rings[: subject["rings"]], rings[subject["rings"] :]
        fields = ("submitted", "completions", "messages", "in_flight")
        completions = subject["cqe_total"] + subject["abandoned"]
        # A ring knows nothing of a request that was silent without having asked for it,
        # until its memory is used again.
        left = range(subject.get("silent_without_flag", 0) + 1)
        seen = tuple(sum(ring[field] for ring in own) for field in fields)
        stated = (subject["submitted"], completions, subject["messages"])
        if seen[:3] != stated or seen[3] not in left:
            different[subject["subject"]] = (seen, stated)
        assert all(ring["in_flight_max"] <= ring["submitted"] for ring in own), own
    assert (different, rings) == ({}, [])
