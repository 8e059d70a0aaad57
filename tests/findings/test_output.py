"""What `diagnose` prints, and its exit code."""

import json

import pytest

from tests.fakes import row
from tests.findings.diagnosing import diagnosed
from uringtrace.cli.diagnose import tripped
from uringtrace.tracer.record import Path
from uringtrace.tracer.source import File, Losses
from uringtrace.ui.text.findings_json import diagnosis_json
from uringtrace.ui.text.findings_text import findings_lines
from uringtrace.ui.text.style import Style

FULL = row(path=Path.OVERFLOW)


def test_lines_fit_eighty_columns_and_never_say_healthy():
    lines = findings_lines(diagnosed(FULL), Style())
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "WARNING  the completion queue overflows" in text
    assert "1 of 1 completions" in text
    assert "healthy" not in text.lower()
    assert "lost 0, untracked 0" in lines[-1]


def test_what_could_not_be_judged_is_said():
    text = "\n".join(findings_lines(diagnosed(), Style()))
    assert "nothing found by 0 rules that could judge" in text
    assert "not applicable:" in text


def test_names_of_the_target_do_not_reach_the_terminal_as_they_are():
    evil = File(7, "/tmp/\x1b[31mred", 8, 12)
    lines = findings_lines(diagnosed(row("WRITE", file=7, path=Path.IO_WQ), files={7: evil}), Style())
    assert "\x1b" not in "".join(lines)
    assert "\\x1b[31mred" in "".join(lines)


def test_markdown_of_a_recording_has_its_findings_and_losses(repository, capsys):
    from uringtrace.cli.main import main

    code = main(["diagnose", "--markdown", str(repository / "tests/findings/recordings/uring-cq-overflow")])
    printed = capsys.readouterr().out
    assert code == 0
    assert printed.startswith("## Diagnosis of process ")
    assert "### warning: the completion queue overflows" in printed
    assert printed.rstrip().endswith("lost 0, untracked 0")


@pytest.mark.parametrize(("gate", "code"), [("critical", 0), ("warn", 3)])
def test_the_exit_code_of_a_recording(repository, capsys, gate, code):
    from uringtrace.cli.main import main

    recording = str(repository / "tests/findings/recordings/uring-cq-overflow")
    assert main(["diagnose", "--fail-on", gate, recording]) == code
    assert "the completion queue overflows" in capsys.readouterr().out


def test_json_says_the_same():
    result = diagnosed(FULL)
    read = json.loads(diagnosis_json(result))
    assert (read["schema"], read["type"], read["worst"]) == (1, "diagnosis", "warning")
    assert [each["tag"] for each in read["findings"]] == ["cq-overflow"]
    assert {each["tag"]: each["state"] for each in read["rules"]} == {
        each.tag: each.state.value for each in result.verdicts
    }


@pytest.mark.parametrize(
    ("gate", "trips"), [(None, False), ("info", True), ("warn", True), ("critical", False)]
)
def test_the_gate(gate, trips):
    assert tripped(diagnosed(FULL), gate) is trips


def test_losses_of_the_tool_trip_no_gate():
    assert not tripped(diagnosed(losses=Losses({"operations": 9}, 3)), "info")


def test_the_command_reads_a_recording(repository, capsys):
    """Its clients are threads of the server's own process, and no part of what kind of server it is."""
    from uringtrace.cli.main import main

    code = main(["diagnose", "--json", str(repository / "targets/demo/recording")])
    assert code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["operations"] > 0
    assert said["architecture"]["kind"] == "io_uring"
