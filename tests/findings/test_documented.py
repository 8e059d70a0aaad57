"""Every rule has its section in docs/findings.md, with a trace and what to change."""

from pathlib import Path

import pytest

from tests.findings.scenes import FAULTS
from uringtrace.targets.catalogue import ARCHITECTURES
from uringtrace.tracer.findings.rules import RULES

MANUAL = (Path(__file__).parents[2] / "docs" / "findings.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in MANUAL.split("\n## ")[1:]}


@pytest.mark.parametrize("tag", [rule.tag for rule in RULES])
def test_a_rule_has_its_section(tag):
    section = SECTIONS[tag]
    assert "    WARNING  " in section or "    CRITICAL  " in section or "    INFO  " in section
    assert "| where | what to change |" in section


def test_tags_are_told_apart():
    assert len({rule.tag for rule in RULES}) == len(RULES)


def test_every_fault_of_the_servers_has_its_scene():
    offered = {(name, fault) for name, each in ARCHITECTURES.items() for fault in each.faults}
    assert {(scene.server, scene.fault) for scene in FAULTS} == offered
