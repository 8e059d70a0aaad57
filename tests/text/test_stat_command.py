"""`uringtrace stat` and the live screen, from the command line to what is printed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import RING, STARTED_NS, FakeCountingSource, FakeSource, call, context, row, rows
from tests.text.conftest import ME, Command
from uringtrace.tracer.source import Losses

SECOND = 1_000_000_000
ONE_THEN_TWO = ([row("READ", result=100)], [row("READ", result=100), row("NOP")])


def source(**changes: object) -> FakeCountingSource:
    parts = [rows(*part) for part in ONE_THEN_TWO]
    return FakeCountingSource(parts, **{"rings": (RING,), **changes})


def counts(text: str) -> list[str]:
    """Operation and count of each line of the operations tables, in order."""
    return [" ".join(line.split()[:2]) for line in text.splitlines() if line.endswith("%")]


def test_the_tables_go_to_standard_output_and_the_start_line_does_not(
    counting: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    counting(source(losses=Losses({}, untracked=4)))
    assert run("stat", ME) == 0
    out, err = capsys.readouterr()
    assert counts(out) == ["READ 2", "NOP 1"]
    assert out.endswith("lost 0, untracked 4\n")
    assert err.splitlines() == [f"uringtrace: counting process {ME}. Ctrl-C to end"]


def test_intervals_show_what_each_added_and_the_end_shows_all(
    counting: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    counting(source())
    run("stat", "-i", "2", ME)
    out = capsys.readouterr().out
    assert counts(out) == ["READ 1", "NOP 1", "READ 1", "READ 2", "NOP 1"]
    assert [line for line in out.splitlines() if line.startswith("---")] == [
        "--- 2.0 s",
        "--- 4.0 s",
        "--- in all",
    ]
    assert "0.50/s" in out


def test_a_duration_ends_the_capture(
    counting: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = source()
    counting(fake)
    run("stat", "-d", "1.5", ME)
    assert counts(capsys.readouterr().out) == ["READ 1"]
    assert fake.stopped
    assert fake.ended_ns == STARTED_NS + 1.5 * SECOND


@pytest.mark.parametrize("argv", [("--json", ME), (ME, "--json"), ("--json", "-p", ME)])
def test_json_takes_the_place_of_the_tables(
    counting: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    counting(source())
    assert run("stat", *argv) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["schema"], printed["totals"]["completions"]) == (1, 3)


def test_json_to_a_file_leaves_the_tables(
    counting: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "out.json"
    counting(source())
    run("stat", f"--json={path}", "-i", "1", ME)
    assert counts(capsys.readouterr().out)[-2:] == ["READ 2", "NOP 1"]
    printed = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(each["type"], each["totals"]["completions"]) for each in printed] == [
        ("interval", 1),
        ("interval", 2),
        ("summary", 3),
    ]
    assert run("stat", f"--json={path}", ME) == 2
    assert "exists already" in capsys.readouterr().err
    counting(source())
    assert run("stat", f"--json={path}", "--force", ME) == 0


def test_nothing_is_left_behind_when_the_target_does_not_exist(run: Command, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    assert run("stat", f"--json={path}", "-p", "4194304999") == 2
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), ["no operation was seen; children that the target forks are traced only with -f"]),
        (
            ("--interface=io_uring",),
            [
                "no ring in the target yet: waiting for one",
                "no ring was used; children that the target forks are traced only with -f",
            ],
        ),
        (
            ("--interface=syscall",),
            ["no operation was seen; children that the target forks are traced only with -f"],
        ),
        (("-f",), []),
    ],
)
def test_a_target_that_does_nothing_is_told_so(
    counting: Callable[..., None],
    run: Command,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    said: list[str],
) -> None:
    counting(FakeCountingSource([], rings=()))
    assert run("stat", *options, ME) == 0
    _, *notices = capsys.readouterr().err.splitlines()
    assert notices == [f"uringtrace: {line}" for line in said]


def test_a_target_with_system_calls_only_needs_no_ring(
    counting: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    counting(FakeCountingSource([call("read", 3, result=10, slept=True)], rings=()))
    assert run("stat", ME) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [f"uringtrace: counting process {ME}. Ctrl-C to end"]
    assert out.startswith("SYSTEM CALL")
    assert "RING" not in out


def test_a_recording_is_read_with_its_own_time_and_its_problems_are_told(
    recording: Callable[..., str], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    late = row("READ", after_ns=5 * SECOND)
    fake = FakeSource([rows(row("READ"), late)], problems=("part 3 is missing; skipped",))
    assert run("stat", "-i", "4", recording(fake)) == 0
    out, err = capsys.readouterr()
    assert counts(out) == ["READ 1", "READ 2"]
    assert err == "uringtrace: part 3 is missing; skipped\n"


@pytest.mark.parametrize("interface", ["all", "io_uring", "syscall"])
def test_one_interface_of_a_recording_is_counted_as_if_only_it_had_been_captured(
    recording: Callable[..., str], run: Command, capsys: pytest.CaptureFixture[str], interface: str
) -> None:
    parts = [rows(row("READ"), call("read", 3)), rows(call("read", 3), row("NOP"))]
    fake = FakeSource(parts, context=context(probes=("io_uring_complete", "sys_exit")), rings=(RING,))
    assert run("stat", "--json", "--interface", interface, recording(fake)) == 0
    report = json.loads(capsys.readouterr().out)
    io_uring, syscall = {"READ": 1, "NOP": 1}, {"read": 2}
    expected = {"all": io_uring | syscall, "io_uring": io_uring, "syscall": syscall}[interface]
    assert {each["name"]: each["count"] for each in report["operations"]} == expected
    assert (report["totals"]["io_uring"] is None) == (interface == "syscall")
    assert (report["totals"]["syscall"] is None) == (interface == "io_uring")
    assert len(report["rings"]) == (0 if interface == "syscall" else 1)


def test_the_status_of_a_launched_command_is_passed_on(counting: Callable[..., None], run: Command) -> None:
    counting(source(child_status=7 << 8))
    assert run("stat", "--", "true") == 7


@pytest.mark.parametrize("word", ["0", "-1", "soon", "nan", "inf"])
def test_a_bad_duration_is_bad_usage(run: Command, capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert run("stat", f"--duration={word}", ME) == 2
    assert "seconds" in capsys.readouterr().err


def test_the_short_form_prints_a_block_each_second_and_a_summary(
    counting: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    counting(source())
    assert run(ME) == 0
    out = capsys.readouterr().out
    assert counts(out) == ["READ 1", "READ 2", "NOP 1", "READ 2", "NOP 1"]
    assert "process 4242 · 1 s · now 1/s" in out
    assert "process 4242 · 2 s · now 2/s" in out
    assert "\x1b" not in out
