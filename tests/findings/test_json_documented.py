"""docs/json.md against what `diagnose --json` prints."""

import json

from tests.fakes import RING, row, rows
from tests.findings.diagnosing import diagnosed
from tests.text.test_json_documented import check_object
from uringtrace.tracer.record import Path
from uringtrace.tracer.source import Losses
from uringtrace.ui.text.findings_json import diagnosis_json


def test_a_diagnosis_is_as_documented():
    batch = rows(row("WRITE", path=Path.IO_WQ | Path.OVERFLOW, fd=3), row("READ"))
    printed = json.loads(diagnosis_json(diagnosed(batch, rings=(RING,), losses=Losses({"operations": 2}, 1))))
    check_object(printed, "diagnosis")
    assert len(printed["findings"]) == 2
    assert (printed["lost_total"], printed["architecture"]["kind"]) == (2, None)


def test_a_diagnosis_of_nothing_is_as_documented():
    printed = json.loads(diagnosis_json(diagnosed()))
    check_object(printed, "diagnosis")
    assert (printed["worst"], printed["findings"]) == (None, [])
