"""Programs over other runtimes, and daemons, diagnosed while they run: healthy and broken on purpose."""

from __future__ import annotations

import shutil

import pytest

from tests.findings.foreign.scenes import PROGRAMS, Foreign
from tests.findings.results import keep
from tests.findings.staging import watched
from tests.findings.test_servers import above_info

SLICE = {"asyncio-healthy", "asyncio-sleep"}
"""What every test run plays; `make test-findings` plays all."""


@pytest.mark.bpf
@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(each, id=each.name, marks=[] if each.name in SLICE else [pytest.mark.long])
        for each in PROGRAMS
    ],
)
def test_a_foreign_program_has_its_fault_found_and_no_other(scene: Foreign, tmp_path):
    if scene.needs is not None and shutil.which(scene.needs) is None:
        pytest.skip(f"{scene.needs} is not installed")
    with scene.start(tmp_path) as program:
        result = watched(program, scene.visit, "diagnose", "--json")
    keep(scene.name, result.diagnosis, result.truth)
    diagnosis = result.diagnosis
    assert set(above_info(diagnosis)) <= {scene.tag}
    assert diagnosis["lost_total"] == 0
    if scene.tag is None:
        return
    findings = [each for each in diagnosis["findings"] if each["tag"] == scene.tag]
    assert findings, "it was not found"
    values = [
        {name: value for each in found["evidence"] for name, value in each["values"].items()}
        for found in findings
    ]
    faults = result.truth["faults"][scene.way] if scene.way else scene.times
    assert faults, "the visitors did not provoke the fault"
    if scene.count is not None:
        # Each thread that misbehaves has a finding of its own.
        assert sum(each[scene.count] for each in values) == faults
    if scene.call is not None:
        assert {each["call"] for each in values} == {scene.call or None}
    for found in findings:
        subject = found["subject"]
        assert subject["tgid"] in result.pids
        # Only threads_program.py does its work in others than the first.
        assert subject["tid"] in (None, program.pid) or scene.name.startswith("threads")
        assert scene.where is None or scene.where in subject["file"]
