"""The strict reading of strace's output that comparisons of runs are made of."""

from __future__ import annotations

import pytest

from tests.strace.strace_output import StraceCall, UnknownLine, parse


def test_a_line_with_times_and_files() -> None:
    line = '812 1700000000.250001 openat(AT_FDCWD</srv>, "a, \\"b\\")", O_RDONLY) = 3</srv/a, b> <0.000031>'
    assert parse(line).calls == (
        StraceCall(
            812,
            "openat",
            ("AT_FDCWD</srv>", '"a, \\"b\\")"', "O_RDONLY"),
            "3</srv/a, b>",
            None,
            "",
            1_700_000_000_250_001_000,
            31_000,
        ),
    )


def test_calls_stand_where_they_began_and_those_that_never_return_have_no_result() -> None:
    output = parse("11 pause( <unfinished ...>\n12 getpid() = 12\n11 +++ killed by SIGKILL +++\n")
    assert [(call.tid, call.name, call.result) for call in output.calls] == [
        (11, "pause", "?"),
        (12, "getpid", "12"),
    ]
    assert [end.how for end in output.ends] == ["killed by SIGKILL"]


@pytest.mark.parametrize(
    "line",
    [
        "strace: Process 12 attached",
        "11 [ Process PID=12 runs in 32 bit mode. ]",
        '11 read(3, "abc',
        "11 read(3, 1) : 0",
        "11 <... read resumed>) = 0",
        "getpid() = 11",
    ],
)
def test_what_is_not_a_whole_call_of_a_thread_is_an_error_that_names_the_line(line: str) -> None:
    with pytest.raises(UnknownLine, match="line 1: "):
        parse(line)
