"""The reference servers, diagnosed while they run: each fault found, nothing else; each word right.

Numbers are compared with what the server says of itself in its last line.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.findings.results import keep
from tests.findings.scenes import ARCHITECTURE_WORDS, FAULTS, HEALTHY, Scene
from tests.findings.staging import Played, play
from uringtrace.targets.catalogue import ARCHITECTURES
from uringtrace.targets.support import support

SLICE = {"epoll-blocking-sleep", "uring"}
"""What every test run plays; `make test-findings` plays all."""


def scenes(chosen: tuple[Scene, ...]) -> list[Any]:
    return [
        pytest.param(scene, id=scene.name, marks=[] if scene.name in SLICE else [pytest.mark.long])
        for scene in chosen
    ]


def played(scene: Scene) -> Played:
    lacks = support(ARCHITECTURES[scene.server]).lacks
    if lacks:
        pytest.skip(lacks)
    result = play(scene, "diagnose", "--json")
    keep(scene.name, result.diagnosis, result.truth)
    return result


def above_info(diagnosis: dict[str, Any]) -> list[str]:
    return [each["tag"] for each in diagnosis["findings"] if each["severity"] != "info"]


@pytest.mark.bpf
@pytest.mark.parametrize("scene", scenes(FAULTS))
def test_each_fault_is_found_with_the_servers_own_numbers(scene):
    result = played(scene)
    diagnosis, faults = result.diagnosis, result.truth["faults"][scene.fault]
    assert faults, "the visitors did not provoke the fault"
    (found,) = [each for each in diagnosis["findings"] if each["tag"] == scene.tag]
    assert above_info(diagnosis) == [scene.tag]
    assert found["subject"]["tgid"] in result.pids
    values = {name: value for each in found["evidence"] for name, value in each["values"].items()}
    if scene.count is not None:
        assert values[scene.count] == faults
    assert diagnosis["lost_total"] == 0


@pytest.mark.bpf
@pytest.mark.parametrize("scene", scenes(HEALTHY))
def test_a_server_without_fault_has_nothing_above_info_and_its_own_architecture(scene):
    diagnosis = played(scene).diagnosis
    assert above_info(diagnosis) == []
    assert diagnosis["architecture"]["words"] == ARCHITECTURE_WORDS[scene.server]
