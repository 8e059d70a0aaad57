"""The programs do the same in every run, so that what differs between tracers is the tracers'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.strace.comparison import Comparison, compare
from tests.strace.exceptions import CHANGES
from tests.strace.runs import CONNECTIONS, ECHO_SERVERS, Runs, talk
from tests.strace.strace_output import StraceCall
from uringtrace.tracer.strace import Call, Unparsed

Program = Callable[[str], Path]
TWICE = ("first run", "second run")


def assert_same(comparison: Comparison) -> None:
    if comparison.differences or comparison.file_differences:
        pytest.fail(comparison.report(), pytrace=False)


def test_calls_does_the_same_twice(
    runs: Runs, program: Program, strace_calls: tuple[StraceCall, ...]
) -> None:
    again = runs.strace(program("calls"), str(runs.work)).calls
    assert_same(compare(strace_calls, again, TWICE, CHANGES))


def test_calls_makes_many_different_calls_and_many_that_fail(strace_calls: tuple[StraceCall, ...]) -> None:
    assert len({call.name for call in strace_calls}) >= 150
    assert len({call.name for call in strace_calls if call.error}) >= 30
    assert len({call.error for call in strace_calls if call.error}) >= 15


@pytest.mark.parametrize("server", ECHO_SERVERS)
def test_an_echo_server_does_the_same_twice(runs: Runs, program: Program, server: str) -> None:
    first, second = (runs.strace(program(server), str(CONNECTIONS), client=talk) for _ in range(2))
    assert_same(compare(first.calls, second.calls, TWICE, {}))


def test_the_workers_server_does_what_it_is_for(runs: Runs, program: Program) -> None:
    """Two worker threads that sleep in futex at the end, woken in turns, and a waker."""
    output = runs.strace(program("echo_workers"), str(CONNECTIONS), client=talk)
    threads = list(dict.fromkeys(call.tid for call in output.calls))
    assert len(threads) == 3
    for worker in threads[1:]:
        own = [call for call in output.calls if call.tid == worker]
        assert [call.name for call in own[-4:]] in (
            ["recvfrom", "sendto", "write", "futex"],
            ["recvfrom", "close", "write", "futex"],
        )
        assert own[-1].result == "?"


OPTION_SETS = (
    ("-r",),
    ("-t", "-r", "-i", "-n"),
    ("-Y", "-s", "0", "-a", "0"),
    ("-xx", "-v", "-X", "verbose"),
    ("-X", "raw", "-k"),
    ("-C", "-e", "read=all", "-e", "write=all"),
    ("--absolute-timestamps=unix,ns", "--syscall-times=ns"),
)


@pytest.mark.parametrize("options", OPTION_SETS, ids=" ".join)
def test_all_that_strace_writes_with_other_options_is_understood(
    runs: Runs, program: Program, strace_calls: tuple[StraceCall, ...], options: tuple[str, ...]
) -> None:
    """Whatever the options, the lines of `calls` tell the same calls with the same results."""
    records = runs.strace_records(program("calls"), str(runs.work), options=options)
    assert [record for record in records if isinstance(record, Unparsed)] == []
    calls = [record for record in records if isinstance(record, Call)]
    assert Counter((call.name, call.result and call.result.error) for call in calls) == Counter(
        (call.name, call.error) for call in strace_calls
    )
