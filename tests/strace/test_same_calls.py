"""`uringtrace log` prints what `strace -f -yy` prints for the same program: strace is the oracle."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.bpf.processes import URINGTRACE, json_lines
from tests.strace.comparison import Comparison, compare
from tests.strace.exceptions import LESS, NOT_DECODED
from tests.strace.log_lines import parse_log
from tests.strace.runs import CONNECTIONS, ECHO_SERVERS, Runs, talk
from tests.strace.strace_output import StraceCall

pytestmark = pytest.mark.bpf

Program = Callable[[str], Path]
NAMES = ("strace", "uringtrace")


def against_strace(theirs: Sequence[StraceCall], ours: Sequence[StraceCall]) -> Comparison:
    return compare(theirs, ours, NAMES, LESS, NOT_DECODED)


def assert_same(comparison: Comparison) -> None:
    if comparison.differences:
        pytest.fail(comparison.report(), pytrace=False)


@pytest.fixture(scope="module")
def compared(runs: Runs, program: Program, strace_calls: tuple[StraceCall, ...]) -> Comparison:
    """`calls` under both."""
    return against_strace(strace_calls, runs.log(program("calls"), str(runs.work)))


@pytest.fixture(scope="module")
def compared_servers(runs: Runs, program: Program) -> Callable[[str], Comparison]:
    """An echo server under both, with the same client."""

    @cache
    def run(server: str) -> Comparison:
        ours = runs.log(program(server), str(CONNECTIONS), client=talk)
        theirs = runs.strace(program(server), str(CONNECTIONS), client=talk).calls
        return against_strace(theirs, ours)

    return run


def test_every_call_of_the_program_is_the_same(compared: Comparison) -> None:
    """From execve to exit_group, in all its processes: names, arguments, results, errors."""
    assert_same(compared)


def test_many_different_calls_agree_in_full(compared: Comparison) -> None:
    """Counted among those of which nothing is excepted."""
    assert len(compared.agreeing) >= 120, sorted(compared.agreeing)


def test_descriptors_stand_for_the_same_files_and_addresses(compared: Comparison) -> None:
    assert compared.files_compared >= 200
    if compared.file_differences:
        pytest.fail("\n\n".join(compared.file_differences[:12]), pytrace=False)


@pytest.mark.parametrize("server", ECHO_SERVERS)
def test_every_call_of_an_echo_server_is_the_same(
    compared_servers: Callable[[str], Comparison], server: str
) -> None:
    comparison = compared_servers(server)
    assert_same(comparison)
    assert comparison.file_differences == []


def test_no_exception_is_made_that_is_not_needed(
    compared: Comparison, compared_servers: Callable[[str], Comparison]
) -> None:
    servers = (compared_servers(server).used_exceptions for server in ECHO_SERVERS)
    assert {*LESS, *NOT_DECODED} - compared.used_exceptions.union(*servers) == set()


@pytest.mark.parametrize("name", ["network", "file", "desc"])
def test_a_class_chooses_the_same_calls(runs: Runs, program: Program, name: str) -> None:
    options = ("-e", f"trace=%{name}")
    ours = runs.log(program("calls"), str(runs.work), options=options)
    theirs = runs.strace(program("calls"), str(runs.work), options=options).calls
    assert_same(against_strace(theirs, ours))


@pytest.fixture(scope="module")
def recording(runs: Runs, program: Program) -> Path:
    """Of `calls`."""
    return runs.record(program("calls"), str(runs.work))


def replayed(recording: Path, *options: str) -> str:
    """What `log` prints of a recording."""
    command = [*URINGTRACE, "log", "-q", *options, str(recording)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_a_recording_tells_the_same_as_strace(recording: Path, strace_calls: tuple[StraceCall, ...]) -> None:
    assert_same(against_strace(strace_calls, parse_log(replayed(recording))))


def test_a_recording_tells_the_same_as_text_and_as_json(recording: Path) -> None:
    """Row by row: name, result and error."""
    lines = replayed(recording).splitlines()
    rows = [row for row in json_lines(replayed(recording, "--json")) if row["type"] == "operation"]
    assert len(lines) == len(rows) > 0
    rows = [row for row in rows if row["operation"].islower()]
    calls = parse_log("\n".join(lines))
    assert [call.name for call in calls] == [row["operation"] for row in rows]
    assert [call.error for call in calls] == [row["error"] for row in rows]
    failed = [-1 if row["error"] else row["result"] for row in rows]
    assert [_number(call.result) for call in calls] == failed


def _number(result: str) -> int | None:
    """The number of a result as shown: `3</tmp/x>`, `0x7f…`, `022` of umask, `?`."""
    number = result.split("<")[0]
    if number == "?":
        return None
    return int(number, 8 if number.startswith("0") and number.isdigit() else 0)
