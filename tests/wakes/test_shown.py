"""A chain as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.text.test_json_documented import check_object
from tests.wakes.recorded import FOLDER, REQUESTS
from tests.wakes.test_recording import chain, followed
from uringtrace.cli.main import main
from uringtrace.tracer.recording import open_recording
from uringtrace.tracer.wakes import Known, StepKind, WakeChain, WakeStep
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.wake_chain_json import chain_json
from uringtrace.ui.text.wake_chain_text import chain_lines

READ = WakeStep(StepKind.READ, 1000, 0, Known.OBSERVED, 7, "a\x1bb", "recvfrom", 5, "TCP x")
UNSEEN = WakeStep(StepKind.UNSEEN, 1500, 500, Known.UNKNOWN, 8, None)
WAITED = WakeStep(StepKind.WAITED, 4000, 2500, Known.OBSERVED, 8, None, "read", 3, None, None, "interrupt")
ANSWERED = WakeStep(StepKind.ANSWERED, 5000, 1000, Known.OBSERVED, 8, None, "sendto", 5)
UNKNOWN = WakeChain(1, 2, None, None, 1000, False, (READ, UNSEEN, WAITED, ANSWERED))


def test_the_object_is_as_documented() -> None:
    recording = open_recording(FOLDER)
    found, follower = followed("1#2")
    assert found is not None
    printed = json.loads(chain_json(found, recording, follower.requests, follower.left_out))
    check_object(printed, "wake-chain")
    assert [step["at_ns"] for step in printed["steps"]] == [
        step.ns - found.received_ns for step in found.steps
    ]
    assert sum(step["delay_ns"] for step in printed["steps"]) == printed["total_ns"]
    check_object(json.loads(chain_json(UNKNOWN, recording, 1, 0)), "wake-chain")


def test_a_known_chain_as_text() -> None:
    found = chain("1#2")
    lines = chain_lines(found, Style())
    assert all(len(line) <= 80 for line in lines)
    text = "\n".join(lines)
    network, worker, loop = found.threads
    words = " ".join(text.split())
    assert f"way: network → {network} hand_over → futex → {worker} → eventfd → {loop} → answer" in words
    assert f"<eventfd> wakes {loop}" in words
    assert "unknown" not in text
    assert "inferred" not in text


def test_what_is_unknown_is_said() -> None:
    lines = chain_lines(UNKNOWN, Style())
    text = "\n".join(lines)
    assert "its arrival was not seen" in text
    assert "? unknown: nothing was seen to lead from the step before to this one" in lines
    assert "way: 7 a\\x1bb → ? → 8 → answer" in lines
    assert "waited in read(3), woken by the interrupt" in " ".join(text.split())
    (longest,) = [line for line in chain_lines(UNKNOWN, Style(colour=True)) if line.startswith("\x1b[31m")]
    assert "2.50µs" in longest


def test_an_inference_is_marked() -> None:
    step = replace(ANSWERED, kind=StepKind.BEGAN, known=Known.INFERRED, others=2)
    text = "\n".join(chain_lines(replace(UNKNOWN, steps=(READ, step)), Style()))
    assert "~ sendto(5) begins, beside 2 other connections" in " ".join(text.split())
    assert "~ inferred:" in text
    assert max(map(len, text.splitlines())) <= 80


def run(*words: str) -> int:
    return main(["diagnose", "--wake-chain", *words, str(FOLDER)])


def test_the_command_prints_the_slowest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("slowest", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["request"], printed["requests"]) == (chain("slowest").request, REQUESTS)
    assert run("slowest") == 0
    assert f"request {printed['request']} of connection 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["fastest"], 2, "no request is named 'fastest'"),
        (["1#999"], 1, "no request was answered that could be 1#999"),
        (["1", "--fail-on", "warn"], 2, "--wake-chain does not go with --fail-on"),
        (["1", "--interface", "io_uring"], 2, "made of system calls"),
    ],
)
def test_the_command_says_what_it_cannot_do(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == code
    assert said in capsys.readouterr().err
