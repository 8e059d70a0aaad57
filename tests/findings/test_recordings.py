"""Recordings of the reference servers, kept here: the same findings, without root and every time."""

from __future__ import annotations

import json

import pytest

from tests.findings.record_scenes import CHOSEN, FOLDER
from tests.findings.scenes import ARCHITECTURE_WORDS, FAULTS, HEALTHY, Scene
from uringtrace.tracer.findings import Diagnosed, Diagnosis, Severity
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.records import Records

SCENES = [scene for scene in (*FAULTS, *HEALTHY) if scene.name in CHOSEN]


def diagnosed(scene: Scene, most_rows: int | None = None) -> Diagnosed:
    recording = open_recording(FOLDER / scene.name)
    diagnosis = Diagnosis(recording.context)
    for records in recording.records():
        for part in _pieces(records, most_rows):
            diagnosis.add(part, recording)
    return diagnosis.judge(recording)


def _pieces(records: Records, most_rows: int | None) -> list[Records]:
    """As a live capture hands them over: in the order of time, a few at once."""
    from uringtrace.tracer.live.cut import cut

    if most_rows is None or len(records.operations) <= most_rows:
        return [records]
    rest, pieces = records.sorted_by_completion(), []
    while len(rest.operations) > most_rows:
        first, rest = cut(rest, int(rest.operations["completed_ns"][most_rows]))
        pieces.append(first)
    return [*pieces, rest]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
@pytest.mark.parametrize("most_rows", [None, 100], ids=["whole", "in pieces"])
def test_what_the_server_did_is_found_whatever_the_pieces(scene, most_rows):
    truth = json.loads((FOLDER / scene.name / "truth.json").read_text())
    result = diagnosed(scene, most_rows)
    above = [each for each in result.findings if each.severity > Severity.INFO]
    assert [each.tag for each in above] == ([scene.tag] if scene.tag else [])
    if scene.count is not None:
        assert above[0].value(scene.count) == truth["faults"][scene.fault]
    assert result.architecture.word == ARCHITECTURE_WORDS[scene.server]
