"""`uringtrace log`, from the command line to what is printed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import RING, FakeSource, row, rows
from tests.text.conftest import ME, Command
from uringtrace.tracer.record import Kind
from uringtrace.tracer.source import Losses

BATCHES = (
    rows(row("READ", fd=3, result=10), row("RECV", fd=7, result=-11, took_ns=5_000_000)),
    rows(),
    rows(row("NOP"), row("READ", fd=3, kind=Kind.UNFINISHED)),
)


def source(**changes: object) -> FakeSource:
    return FakeSource(BATCHES, **{"rings": (RING,), **changes})


def calls(text: str) -> list[str]:
    """The operation's name of each line."""
    return [line.partition("] ")[2].partition("(")[0] for line in text.splitlines()]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), ["READ", "RECV", "NOP", "READ"]),
        (("-e", "fd=3"), ["READ", "READ"]),
        (("-e", "trace=read,recv", "-e", "error"), ["RECV"]),
        (("-e", "latency>1ms"), ["RECV"]),
        (("-z",), ["READ", "NOP"]),
        (("-Z",), ["RECV"]),
        (("-e", "READ", "-z"), ["READ"]),
    ],
)
def test_what_is_shown(
    streaming: Callable[..., None],
    run: Command,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    shown: list[str],
) -> None:
    streaming(source())
    assert run("log", *options, ME) == 0
    out, err = capsys.readouterr()
    assert calls(out) == shown
    start, end = err.splitlines()
    assert start.endswith(". Ctrl-C to end")
    assert end.endswith("; lost 0, untracked 0")


def test_quiet_says_only_what_was_lost(
    streaming: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    streaming(source())
    run("log", "-q", ME)
    assert capsys.readouterr().err == ""
    streaming(source(losses=Losses({"operations": 2}, 1)))
    run("log", "-q", ME)
    assert capsys.readouterr().err == "uringtrace: 4 lines; lost 2 (operations 2), untracked 1\n"


def test_when_nothing_was_seen_words_say_so(
    streaming: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    streaming(FakeSource([]))
    run("log", ME)
    err = capsys.readouterr().err
    assert "no operation was seen, and no io_uring ring" in err
    streaming(FakeSource([]))
    run("log", "--interface=io_uring", ME)
    err = capsys.readouterr().err
    assert "no ring in the target yet: waiting" in err
    assert "no io_uring operation was seen, and no io_uring ring" in err
    streaming(FakeSource([]))
    run("log", "--interface=syscall", ME)
    err = capsys.readouterr().err
    assert " ring" not in err
    assert "no system call was seen; lost 0" in err


def test_json_is_one_object_per_line_in_a_frame(
    streaming: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    streaming(source())
    run("log", "--json", "-e", "fd=3", ME)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["type"] for each in printed] == ["start", "operation", "operation", "end"]


def test_times_durations_and_limits_reach_the_lines(
    streaming: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    streaming(source())
    run("log", "-ttt", "--no-durations", ME)
    first = capsys.readouterr().out.splitlines()[0]
    assert "] 1700000000.001012 READ(" in first
    assert "<0." not in first
    streaming(source())
    run("log", "-T", "-r", ME)
    first = capsys.readouterr().out.splitlines()[0]
    assert "] 0.000000 READ(" in first
    assert "<0.000012>" in first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-e", "op=REED"), "the kernel has no operation 'REED'"),
        (("-e", "fdd=3"), "unknown word 'fdd'"),
        (("-tttt",), "-t can be given three times at most"),
        (("-r", "-t"), "not allowed with"),
        (("-z", "-Z"), "not allowed with"),
        (("-s", "x"), "not a number of characters"),
    ],
)
def test_bad_usage_starts_nothing_and_leaves_nothing(
    streaming: Callable[..., None],
    run: Command,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    options: tuple[str, ...],
    message: str,
) -> None:
    fake = source()
    streaming(fake)
    assert run("log", "-o", str(tmp_path / "out"), *options, ME) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"uringtrace: error: {message}") or message in err
    assert not fake.stopped
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_word_is_marked_below_it(run: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("log", "-e", "op=READ and latncy>1ms", ME) == 2
    assert capsys.readouterr().err.splitlines()[1:3] == ["  op=READ and latncy>1ms", "              ^^^^^^"]


def test_output_to_a_file_that_is_not_overwritten(
    streaming: Callable[..., None], run: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "out"
    streaming(source())
    assert run("log", "-o", str(path), ME) == 0
    assert capsys.readouterr().out == ""
    assert len(path.read_text().splitlines()) == 4
    assert run("log", "-o", str(path), ME) == 2
    assert len(path.read_text().splitlines()) == 4
    streaming(source())
    assert run("log", "--force", "-Z", "-o", str(path), ME) == 0
    assert len(path.read_text().splitlines()) == 1


def test_output_to_a_command(streaming: Callable[..., None], run: Command, tmp_path: Path) -> None:
    streaming(source())
    assert run("log", "-o", f"|wc -l > {tmp_path / 'count'}", ME) == 0
    assert (tmp_path / "count").read_text().strip() == "4"


def test_a_recording_is_logged_and_its_problems_are_told(
    recording: Callable[..., str], run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("log", recording(source(problems=("part 3 is missing; skipped",)))) == 0
    out, err = capsys.readouterr()
    assert calls(out) == ["READ", "RECV", "NOP", "READ"]
    assert "part 3 is missing; skipped" in err


def test_the_status_of_a_launched_command_is_passed_on(streaming: Callable[..., None], run: Command) -> None:
    streaming(source(child_status=3 << 8))
    assert run("log", "--", "true") == 3
